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

#define S	     NS_PER_SECOND

static struct receivers *table;
static struct relay relay;
static struct config config;

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
	config_init(&config);
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
	static const struct receivers_rules rules = {
		.most_groups = 1000, .most_members = 1000, .membership_ns = 1000 * S, .leave = LEAVE_TRACKED};
	struct receiver_host host = {.mac = {number}};
	struct xmc_addr to = address(group);
	struct group_record record = {kind, to, {sources, count, addr_is_ipv4(&to)}};

	assert_int_equal(receivers_report(table, &rules, 1, &host, 3, &record, clock_ns()),
			 RECEIVERS_DONE);
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

/* Any host can name what is no source. */
static void test_sources_that_are_none(void **state)
{
	static const char *const rules[] = {
		"a in 239.1.0.0/16:any@eth0 out same@eth1 from keep when joined",
		"b in [ff3e::]/32:any@eth0 out same@eth1 from keep when joined"};
	static const uint8_t ipv4[] = {0, 0, 0, 0, 239, 1, 1, 1, 255, 255, 255, 255, 10, 1, 0, 1};
	static const uint8_t ipv6[4 * 16] = {
		[16] = 0xff, 0x3e, [31] = 1, [42] = 0xff, 0xff, 10, 1, 0, 1, [48] = 0xfd, [63] = 1};

	add_rules(rules, 2);
	report(1, "239.1.1.1", RECORD_IS_INCLUDE, ipv4, 4);
	report(1, "ff3e::1", RECORD_IS_INCLUDE, ipv6, 4);
	expect_branches("a 10.1.0.1>239.1.1.1;b fd00::1>ff3e::1;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sources_that_are_none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
