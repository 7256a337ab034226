/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations of other relays, in the shapes that their manuals show: which rules they become,
 * and what is said of the rest. Every result is read again as a configuration of ours.
 */
#include <errno.h>

#include "expect.h"
#include "import/import.h"
#include "rules/change.h"
#include "rules/schema.h"

#define ROUTED " from keep ttl dec dscp keep"

#define MOST   8

struct import_case {
	const char *text;
	const char *rules[MOST];    /* exactly these, in the grammar */
	const char *comments[MOST]; /* each is in the result */
	unsigned int lost;	    /* lines */
};

static char *import(const char *peer, const char *bytes, struct sheet_count *count)
{
	struct import_source source = {bytes, strlen(bytes), "conf"};
	struct errors errors = {0};
	size_t length;
	char *text = import_configuration(import_peer(peer), &source, &length, count, &errors);

	expect_no_errors(&errors, bytes);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	return text;
}

/* The configuration that the result is, which must be valid. */
static void read_again(const char *text, struct config *config)
{
	struct errors errors = {0};

	config_init(config);
	config_parse_yaml(text, strlen(text), "result", config, &errors);
	expect_no_errors(&errors, text);
}

static void expect_rules(const struct import_case *test, const struct config *config)
{
	struct errors errors = {0};
	struct config expected;
	unsigned int count = 0;

	while (count < MOST && test->rules[count])
		count++;
	config_init(&expected);
	config_add_rules(&expected, test->rules, count, "expected", &errors);
	expect_no_errors(&errors, test->text);
	assert_int_equal(config->nr_rules, count);
	for (unsigned int i = 0; i < count; i++) {
		if (!rule_equal(&config->rules[i], &expected.rules[i]))
			fail_msg("rule %u of <%s> is %s instead of <%s>", i, test->text,
				 rule_format(&config->rules[i], NULL), test->rules[i]);
	}
	config_free(&expected);
}

static void check(const char *peer, const struct import_case *test)
{
	struct sheet_count count;
	struct config config;
	char *text = import(peer, test->text, &count);

	read_again(text, &config);
	expect_rules(test, &config);
	for (unsigned int i = 0; i < MOST && test->comments[i]; i++) {
		if (!strstr(text, test->comments[i]))
			fail_msg("not in the result of <%s>: %s\n%s", test->text, test->comments[i],
				 text);
	}
	assert_int_equal(count.rules, config.nr_rules);
	if (count.lost != test->lost)
		fail_msg("%u lines lost instead of %u:\n%s", count.lost, test->lost, text);
	config_free(&config);
	free(text);
}

#define CHECK(peer, cases)                                                                         \
	do {                                                                                       \
		for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++)                    \
			check(peer, &(cases)[i]);                                                  \
	} while (0)

/* ---- smcroute ---- */

static const struct import_case smcroute[] = {
	{.text = ""},
	{.text = "# a comment\n\n\t\n  # another"},
	{.text = "phyint eth0 enable ttl-threshold 1\n"
		 "mgroup from eth0 group 225.1.2.3\n"
		 "mroute from eth0 source 192.168.1.42 group 225.1.2.3 to eth1 eth2 # hall\n",
	 .rules = {"in 225.1.2.3:any@eth0 source 192.168.1.42 out 225.1.2.3@eth1" ROUTED
		   " out 225.1.2.3@eth2" ROUTED},
	 .comments = {"# conf:3: mroute from eth0 source", "# hall\n", "conf:2: mgroup",
		      "a rule joins its own group"}},
	{.text = "phyint eth1 disable mrdisc ttl-threshold 11 colour red\r\n",
	 .comments = {"mrdisc: no multicast router", "ttl-threshold 11: outputs have no threshold",
		      "colour: unknown", "red: unknown"},
	 .lost = 1},
	{.text = "ssmgroup from eth0 source 10.0.0.1 group 232.1.1.1", .comments = {"not needed"}},
	/* Sources: a prefix, any, one that is wrong. */
	{.text = "mroute from eth0 source 10.9.0.0/16 group 232.1.1.1 to eth1\n"
		 "mroute from eth0 source 0.0.0.0 group 232.1.1.2 to eth1\n",
	 .rules = {"in 232.1.1.1:any@eth0 source 10.9.0.0/16 out 232.1.1.1@eth1" ROUTED,
		   "in 232.1.1.2:any@eth0 out 232.1.1.2@eth1" ROUTED}},
	{.text = "mroute from eth0 source 10.9.0.1/16 group 232.1.1.1 to eth1",
	 .comments =
		 {"not carried over: '10.9.0.1/16': host bits are set; did you mean 10.9.0.0/16?",
		  "in the rule: in 232.1.1.1:any@eth0 source 10.9.0.1/16"},
	 .lost = 1},
	/* IPv6 */
	{.text = "mroute from eth0 source 2001:db8::1 group ff3e::5 to eth1\n"
		 "mroute from eth0 source :: group ff3e::6 to eth1",
	 .rules = {"in [ff3e::5]:any@eth0 source 2001:db8::1 out [ff3e::5]@eth1" ROUTED,
		   "in [ff3e::6]:any@eth0 out [ff3e::6]@eth1" ROUTED}},
	/* Ranges of groups */
	{.text = "mroute from eth0 group 225.0.0.6/31 to eth1\n"
		 "mroute from eth0 group ff3e::8/127 to eth1",
	 .rules = {"in 225.0.0.6:any@eth0 out 225.0.0.6@eth1" ROUTED,
		   "in 225.0.0.7:any@eth0 out 225.0.0.7@eth1" ROUTED,
		   "in [ff3e::8]:any@eth0 out [ff3e::8]@eth1" ROUTED,
		   "in [ff3e::9]:any@eth0 out [ff3e::9]@eth1" ROUTED},
	 .comments = {"a rule for each of the 2 groups"}},
	{.text = "mroute from eth0 group 239.0.0.0/8 to eth1\n"
		 "mroute from eth0 group 239.0.0.0/33 to eth1\n"
		 "mroute from eth0 group 239.0.0/8 to eth1\n"
		 "mroute from eth0 group 10.0.0.1 to eth1\n",
	 .comments = {"239.0.0.0/8: a rule has one group",
		      "'33': ", "'239.0.0': ", "not a multicast group"},
	 .lost = 4},
	/* Interfaces */
	{.text = "mroute from eth+ group 225.1.1.1 to eth1",
	 .comments = {"eth+: interfaces have"},
	 .lost = 1},
	{.text = "mroute from eth0 group 225.1.1.1 to eth/1", .comments = {"'eth/1'"}, .lost = 1},
	/* Rules against each other */
	{.text = "mroute from eth0 group 225.1.1.1 to eth1\n\n"
		 "mroute from eth0 group 225.1.1.1 to eth2\n"
		 "mroute from eth1 group 225.1.1.1 to eth0\n"
		 "mroute from eth1 group 225.1.1.1 to eth1\n",
	 .rules = {"in 225.1.1.1:any@eth0 out 225.1.1.1@eth1" ROUTED},
	 .comments = {"duplicate input: rule 225.1.1.1:any@eth0 (line 1) already has it",
		      "rules that feed themselves", "the output is the rule's own input"},
	 .lost = 3},
	/* What is no line of it */
	{.text = "mroute from eth0 group 225.1.1.1\nmroute from\n"
		 "mroute of eth0 group 225.1.1.1 to eth1\ninclude /etc/smcroute.d/*.conf\nroute\n",
	 .comments = {"expected mroute from IFNAME group GROUP to IFNAME", "nothing behind from",
		      "of: unknown", "import each of them", "route: unknown directive"},
	 .lost = 5},
	/* Whatever bytes there are, comments are printable and stay comments. */
	{.text = "x\x01\xff\r- in: y",
	 .comments = {"# conf:1: x\\x01\\xff\\x0d- in: y"},
	 .lost = 1},
};

static void smcroute_files(void **state)
{
	CHECK("smcroute", smcroute);
}

/* ---- bounds ---- */

static void too_long(void **state)
{
	static const struct expected expected[] = {{0, 0, NULL, "too long"}, {0}};
	struct import_source source = {NULL, IMPORT_BYTES_MAX + 1, "conf"};
	struct errors errors = {0};
	struct sheet_count count;
	size_t length;

	for (const struct import_peer *peer = import_peers; peer->name; peer++) {
		assert_null(import_configuration(peer, &source, &length, &count, &errors));
		assert_int_equal(errno, EINVAL);
		expect_errors(&errors, expected, peer->name);
	}
}

static void too_many_rules(void **state)
{
	size_t lines = SHEET_RULES_MAX / 256 + 2;
	char *text = malloc(lines * 64);
	char *end = text;
	struct sheet_count count;
	char *result;

	for (size_t i = 0; i < lines; i++)
		end += sprintf(end, "mroute from eth0 group 239.0.%zu.0/24 to eth1\n", i);
	result = import("smcroute", text, &count);
	assert_int_equal(count.rules, SHEET_RULES_MAX);
	assert_int_equal(count.lost, 2);
	assert_non_null(strstr(result, "more than 4096 rules"));
	free(result);
	free(text);
}

/* Four refused rules of a line are shown, the others counted as one. */
static void refused_range(void **state)
{
	struct sheet_count count;
	char *result = import("smcroute", "mroute from eth0 group 239.0.0.0/24 to eth0", &count);
	unsigned int shown = 0;

	for (const char *at = result; (at = strstr(at, "in the rule: ")); at++)
		shown++;
	assert_int_equal(count.rules, 0);
	assert_int_equal(count.lost, 1);
	assert_int_equal(shown, 4);
	assert_non_null(strstr(result, "not carried over: more rules of this line"));
	free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smcroute_files),
		cmocka_unit_test(too_long),
		cmocka_unit_test(too_many_rules),
		cmocka_unit_test(refused_range),
	};

	return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
