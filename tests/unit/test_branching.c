// SPDX-License-Identifier: BSD-2-Clause
/* Which groups and sources of a prefix get branches of their own. */
#include "watchdog.h"

#include "address.h"
#include "base/clock.h"
#include "membership/receivers.h"
#include "relay/branching.h"
#include "relay/demand.h"
#include "rules/change.h"
#include "rules/config.h"

#define BRANCHES_MAX 100
#define S	     NS_PER_SECOND

static struct receivers *table;
static struct relay relay;
static struct config config;
static struct route stems[4], routes[BRANCHES_MAX], *all[BRANCHES_MAX + 4];

/* What the relay knows of its interfaces: there is one, eth1. */
const struct receivers *demand_receivers(const struct demand *demand)
{
	return table;
}

int demand_ifindex(const struct demand *demand, const char *name)
{
	return strcmp(name, "eth1") == 0 ? 1 : 0;
}

static void add_rules(const char *const *rules, unsigned int count)
{
	struct errors errors = {0};

	assert_int_equal(config_add_rules(&config, rules, count, "--rule", &errors), 0);
	errors_free(&errors);
	relay.config = config;
	relay.asked = config;
}

static int set_up(void **state)
{
	memset(&relay, 0, sizeof(relay));
	memset(routes, 0, sizeof(routes));
	config_init(&config);
	relay.routes = all;
	return receivers_new(&table);
}

static int tear_down(void **state)
{
	config_free(&config);
	receivers_free(table);
	return 0;
}

/* Host `number` says this of the group. */
static void report(uint8_t number, const char *group, enum group_record_kind kind,
		   const uint8_t *sources, unsigned int count)
{
	static const struct receivers_rules rules = {.most_groups = 1000,
						     .most_members = 1000,
						     .membership_ns = 1000 * S,
						     .leave = LEAVE_TRACKED};
	struct receiver_host host = {.mac = {number}};
	struct xmc_addr to = address(group);
	struct group_record record = {kind, to, {sources, count, addr_is_ipv4(&to)}};

	assert_int_not_equal(receivers_report(table, &rules, 1, &host, 3, &record, clock_ns()),
			     RECEIVERS_FULL);
}

/* The branches that there shall be, as text: "name;". */
static char *select_branches(struct branching *branching)
{
	static char text[8192];
	size_t used = 0;
	unsigned int first = relay.asked.nr_rules;
	int count;

	*branching = (struct branching){.config = &relay.asked};
	assert_int_equal(branching_select(branching, &relay), 0);
	count = branching_append(branching, &config);
	assert_true(count >= 0);
	*text = '\0';
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s;",
					 config.rules[first + (unsigned int)i].name,
					 config.rules[first + (unsigned int)i].others ? "+" : "");
	return text;
}

static void forget_branches(struct branching *branching)
{
	while (config.nr_rules > relay.asked.nr_rules)
		rule_free(&config.rules[--config.nr_rules]);
	relay.asked.rules = config.rules;
	branching_free(branching);
}

static void expect_branches(const char *expected)
{
	struct branching branching;

	assert_string_equal(select_branches(&branching), expected);
	forget_branches(&branching);
}

/* Let the branches run that there shall be. */
static void run_branches(struct branching *branching)
{
	unsigned int first = relay.asked.nr_rules;

	select_branches(branching);
	relay.asked.rules = config.rules;
	relay.config = config;
	relay.nr_branches = config.nr_rules - first;
	assert_true(relay.nr_branches <= BRANCHES_MAX);
	for (unsigned int i = 0; i < config.nr_rules; i++) {
		struct route *route = i < first ? &stems[i] : &routes[i - first];

		route->rule = &config.rules[i];
		route->joined = i >= first;
		route->stem = i < first ? NULL : &stems[config.rules[i].stem - 1];
		all[i] = route;
	}
}

/* Any host can name what is no source. */
static void test_sources_that_are_none(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.0.0/16:any@eth0 out same@eth1 from keep when joined",
		"b in [ff3e::]/32:any@eth0 out same@eth1 from keep when joined"};
	static const uint8_t ipv4[] = {0, 0, 0, 0, 239, 1, 1, 1, 255, 255, 255, 255, 10, 1, 0, 1};
	static const uint8_t ipv6[4 * 16] = {[16] = 0xff, 0x3e, [31] = 1, [42] = 0xff, 0xff,	10,
					     1,		  0,	1,	  [48] = 0xfd, [63] = 1};

	add_rules(rules, 2);
	report(1, "239.1.1.1", RECORD_IS_INCLUDE, ipv4, 4);
	report(1, "ff3e::1", RECORD_IS_INCLUDE, ipv6, 4);
	expect_branches("a 10.1.0.1>239.1.1.1;b fd00::1>ff3e::1;");
}

/* What is more specific takes its groups, of many rules as well. */
static void test_claims(void **state)
{
	static char texts[200][80];
	const char *rules[202] = {"a in 239.1.0.0/16:any@eth0 out same@eth1 when joined",
				  "b in 239.1.9.0/24:any@eth0 out same@eth1 when joined"};

	for (unsigned int i = 0; i < 200; i++) {
		snprintf(texts[i], sizeof(texts[i]), "r%u in 239.1.%u.%u:any@eth0 out 10.9.9.9", i,
			 199 - i, i % 7 + 1);
		rules[2 + i] = texts[i];
	}
	/* A rule for one source takes only that of the group. */
	snprintf(texts[0], sizeof(texts[0]),
		 "r0 in 239.1.199.1:any@eth0 source 10.1.0.1 out 10.9.9.9");
	add_rules(rules, 202);
	for (unsigned int i = 0; i < 200; i++) {
		char group[20];

		snprintf(group, sizeof(group), "239.1.%u.%u", 199 - i, i % 7 + 1);
		report(1, group, RECORD_TO_EXCLUDE, NULL, 0);
	}
	report(1, "239.1.50.77", RECORD_TO_EXCLUDE, NULL, 0);
	report(1, "239.1.9.77", RECORD_TO_EXCLUDE, NULL, 0);
	report(2, "239.1.9.77", RECORD_TO_EXCLUDE, NULL, 0);
	expect_branches("a 239.1.50.77;a 239.1.199.1;b 239.1.9.77;");
}

/* A rule takes sources of those rules for its group alone that have its interface and port. */
static void test_claims_of_sources(void **state)
{
	static char texts[60][100];
	static const uint8_t named[] = {10, 1, 0, 1};
	const char *rules[62] = {
		"one in 239.1.1.1:5070@eth0 source 10.1.0.1 out 10.9.9.9",
		"prefix in 239.1.0.0/16:5071@eth0 source 10.1.0.1 out same@eth1 when joined"};
	struct branching branching;

	for (unsigned int i = 0; i < 60; i++) {
		snprintf(texts[i], sizeof(texts[i]),
			 "r%u in 239.1.1.1:%u@eth%u out 239.2.2.2@eth1 from keep when joined", i,
			 5099 - i / 2, i % 2 ? 0 : 2);
		rules[2 + i] = texts[i];
	}
	add_rules(rules, 62);
	report(1, "239.2.2.2", RECORD_IS_INCLUDE, named, 1);
	select_branches(&branching);
	assert_int_equal(branching.nr_stems, 61);
	/* The last one has that port on eth0. */
	assert_int_equal(branching.nr_chosen, 59);
	for (unsigned int i = 0; i < 60; i++)
		assert_int_equal(config.rules[2 + i].others, i != 59);
	forget_branches(&branching);
}

/* A rule for one group is the branch of the sources that nobody names. */
static void test_one_group(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.1.1:5000@eth0 out 239.2.2.2@eth1 from keep when joined",
		"b in 239.1.1.1:5000@eth0 source 10.1.0.0/24 out 239.2.2.2@eth1 from keep "
		"when joined out 239.3.3.3@eth1 when joined",
		"one in 239.1.1.1:5000@eth0 source 10.1.0.1 out 239.2.2.2@eth1 from keep "
		"when joined",
		"c in 239.1.1.1:6000@eth0 out 239.2.2.2@eth1 from 10.9.9.9 when joined",
		"d in 239.1.1.1:7000@eth0 out 239.2.2.2@eth1 from keep",
		"e in 239.1.1.1:8000@eth0 watch rtp out 239.2.2.2@eth1 from keep when joined"};
	static const uint8_t named[] = {10, 1, 0, 1, 10, 1, 0, 2, 10, 2, 0, 1},
			     more[] = {10, 3, 0, 1};
	uint8_t many[4 * RECEIVERS_SOURCES];
	struct branching branching;

	for (uint8_t i = 0; i < RECEIVERS_SOURCES; i++)
		memcpy(many + 4 * (size_t)i, (uint8_t[]){10, 9, 0, i}, 4);
	add_rules(rules, 6);
	expect_branches("");
	report(1, "239.2.2.2", RECORD_TO_EXCLUDE, NULL, 0);
	expect_branches("");
	/* That of the prefix and that of the one source have theirs. */
	report(2, "239.2.2.2", RECORD_IS_INCLUDE, named, 3);
	report(3, "239.3.3.3", RECORD_IS_INCLUDE, more, 1);
	assert_string_equal(select_branches(&branching),
			    "a 10.2.0.1>239.1.1.1;b 10.1.0.2>239.1.1.1;");
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(config.rules[i].others, i < 2);
	assert_true(addr_equal(&config.rules[7].outputs[1].to, &config.rules[1].outputs[1].to));
	assert_true(config.rules[7].on_demand);
	forget_branches(&branching);
	/* With too many names the rule itself sends to all that want anything. */
	report(4, "239.2.2.2", RECORD_IS_INCLUDE, many, RECEIVERS_SOURCES);
	expect_branches("");
	assert_false(config.rules[0].others);
}

/* More names than can have branches: those that run stay while somebody names them, and the group's
 * sends to all that want anything of it. */
static void test_more_sources(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.0.0/16:any@eth0 out same@eth1 from keep when joined"};
	static const uint8_t one[] = {10, 1, 0, 1}, two[] = {10, 1, 0, 2};
	uint8_t many[4 * (RECEIVERS_SOURCES + 1)];
	struct branching branching;

	for (uint8_t i = 0; i <= RECEIVERS_SOURCES; i++)
		memcpy(many + 4 * (size_t)i, (uint8_t[]){10, 9, 0, i}, 4);
	add_rules(rules, 1);
	report(1, "239.1.1.1", RECORD_IS_INCLUDE, one, 1);
	report(2, "239.1.1.1", RECORD_IS_INCLUDE, two, 1);
	run_branches(&branching);
	assert_int_equal(relay.nr_branches, 2);
	report(3, "239.1.1.1", RECORD_IS_INCLUDE, many, RECEIVERS_SOURCES + 1);
	{
		struct branching next = {.config = &relay.asked};

		assert_int_equal(branching_select(&next, &relay), 0);
		assert_int_equal(next.nr_chosen, 3);
		assert_false(next.ended);
		assert_true(addr_is_any(&next.chosen[2].what.source));
		assert_false(next.chosen[2].others);
		branching_free(&next);
	}
	/* One that nobody names any more ends: the group's has its packets. */
	report(2, "239.1.1.1", RECORD_BLOCK, two, 1);
	report(1, "239.1.1.1", RECORD_TO_EXCLUDE, NULL, 0);
	{
		struct branching next = {.config = &relay.asked};

		assert_int_equal(branching_select(&next, &relay), 0);
		assert_int_equal(next.nr_chosen, 1);
		assert_true(next.ended);
		branching_free(&next);
	}
	relay.nr_branches = 0;
	forget_branches(&branching);
}

/* Sources whose branches are put off are served by the rule or the branch of their group. */
static void test_deferred(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.1.1:5000@eth0 out 239.2.2.2@eth1 from keep when joined",
		"b in 239.1.1.1:6000@eth0 out 239.2.2.2@eth1 from keep when joined",
		"c in 239.1.1.1:7000@eth0 out 239.2.2.2@eth1 from keep when joined",
		"p in 239.5.0.0/16:any@eth0 out same@eth1 from keep when joined"};
	uint8_t many[4 * 30];
	struct branching branching;

	for (uint8_t i = 0; i < 30; i++)
		memcpy(many + 4 * (size_t)i, (uint8_t[]){10, 9, 0, i + 1}, 4);
	add_rules(rules, 4);
	report(1, "239.2.2.2", RECORD_IS_INCLUDE, many, 30);
	select_branches(&branching);
	/* 64 at once. */
	assert_int_equal(branching.nr_chosen, 64);
	assert_int_equal(branching.nr_deferred, 26);
	assert_int_equal(branching.stems[3].branches, 4);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(config.rules[i].others, i < 2);
	forget_branches(&branching);

	report(1, "239.2.2.2", RECORD_TO_INCLUDE, NULL, 0);
	for (unsigned int i = 1; i <= 3; i++) {
		char group[20];

		snprintf(group, sizeof(group), "239.5.1.%u", i);
		report(1, group, RECORD_IS_INCLUDE, many, 30);
		report(2, group, RECORD_TO_EXCLUDE, NULL, 0);
	}
	select_branches(&branching);
	assert_int_equal(branching.nr_chosen, 64);
	for (size_t i = 0; i < 64; i++) {
		const struct chosen *chosen = &branching.chosen[i];

		if (addr_is_any(&chosen->what.source))
			assert_int_equal(chosen->others, chosen->what.group.b[15] < 3);
	}
	forget_branches(&branching);
}

/* One host leaves streams of a rule for others. */
static void test_share(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.0.0/16:any@eth0 out same@eth1 from keep when joined",
		"b in 239.2.2.2:5000@eth0 out 239.2.2.2@eth1 from keep when joined"};
	uint8_t many[4 * 30];
	struct branching branching;

	for (uint8_t i = 0; i < 30; i++)
		memcpy(many + 4 * (size_t)i, (uint8_t[]){10, 9, 0, i + 1}, 4);
	add_rules(rules, 2);
	config.demand.max_streams = relay.asked.demand.max_streams = 20;
	for (unsigned int i = 0; i < 30; i++) {
		char group[20];

		snprintf(group, sizeof(group), "239.1.1.%u", i);
		report(1, group, RECORD_TO_EXCLUDE, NULL, 0);
	}
	report(2, "239.1.1.28", RECORD_TO_EXCLUDE, NULL, 0);
	report(2, "239.1.2.1", RECORD_TO_EXCLUDE, NULL, 0);
	report(1, "239.2.2.2", RECORD_IS_INCLUDE, many, 30);
	report(2, "239.2.2.2", RECORD_IS_INCLUDE, many + 80, 1);
	select_branches(&branching);
	assert_int_equal(branching.stems[0].branches, 17);
	assert_int_equal(branching.stems[0].refused, 14);
	assert_int_equal(branching.stems[0].over_share, 14);
	assert_int_equal(branching.stems[1].branches, 16);
	assert_int_equal(branching.stems[1].over_share, 14);
	forget_branches(&branching);
	/* A limit is no matter of hosts. */
	for (uint8_t i = 0; i < 10; i++) {
		char group[20];

		snprintf(group, sizeof(group), "239.1.3.%u", i);
		report(10 + i, group, RECORD_TO_EXCLUDE, NULL, 0);
	}
	select_branches(&branching);
	assert_int_equal(branching.stems[0].branches, 20);
	assert_true(branching.stems[0].refused > branching.stems[0].over_share);
	forget_branches(&branching);
}

/* Expect this of the branches that run, in a configuration with another rule. */
static void expect_changed(const char *rule, size_t chosen, size_t fresh)
{
	struct branching next;
	struct errors errors = {0};
	struct config changed;

	config_init(&changed);
	assert_int_equal(config_add_rules(&changed, &rule, 1, "--rule", &errors), 0);
	next = (struct branching){.config = &changed, .keeps_ended = true};
	assert_int_equal(branching_select(&next, &relay), 0);
	assert_int_equal(next.nr_chosen, chosen);
	assert_int_equal(next.nr_new, fresh);
	branching_free(&next);
	config_free(&changed);
}

/* A branch ends if its rule has changed and does not have its group or its source any more, however
 * long it would have stayed. */
static void test_changed(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.0.0/16:any@eth0 out same@eth1 from keep when joined"};
	static const uint8_t named[] = {10, 1, 0, 1, 10, 2, 0, 1};
	struct branching branching;

	add_rules(rules, 1);
	report(1, "239.1.1.1", RECORD_IS_INCLUDE, named, 2);
	report(1, "239.1.1.2", RECORD_TO_EXCLUDE, NULL, 0);
	run_branches(&branching);
	assert_int_equal(relay.nr_branches, 3);
	/* A longer prefix still has both groups; with one source of each there is one branch each.
	 */
	expect_changed("a in 239.1.1.0/24:any@eth0 out same@eth1 from keep when joined", 3, 0);
	expect_changed("a in 239.1.0.0/16:any@eth0 out same@eth1 when joined", 2, 0);
	report(1, "239.1.1.1", RECORD_BLOCK, named, 2);
	report(1, "239.1.1.2", RECORD_TO_INCLUDE, NULL, 0);
	expect_changed(rules[0], 3, 0);
	expect_changed("a in 239.1.0.0/16:6000@eth0 out same@eth1 from keep when joined", 3, 0);
	expect_changed("a in 239.1.1.2/31:any@eth0 out same@eth1 from keep when joined", 1, 0);
	expect_changed("a in 239.2.0.0/16:any@eth0 out same@eth1 from keep when joined", 0, 0);
	expect_changed("a in 239.1.0.0/16:any@eth0 source 10.2.0.0/16 out same@eth1 from keep "
		       "when joined",
		       1, 0);
	expect_changed("a in 239.1.0.0/16:any@eth0 out same@eth1 when joined", 1, 0);
	expect_changed("a in 239.1.0.0/16:any@eth0 source 10.1.0.1 out same@eth1 when joined", 1,
		       0);
	expect_changed("a in 239.1.1.1:any@eth0 out 239.1.1.1@eth1 from keep when joined", 2, 0);
	expect_changed("a in 239.1.1.2:any@eth0 out 239.1.1.1@eth1 from keep when joined", 0, 0);
	relay.nr_branches = 0;
	forget_branches(&branching);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sources_that_are_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_claims, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_claims_of_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_group, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deferred, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_share, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
