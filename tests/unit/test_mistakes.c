/* SPDX-License-Identifier: BSD-2-Clause */
/* Mistakes that people make, and the whole of what is said about each. */
#include <errno.h>

#include "config_text.h"
#include "rules/change.h"

static void expect_printed(const struct errors *errors, const char *input, const char *expected)
{
	char *text = printed_errors(errors);

	if (strcmp(text, expected) != 0)
		fail_msg("<%s>\nis refused with:\n%sexpected:\n%s", input, text, expected);
	free(text);
}

/* Files. Positions are those of "f". */
#define R    "rules:\n"
#define IN   "- in: 239.1.1.1:5000@eth0\n"
#define GOOD "rules: [in 239.1.1.1:5000@eth0 out 10.0.0.1:6000]\n"

static const char *const files[][2] = {
	/* IPv6 without quotes */
	{R "- in: [ff3e::1]:5000@eth0\n  out: 10.0.0.1:6000\n",
	 "f:2:7: '[ff3e::1]:5000@eth0': brackets begin a list in YAML, expected an IPv6 address in "
	 "quotes, as in \"[ff3e::1]:5000@eth0\"\n"},
	{R IN "  out:\n  - [ff3e::2]:6000@eth1\n",
	 "f:4:5: '[ff3e::2]:6000@eth1': brackets begin a list in YAML, expected an IPv6 address in "
	 "quotes, as in \"[ff3e::1]:5000@eth0\"\n"},
	{R IN "  source: [2001:db8::1]\n  out: 10.0.0.1:6000\n",
	 "f:3:11: '[2001:db8::1]': brackets begin a list in YAML, expected an IPv6 address in "
	 "quotes, as in \"[ff3e::1]:5000@eth0\"\n"},
	/* tabs */
	{R "\t" IN, "f:2:1: '': a tab, expected spaces: YAML is not indented with tabs\n"},
	{R IN "\tout: 10.0.0.1:6000\n",
	 "f:3:1: '': a tab, expected spaces: YAML is not indented with tabs\n"},
	{R IN "  out:\n  \t- 10.0.0.1:6000\n",
	 "f:4:3: '': a tab, expected spaces: YAML is not indented with tabs\n"},
	/* words of a line as keys */
	{R IN "  disabled: True\n  out: 10.0.0.1:6000\n",
	 "f:3:3: 'disabled': a word of a rule on one line, expected `enabled: no`\n"},
	/* no space behind a colon */
	{R "- name:cam1\n  in: 239.1.1.1:5000@eth0\n  out: 10.0.0.1:6000\n",
	 "f:2:3: 'name:cam1': no space behind the colon, expected `name: `\n"},
	{R IN "  name:cam1\n  out: 10.0.0.1:6000\n",
	 "f:3:3: 'name:cam1': no space behind the colon, expected `name: `\n"},
	{R IN "  out: 10.0.0.1:6000\n  name:cam1\n",
	 "f:4:3: 'name:cam1': no space behind the colon, expected `name: `\n"},
	{R "- in:239.1.1.1:5000@eth0\n",
	 "f:2:3: 'in:239.1.1.1:5000@eth0': no space behind the colon, expected `in: `\n"},
	{GOOD "logging: { level:debug }\n",
	 "f:2:12: 'level:debug': no space behind the colon, expected `level: `\n"},
	/* keys below a value */
	{R IN "  out:\n  - 10.0.0.1:6000\n    ttl: 8\n",
	 "f:5:5: 'ttl:': a key below a value, expected `to: 10.0.0.1:6000` above it\n"},
	{R IN "  out: 10.0.0.1:6000\n    ttl: 8\n",
	 "f:4:5: 'ttl:': a key below a value, expected `to: 10.0.0.1:6000` above it\n"},
	{R "- cam1 in 239.1.1.1:5000@eth0 out 10.0.0.1:6000\n  ttl: 8\n",
	 "f:3:3: 'ttl:': a key below a rule of one line, expected all of the rule in that line\n"},
	/* keys in the wrong place */
	{R IN "   out: 10.0.0.1:6000\n",
	 "f:3:4: 'out:': wrong indentation, expected as many spaces as before the key above\n"},
	{R IN "  out: 10.0.0.1:6000\n  ttl: 8\n",
	 "f:4:3: 'ttl': a key of an output, expected it below `out:`, beside `to:`\n"},
	{R IN "  out: { to: 10.0.0.1:6000, enabled: no }\n",
	 "f:3:29: 'enabled': a key of the rule, expected it beside `out:`\n"},
	/* lists */
	{R IN "  out:\n    10.0.0.1:6000\n    10.0.0.2:6000\n",
	 "f:4:5: '10.0.0.1:6000\\x0a    10.0.0.2:6000': more than one word, expected one output "
	 "behind each `- `, and options as keys beside `to:`\n"},
	{R "  in: 239.1.1.1:5000@eth0\n  out: 10.0.0.1:6000\n",
	 "f:2:3: 'in:': wrong type, expected a list of rules, each behind `- `\n"},
	{R IN "  out: [10.0.0.1:6000\n", "f:4:1: '': the file ends too early: a list in [ ] has "
					 "not ended, expected a comma or ]\n"},
	{"rules: - in 239.1.1.1:5000@eth0\n",
	 "f:1:8: '-': a list cannot begin here, expected `- ` in a line of its own\n"},
	/* other syntax */
	{R "- in: @eth0\n",
	 "f:2:7: '@eth0': a value cannot begin with this character, expected it in quotes\n"},
	{R "- \"in 239.1.1.1:5000@eth0\n",
	 "f:3:1: '': the file ends too early: a quoted text has not ended, expected its quote\n"},
	/* near misses */
	{R IN "  outs: 10.0.0.1:6000\n",
	 "f:2:3: 'in:': no `out:` here, expected a list of outputs\n"
	 "f:3:3: 'outs': unknown key, did you mean out?\n"},
	{R IN "  out: { to: 10.0.0.1:6000, tll: 8 }\n",
	 "f:3:29: 'tll': unknown key, did you mean ttl?\n"},
	{GOOD "worker: {}\n", "f:2:1: 'worker': unknown key, did you mean workers?\n"},
	{GOOD "logging: { levl: info }\n", "f:2:12: 'levl': unknown key, did you mean level?\n"},
	{GOOD "logging: { level: deubg }\n",
	 "f:2:19: 'deubg': not a valid level, did you mean debug?\n"},
	{GOOD "ruel: []\n", "f:2:1: 'ruel': unknown key, did you mean rules?\n"},
	/* duplicates */
	{"rules:\n- a in 239.1.1.1:5000@eth0 out 10.0.0.1:6000\n"
	 "- b in 239.1.1.1:5000@eth0 out 10.0.0.1:6000\n"
	 "- a in 239.1.1.2:5000@eth0 out 10.0.0.1:6000\n",
	 "f:3:8: '239.1.1.1:5000@eth0': duplicate input: rule a (line 2) already has it\n"
	 "f:4:3: 'a': duplicate name: the rule for 239.1.1.1:5000@eth0 (line 2) already has it\n"},
};

static void test_files(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct errors errors = {0};
		struct config config;

		config_init(&config);
		if (config_parse_yaml(files[i][0], strlen(files[i][0]), "f", &config, &errors) !=
		    -EINVAL)
			fail_msg("<%s> is accepted", files[i][0]);
		expect_printed(&errors, files[i][0], files[i][1]);
		errors_free(&errors);
	}
}

/* What is unambiguous is accepted: the line is what is meant. */
static const char *const accepted[][2] = {
	{R IN "  out: 10.0.0.1:6000\n", "in 239.1.1.1:5000@eth0 out 10.0.0.1:6000"},
	{R IN "  out: { to: 10.0.0.1:6000, dscp: EF }\n",
	 "in 239.1.1.1:5000@eth0 out 10.0.0.1:6000 dscp ef"},
	{R IN "  out:\n    to: 10.0.0.1:6000\n    ttl: Keep\n    from: KEEP\n",
	 "in 239.1.1.1:5000@eth0 out 10.0.0.1:6000 ttl keep from keep"},
	{R IN "  may_loop: True\n  enabled: No\n  path: Kernel\n  out: 10.0.0.1:6000\n",
	 "in 239.1.1.1:5000@eth0 may_loop disabled path kernel out 10.0.0.1:6000"},
	{R "- in: 239.1.1.1:ANY@eth0\n  out: [ { to: 10.0.0.1, rate: 5Mbit } ]\n",
	 "in 239.1.1.1:any@eth0 out 10.0.0.1 rate 5mbit"},
	{"rules: in 239.1.1.1:5000@eth0 out 10.0.0.1:6000\nworkers: { cpus: 3 }\n",
	 "in 239.1.1.1:5000@eth0 out 10.0.0.1:6000"},
};

static void test_accepted(void **state)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct config config = parse(accepted[i][0]);

		assert_int_equal(config.nr_rules, 1);
		expect_rule(&config, 0, accepted[i][1]);
		config_free(&config);
	}
}

/* Operations on a configuration with the rules "cam1" and "cam2". The first word is the verb. */
#define OUT " out 10.0.0.1:6000"

static const char *const changes[][2] = {
	/* addresses */
	{"add in 239.1.0.0/16:5000@eth0" OUT,
	 "x:1:31: '10.0.0.1:6000': one destination for a prefix of groups, expected "
	 "same[:PORT]@IFACE\n"},
	{"add in 239.1.1.8:5000@eth0 out same@eth1 when joined",
	 "x:1:28: 'same@eth1': `same` is for a prefix of groups in the input, expected "
	 "DEST[:PORT][@IFACE]\n"},
	{"add in 239.1.0.0/16:5000@eth0 out same@eth1",
	 "x:1:31: 'same@eth1': a prefix of groups, which are relayed as they are wanted, expected "
	 "`when joined` in each output\n"},
	{"add in 239.1.0.0/16:5000@eth0 lease tv out same@eth1 when joined",
	 "x:1:4: '239.1.0.0/16:5000@eth0': `lease`, `sequence` and `watch` are not for a prefix "
	 "of groups, expected a rule for each group, such as 239.1.1.{1..50}\n"},
	{"add in camera.example:5000@eth0" OUT,
	 "x:1:4: 'camera.example': not an address: host names are not resolved, expected an IPv4 "
	 "address or an IPv6 address in brackets\n"},
	{"add in 239.1.1.256:5000@eth0" OUT,
	 "x:1:4: '239.1.1.256': 256 is out of range, expected 0 to 255\n"},
	{"add in udp://@239.1.1.9:5000 out 10.0.0.1:6000",
	 "x:1:4: 'udp://@239.1.1.9:5000': a URL, expected GROUP:PORT@IFACE\n"},
	{"add in 239.1.1.9:5000@eth0 out udp://10.0.0.1:6000",
	 "x:1:28: 'udp://10.0.0.1:6000': a URL, expected DEST[:PORT][@IFACE]\n"},
	{"add in 239.1.1.9:5000-5010@eth0" OUT,
	 "x:1:14: '5000-5010': a span of ports, expected one port, or `any` for every port of a "
	 "group: write a rule for each, or a range such as {1..50}\n"},
	{"add in 239.1.1.8,239.1.1.9:5000@eth0" OUT,
	 "x:1:4: '239.1.1.8,239.1.1.9:5000': a list, expected one address and one port: write a "
	 "rule for each, or a range such as {1..50}\n"},
	{"add in 239.1.1.9:5000,5001@eth0" OUT,
	 "x:1:4: '239.1.1.9:5000,5001': a list, expected one address and one port: write a rule "
	 "for each, or a range such as {1..50}\n"},
	{"add in 239.1.1.9:5000@eth0 out 10.0.0.1:6000,10.0.0.2:6000",
	 "x:1:28: '10.0.0.1:6000,10.0.0.2:6000': a list, expected one address and one port: write "
	 "an output for each\n"},
	{"add c{1..4} in 239.1.1.9:{5000-5003}@eth0" OUT,
	 "x:1:12: '239.1.1.9:{5000-5003}@eth0': not a range, expected {FIRST..LAST}, such as "
	 "{1..50}\n"},
	/* words between them */
	{"add in 239.1.1.9:5000@eth0 -> 10.0.0.1:6000",
	 "x:1:24: '->': no arrow in a rule, expected `in GROUP:PORT@IFACE` and `out "
	 "DEST[:PORT][@IFACE]`\n"},
	{"add 239.1.1.9:5000@eth0 => 10.0.0.1:6000",
	 "x:1:21: '=>': no arrow in a rule, expected `in GROUP:PORT@IFACE` and `out "
	 "DEST[:PORT][@IFACE]`\n"},
	{"add in 239.1.1.9:5000@eth0 outs 10.0.0.1:6000",
	 "x:1:24: 'outs': unexpected word, did you mean out?\n"},
	{"add in 239.1.1.9:5000@eth0" OUT " tll 8",
	 "x:1:42: 'tll': unexpected word, did you mean ttl?\n"},
	{"add in 239.1.1.9:5000@eth0 vlan 100" OUT,
	 "x:1:24: 'vlan': unexpected word, expected the VLAN's own interface in the input, such as "
	 "@eth0.100\n"},
	{"add in 239.1.1.9:5000@eth0" OUT " ttl=8",
	 "x:1:42: 'ttl=8': expected a space behind `ttl`\n"},
	{"add in 239.1.1.9:5000@eth0" OUT " ttl kep",
	 "x:1:46: 'kep': not a valid ttl, did you mean keep?\n"},
	/* duplicates, and rules that do not exist */
	{"add in 239.1.1.1:5000@eth0" OUT,
	 "x:1:4: '239.1.1.1:5000@eth0': duplicate input: rule cam1 already has it\n"},
	{"add cam1 in 239.1.1.9:5000@eth0" OUT,
	 "x:1:1: 'cam1': duplicate name: the rule for 239.1.1.1:5000@eth0 already has it\n"},
	{"replace cam9 in 239.1.1.9:5000@eth0" OUT,
	 "x:1:1: 'cam9': no rule of this name, did you mean cam1?\n"},
	{"del camera", "x:1:1: 'camera': no rule of this name\n"},
	{"disable Cam2", "x:1:1: 'Cam2': no rule of this name, did you mean cam2?\n"},
};

static void change(const struct config *running, const char *line, const char *expected)
{
	static const char *const verbs[] = {"add ", "replace ", "del ", "enable ", "disable "};
	struct rule_operation operation = {.text = NULL};
	struct errors errors = {0};
	struct config result;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strncmp(line, verbs[i], strlen(verbs[i])) == 0)
			operation =
				(struct rule_operation){(enum rule_verb)i, line + strlen(verbs[i])};
	}
	assert_non_null(operation.text);
	if (config_change(running, &operation, 1, "x", &result, &errors) != -EINVAL)
		fail_msg("<%s> is accepted", line);
	expect_printed(&errors, line, expected);
	errors_free(&errors);
}

static void test_changes(void **state)
{
	struct config config = parse("rules:\n- cam1 in 239.1.1.1:5000@eth0 out 10.0.0.1:6000\n"
				     "- cam2 in 239.1.1.2:5000@eth0 out 10.0.0.1:6000\n");

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		change(&config, changes[i][0], changes[i][1]);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
