/* SPDX-License-Identifier: BSD-2-Clause */
/* Refusing invalid files and files that are too large: the errors, their places and words. */
#include <errno.h>

#include "config_text.h"

#define RULES "rules: [in 1.1.1.1:1@a out 1.1.1.2:1]\n"

/* Every one is refused, with these errors. */
static const struct {
	const char *text;
	struct expected errors[8];
} bad[] = {
	/* nothing */
	{"", {{1, 1, NULL, "an empty file, expected `rules:`"}}},
	{"# nothing\n", {{1, 1, NULL, "an empty file"}}},
	{"---\n", {{1, 1, NULL, "an empty file"}}},
	{"egress: { gso: on }\n",
	 {{1, 1, "egress:", "no `rules:` here, expected a list of rules"}}},
	{"rules:\n", {{1, 7, "", "no value, expected a list of rules"}}},
	/* types */
	{"just text\n", {{1, 1, "just text", "wrong type, expected a mapping with `rules:`"}}},
	{"- 1\n", {{1, 1, "-", "wrong type, expected a mapping"}}},
	{"rules: cam1\n", {{1, 8, "cam1", "no input after it"}}},
	{"rules: { a: b }\n", {{1, 8, "{", "wrong type, expected a list of rules"}}},
	{"rules:\n- - 1\n", {{2, 3, "-", "wrong type, expected a rule"}}},
	{"rules:\n-\n", {{2, 2, "", "an empty rule"}}},
	{"rules:\n- { in: {}, out: x, name: {} }\n",
	 {{2, 9, "{},", "wrong type, expected GROUP:PORT@IFACE"},
	  {2, 18, "x", "host names are not resolved"},
	  {2, 27, "{}", "wrong type, expected a rule name"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out:\n  - [x]\n  - ttl: [1]\n",
	 {{4, 5, "[x]", "wrong type, expected a mapping with `to`"},
	  {5, 5, "ttl:", "no `to:` here, expected DEST[:PORT][@IFACE]"},
	  {5, 10, "[1]", "wrong type, expected a number from 1 to 255"}}},
	{RULES "egress: 5\ninterfaces: [a]\nworkers: x\nstatistics: 1\n",
	 {{2, 9, "5", "wrong type, expected a mapping with engine, gso, wakeup"},
	  {3, 13, "[a]", "wrong type, expected a mapping of interface names"},
	  {4, 10, "x", "wrong type, expected a mapping with frames, rx_ring"},
	  {5, 13, "1", "wrong type, expected a mapping with interval"}}},
	{RULES "interfaces: { a: on }\n",
	 {{2, 18, "on", "wrong type, expected a mapping with mode"}}},
	/* keys */
	{RULES "rule: []\n", {{2, 1, "rule", "unknown key, did you mean rules?"}}},
	{RULES "filters: []\n",
	 {{2, 1, "filters",
	   "expected one of rules, groups, interfaces, defaults, relay, egress, workers, "
	   "statistics, "
	   "control, logging, demand, "
	   "events, security"}}},
	{RULES "rules: [in 1.1.1.3:1@a out 1.1.1.2:1]\n", {{2, 1, "rules", "duplicate key"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  to: []\n  dest: []\n",
	 {{2, 3, "in:", "no `out:` here, expected a list of outputs"},
	  {3, 3, "to", "a key of an output, expected it below `out:`"},
	  {4, 3, "dest",
	   "unknown key, expected one of name, in, source, path, lease, sequence, enabled, "
	   "may_loop, on, watch, clock, select, hold, return, below, merge, skew, order, "
	   "group, out"}}},
	{"rules:\n- {}\n",
	 {{2, 3, "{}", "no `in:` here, expected GROUP:PORT@IFACE"},
	  {2, 3, "{}", "no `out:` here"}}},
	{"rules:\n- name: a\n  name: b\n  in: 1.1.1.1:1@a\n  out: [ 1.1.1.2:1 ]\n",
	 {{3, 3, "name", "duplicate key, expected it once"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out: [ { to: 1.1.1.2:1, tll: 1 } ]\n",
	 {{3, 27, "tll", "unknown key, did you mean ttl?"}}},
	{RULES "egress: { GSO: on }\n", {{2, 11, "GSO", "did you mean gso?"}}},
	{RULES "egress.gso: 1\nlogging: { levels.rules: info }\n",
	 {{2, 1, "egress.gso", "unknown key, expected one of rules, groups, interfaces"},
	  {3, 12, "levels.rules", "unknown key, expected one of level, levels, to, format"}}},
	{RULES "logging: { levels: {}, levels: {} }\n",
	 {{2, 24, "levels", "duplicate key, expected it once"}}},
	{RULES "security: { group: a }\n",
	 {{2, 11, "{", "a group without a user, expected both or the user alone"}}},
	{RULES "[a]: b\n", {{2, 1, "[a]:", "wrong type, expected a key"}}},
	/* words */
	{"rules:\n- name: in\n  in: 239.1.1.1:5000\n  source: 239.1.1.1\n  out:\n"
	 "  - to: 239.1.1.2:0@b\n    ttl: 0\n  - 1.1.1.1:65536\n",
	 {{2, 9, "in", "a keyword cannot be a rule name"},
	  {3, 7, "239.1.1.1:5000", "no interface, expected GROUP:PORT@IFACE"},
	  {4, 11, "239.1.1.1", "cannot be a source"},
	  {6, 19, "0", "not a valid port"},
	  {7, 10, "0", "not a valid ttl"},
	  {8, 13, "65536", "not a valid port"}}},
	{"rules:\n- in: 240.1.1.1:1@a\n  out: [ '1.1.1.1:1 x', \" 1.1.1.1:2\" ]\n",
	 {{2, 7, "240.1.1.1", "address out of range"},
	  {3, 11, "1.1.1.1:1 x", "more than one word"},
	  {3, 26, " 1.1.1.1:2", "more than one word"}}},
	{"rules:\n- in:\n  source:\n  out: []\n",
	 {{2, 6, "", "no port, expected GROUP"},
	  {3, 10, "", "not an address"},
	  {4, 8, "[]", "no outputs, expected at least one"}}},
	{"rules:\n- \xc3\xa9t\xc3\xa9 in 1.1.1.1:0@a\n   out 1.1.1.1:1\n   ttl 0\n",
	 {{2, 3, "\\xc3\\xa9t\\xc3\\xa9", "not a rule name"},
	  {2, 18, "0", "not a valid port"},
	  {4, 8, "0", "not a valid ttl"}}},
	{"rules:\n- |2\n\n   a in 1.1.1.1:0@a\n   out 1.1.1.1:1 ttl 0\n",
	 {{4, 17, "0", "not a valid port"}, {5, 22, "0", "not a valid ttl"}}},
	{RULES "interfaces: { ..: {}, a/b: { mode: xdp, queues: 0 }, c: { queues: 65, mode: } }\n",
	 {{2, 15, "..", "not an interface name"},
	  {2, 23, "a/b", "not an interface name"},
	  {2, 36, "xdp", "not a valid mode, expected one of auto, native, skb"},
	  {2, 49, "0", "not a valid number of queues, expected all or a number from 1 to 64"},
	  {2, 67, "65", "not a valid number of queues"},
	  {2, 77, "", "not a valid mode, expected one of auto"}}},
	{RULES "egress: { engine: uring, gso: 65, wakeup: never }\n",
	 {{2, 19, "uring", "not a valid engine, expected one of io_uring, sendmmsg"},
	  {2, 31, "65", "not a valid gso, expected on, off or a number from 1 to 64"},
	  {2, 43, "never", "not a valid wakeup, expected one of eventfd, hybrid, spin"}}},
	{RULES "relay: { path: fast, paths: user }\n",
	 {{2, 16, "fast", "not a valid path, expected one of user, kernel, auto"},
	  {2, 22, "paths", "unknown key, did you mean path?"}}},
	{"rules:\n- in: 239.1.1.1/50@a\n  path: fast\n  out: [ 1.1.1.1 ]\n",
	 {{3, 9, "fast", "not a valid path"}}},
	{"rules:\n- in: 239.1.1.1/50@a\n  path: auto\n  out: [ 1.1.1.1 ]\n",
	 {{3, 9, "auto", "/50 is an IP protocol, which the kernel path alone carries"}}},
	{"rules:\n- in: [ff3e::1]/50@a\n  out: [ 1.1.1.1 ]\n",
	 {{2, 7, "[ff3e::1]/50@a", "expected an IPv6 address in quotes"}}},
	{RULES "egress: { gso: yes }\n",
	 {{2, 16, "yes", "expected on, off or a number from 1 to 64"}}},
	{RULES "egress: { send_buffer: 1000 }\nworkers: { cpus: [0, x, 9000] }\n",
	 {{2, 24, "1000", "not a valid number of bytes, expected a number from 131072"},
	  {3, 22, "x", "not a valid CPU, expected a number from 0 to 8191"},
	  {3, 25, "9000", "not a valid CPU"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  out: [ { to: 1.1.1.2:1, gso: 65 } ]\n",
	 {{3, 32, "65", "not a valid gso"}}},
	{"rules:\n- in: 1.1.1.1:1@a\n  may_loop: 2\n  out: [ { to: 1.1.1.2:1, rate: 5, pps: -1, "
	 "burst: [] } ]\n",
	 {{3, 13, "2", "expected one of yes, no"},
	  {4, 33, "5", "not a valid rate"},
	  {4, 41, "-1", "not a valid pps"},
	  {4, 52, "[]", "wrong type, expected a time from 1ms to 10s"}}},
	{RULES "interfaces: { a: { queues: any } }\n",
	 {{2, 28, "any", "not a valid number of queues, expected all or a number from 1 to 64"}}},
	{RULES "workers: { watchdog: 3601 }\n",
	 {{2, 22, "3601", "not a valid number of seconds, expected a number from 0 to 3600"}}},
	{RULES "workers: { frames: 32, rx_ring: 100 }\nstatistics: { interval: 86401 }\n",
	 {{2, 20, "32", "not a valid number of frames, expected a power of two from 64 to 1048576"},
	  {2, 33, "100", "not a valid ring size, expected a power of two from 64 to 65536"},
	  {3, 25, "86401", "not a valid number of seconds, expected a number from 0 to 86400"}}},
	{RULES "control: { group: -x, admin_group: '', save_changes: maybe }\n",
	 {{2, 19, "-x", "not a valid group, expected the name or the number of a group"},
	  {2, 37, "", "not a valid group"},
	  {2, 54, "maybe", "not a valid save_changes, expected one of yes, no"}}},
	{RULES "logging: { level: loud, levels: { wire: info, links: no, links: info } }\n",
	 {{2, 19, "loud", "not a valid level, expected one of error, warning, info, debug"},
	  {2, 35, "wire", "expected one of daemon, rules, steering, ingress, egress, membership"},
	  {2, 54, "no", "not a valid level, expected one of error"},
	  {2, 58, "links", "duplicate key"}}},
	{RULES "logging: { to: file, format: xml }\n",
	 {{2, 16, "file", "not a valid log target, expected one of auto, stderr, syslog"},
	  {2, 30, "xml", "expected one of text, json"}}},
	{RULES "events: { silent_after: 0 }\n",
	 {{2, 25, "0", "not a valid number of seconds, expected a number from 1 to 86400"}}},
	{RULES "interfaces: { a: { pins: true } }\n",
	 {{2, 26, "true", "not a valid path, expected an absolute path of at most 255 bytes"}}},
	/* settings of earlier versions: the message says what to use instead */
	{RULES "events: { hook: /bin/true, silent_after: 3 }\n",
	 {{2, 11, "hook",
	   "not supported any more: xmcastd runs no programs: use `xmcastctl monitor "
	   "--exec PROGRAM`"}}},
	{RULES "metrics: { listen: { a: off } }\n",
	 {{2, 12, "listen",
	   "not supported any more: xmcastd serves no metrics: use the program "
	   "xmcast-exporter"}}},
	{RULES "events: { hok: /bin/true }\n",
	 {{2, 11, "hok", "unknown key, expected one of silent_after"}}},
	/* IPv6 */
	{"rules:\n- in: '[ff01::1]:1@a'\n  out: [ '[ff3e::2]:1@b', '[fe80::1]:1' ]\n",
	 {{2, 8, "[ff01::1]:1@a", "interface-local scope is on no wire"},
	  {3, 28, "[fe80::1]:1", "a link-local address without an interface"}}},
	/* YAML that is not supported */
	{"rules: &r\n- &a in 1.1.1.1:1@a out 1.1.1.2:1\n- *a\nworkers: !!map { frames: !n 64 }\n",
	 {{1, 8, "&r", "anchors are not supported"},
	  {2, 3, "&a", "anchors are not supported"},
	  {3, 3, "*a", "aliases are not supported"},
	  {4, 10, "!!map", "tags are not supported"},
	  {4, 26, "!n", "tags are not supported"}}},
	{RULES "<<: { a: b }\n", {{2, 1, "<<", "merge keys are not supported"}}},
	{RULES "interfaces: { <<: {} }\n", {{2, 15, "<<", "merge keys are not supported"}}},
	{RULES "---\n" RULES, {{2, 1, "---", "a second document, expected one"}}},
	{"# x\n%TAG !a! b\n---\n" RULES, {{2, 1, "%TAG", "tag directives are not supported"}}},
	{RULES "...\n%TAG !a! b\n", {{3, 1, "%TAG", "tag directives are not supported"}}},
	{"a: [[[[[[[[1]]]]]]]]\n",
	 {{1, 1, "a", "unknown key"},
	  {1, 11, "[1]]]]]]]]", "nested too deeply, expected at most 8"}}},
	/* syntax */
	{"rules:\n- a: b\n c: d\n",
	 {{2, 3, "a", "unknown key"},
	  {2, 3, "a:", "no `in:` here"},
	  {2, 3, "a:", "no `out:` here"},
	  {3, 2, "c:", "wrong indentation"}}},
	{"rules: [in 1.1.1.1:1@a out 1.1.1.2:1\n", {{2, 1, "", "the file ends too early"}}},
	{"rules:\n- \"in 1.1.1.1:1@a out", {{2, 22, "", "the file ends too early"}}},
	{"rules:\n- @x\n", {{2, 3, "@x", "a value cannot begin with this character"}}},
	{"rules: [ a, %b ]\n", {{1, 10, "a", "no input"}, {1, 13, "%b", "a value cannot begin"}}},
	/* bytes */
	{"rules:\n- \xc3\xa9 \xff in\n", {{2, 5, "\\xff", "not valid UTF-8"}}},
	{"rules: s\x80\xa8\n", {{1, 9, "\\x80", "not valid UTF-8"}}},
	{"rules: \xed\xa0\x80\n", {{1, 8, "\\xed", "not valid UTF-8"}}},
	{"rules: \xc0\x80\n", {{1, 8, "\\xc0", "not valid UTF-8"}}},
	{"rules: \xe2\x82", {{1, 8, "\\xe2", "not valid UTF-8"}}},
	{"rules: \xf4\x90\x80\x80", {{1, 8, "\\xf4", "not valid UTF-8"}}},
	{"rules:\n- \x1b[1m", {{2, 3, "\\x1b", "a control character"}}},
};

static void expect_refused(const char *text, size_t length, const struct expected *expected)
{
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	config.stats_interval = 77;
	config.egress.gso = 7;
	assert_int_equal(config_parse_yaml(text, length, "test.yaml", &config, &errors), -EINVAL);
	expect_errors(&errors, expected, text);
	assert_int_equal(config.stats_interval, 77);
	assert_int_equal(config.egress.gso, 7);
	assert_int_equal(config.nr_rules, 0);
	assert_int_equal(config.nr_ifaces, 0);
	assert_null(config.rules);
}

static void test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(bad[i].text, strlen(bad[i].text), bad[i].errors);
}

static void test_binary(void **state)
{
	static const char nul[] = RULES "x\0y", elf[] = "\x7f"
							"ELF\2\1\1";
	static const char utf16[] = "\xff\xfer\0u\0l\0";

	expect_refused(nul, sizeof(nul) - 1,
		       (struct expected[]){{2, 2, "\\x00", "a NUL byte"}, {0}});
	expect_refused(elf, sizeof(elf) - 1,
		       (struct expected[]){{1, 1, "\\x7f", "a control character"}, {0}});
	expect_refused(utf16, sizeof(utf16) - 1,
		       (struct expected[]){{1, 1, "\\xff", "not valid UTF-8"}, {0}});
}

#define X16 "xxxxxxxxxxxxxxxx"
#define X64 X16 X16 X16 X16

static void test_long_line(void **state)
{
	size_t length = 1 << 20;
	char *text = malloc(length);

	assert_non_null(text);
	memset(text, 'x', length);
	memcpy(text, "rules:\n- ", 9);
	expect_refused(text, length,
		       (struct expected[]){{2, 3, X64 "...", "not a rule name"},
					   {2, 3, X64 "...", "no input after it"},
					   {0}});
	free(text);
}

/* 1 MB of items on one line: many errors, of which some are kept. */
static void test_long_flow(void **state)
{
	size_t length = 1 << 20;
	char *text = malloc(length);
	struct errors errors = {0};
	struct config config;

	assert_non_null(text);
	for (size_t i = 0; i < length; i++)
		text[i] = i % 2 ? ',' : 'x';
	memcpy(text, "rules: [", 8);
	text[length - 1] = ']';
	config_init(&config);
	assert_int_equal(config_parse_yaml(text, length, "x", &config, &errors), -EINVAL);
	assert_int_equal(errors.count, (length - 8) / 2);
	assert_int_equal(errors.list[99].at.column, 9 + 2 * 99);
	errors_free(&errors);
	free(text);
}

/* `count` rules, as mappings. */
static char *many_rules(unsigned int count)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	fputs("rules:\n", stream);
	for (unsigned int i = 0; i < count; i++)
		fprintf(stream,
			"  - name: cam%u\n    in: 239.%u.%u.%u:5000@eth0\n    source: 10.9.9.9\n"
			"    out:\n      - to: 239.2.2.2:6000@eth1\n        ttl: 8\n"
			"      - to: 10.0.0.100:6000\n",
			i, i >> 16, i >> 8 & 255, i & 255);
	fclose(stream);
	return text;
}

static void test_many_rules(void **state)
{
	char *text = many_rules(10000);
	struct config config = parse(text);

	assert_int_equal(config.nr_rules, 10000);
	expect_rule(
		&config, 9999,
		"cam9999 in 239.0.39.15:5000@eth0 source 10.9.9.9 out 239.2.2.2:6000@eth1 ttl 8 "
		"out 10.0.0.100:6000");
	config_free(&config);
	free(text);
	text = many_rules(XMC_MAX_RULES + 2);
	expect_refused(
		text, strlen(text),
		(struct expected[]){
			{458754, 11, "cam65536", "too many rules, expected at most 65536"}, {0}});
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),	   cmocka_unit_test(test_binary),
		cmocka_unit_test(test_long_line),  cmocka_unit_test(test_long_flow),
		cmocka_unit_test(test_many_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
