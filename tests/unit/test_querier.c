// SPDX-License-Identifier: BSD-2-Clause
/* Who asks on a link: start, election, last members; and the packets, as our own parser reads them.
 */
#include "watchdog.h"

#include "address.h"
#include "membership/querier.h"

#define S NS_PER_SECOND

static const struct querier_rules rules = {.asks = true,
					   .robustness = 2,
					   .interval_ns = 125 * S,
					   .response_ns = 10 * S,
					   .last_member_ns = 1 * S};
static struct querier querier;
static uint64_t now_ns;
static struct group_query query;

static void start(const char *own)
{
	struct xmc_addr addr = own ? address(own) : (struct xmc_addr){.b = {0}};

	now_ns = 1000 * S;
	querier_start(&querier, true, &rules, now_ns);
	querier_set_own(&querier, &addr);
}

static bool next(void)
{
	return querier_next(&querier, &rules, now_ns, &query);
}

/* Another router asks about all groups. */
static bool hear(const char *source, unsigned int robustness, unsigned int interval)
{
	struct group_message message = {.ipv4 = true,
					.query = true,
					.version = 3,
					.source = address(source),
					.response_ms = 10000,
					.robustness = robustness,
					.interval = interval};

	return querier_heard(&querier, &rules, &message, now_ns);
}

/* RFC 3376, section 8.6 and 8.7: queries that follow each other sooner, then at intervals. */
static void test_start(void **state)
{
	start("10.2.0.5");
	assert_true(querier_is_asking(&querier, &rules, now_ns));
	assert_true(next());
	assert_true(addr_is_any(&query.group));
	assert_int_equal(query.response_ns, 1 * S);
	assert_false(next());
	assert_int_equal(querier_due_ns(&querier, &rules), now_ns + 125 * S / 4);
	now_ns = querier_due_ns(&querier, &rules);
	assert_true(next());
	assert_int_equal(query.response_ns, 10 * S);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(querier_due_ns(&querier, &rules), now_ns + 125 * S);
		now_ns += 125 * S;
		assert_true(next());
		assert_false(next());
	}
	assert_int_equal(querier.sent, 5);
}

static void test_election(void **state)
{
	start("10.2.0.5");
	assert_true(next());
	/* Higher, ours, and without an address: no reason to stop. */
	assert_false(hear("10.2.0.6", 2, 125));
	assert_false(hear("10.2.0.5", 2, 125));
	assert_false(hear("0.0.0.0", 2, 125));
	assert_true(querier_is_asking(&querier, &rules, now_ns));
	/* Numbers, not texts. */
	assert_true(hear("10.1.255.255", 2, 125));
	assert_false(querier_is_asking(&querier, &rules, now_ns));
	assert_false(hear("10.1.255.255", 2, 125));
	assert_true(hear("9.0.0.1", 3, 20));
	assert_false(hear("10.1.255.255", 2, 125));
	now_ns += 64 * S;
	assert_false(next());
	assert_int_equal(querier_due_ns(&querier, &rules), now_ns + 1 * S);
	/* Three times 20 s and half of 10 s after its last query it is gone. */
	now_ns += 1 * S;
	assert_true(querier_is_asking(&querier, &rules, now_ns));
	assert_true(next());
	assert_true(addr_is_any(&querier.other));
	assert_true(hear("9.0.0.1", 3, 20));
}

/* Without an address everybody's is lower; `querier: off` only listens. */
static void test_listens(void **state)
{
	struct querier_rules off = rules;
	struct group_message message = {.ipv4 = true,
					.query = true,
					.version = 2,
					.source = address("10.2.0.200"),
					.response_ms = 10000};

	start(NULL);
	assert_true(hear("10.2.0.200", 0, 0));
	assert_false(next());
	assert_int_equal(querier.other_member_ns, 260 * S);
	off.asks = false;
	start("10.2.0.5");
	assert_false(querier_next(&querier, &off, now_ns, &query));
	assert_int_equal(querier_due_ns(&querier, &off), UINT64_MAX);
	assert_true(querier_heard(&querier, &off, &message, now_ns));
	message.source = address("10.2.0.201");
	assert_false(querier_heard(&querier, &off, &message, now_ns));
	now_ns += 256 * S;
	assert_true(querier_heard(&querier, &off, &message, now_ns));
}

/* One query of any host neither silences this one for hours nor ends reports early. */
static void test_bounded(void **state)
{
	struct group_message message = {.ipv4 = true,
					.query = true,
					.version = 3,
					.source = address("10.2.0.1"),
					.response_ms = 31744 * 100,
					.robustness = 7,
					.interval = 31744};

	start("10.2.0.5");
	assert_true(querier_heard(&querier, &rules, &message, now_ns));
	assert_int_equal(querier.other_until_ns, now_ns + 1500 * S);
	message.response_ms = 100;
	message.robustness = message.interval = 1;
	assert_false(querier_heard(&querier, &rules, &message, now_ns));
	assert_int_equal(querier.other_member_ns, 260 * S);
}

/* Which queries of a group end what hosts want, and when. */
static void test_ends(void **state)
{
	struct group_message message = {.ipv4 = true,
					.query = true,
					.version = 3,
					.source = address("10.2.0.1"),
					.group = address("239.2.2.2"),
					.response_ms = 2000,
					.robustness = 3};

	start("10.2.0.5");
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), 0);
	assert_true(hear("10.2.0.1", 2, 125));
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), now_ns + 6 * S);
	/* A host that has heard nothing of it would have no time to answer. */
	message.response_ms = 100;
	message.robustness = 1;
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), now_ns + 2 * S);
	/* About sources of the group. */
	message.asked.count = 2;
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), now_ns + 2 * S);
	message.asked.count = 0;
	message.suppressed = true;
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), 0);
	message.suppressed = false;
	message.source = address("10.2.0.2");
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), 0);
	message.source = address("0.0.0.0");
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), 0);
	message.source = address("10.2.0.1");
	message.group = (struct xmc_addr){.b = {0}};
	assert_int_equal(querier_ends_ns(&querier, &rules, &message, now_ns), 0);
}

static void test_last_members(void **state)
{
	struct xmc_addr group = address("239.2.2.2"), other = address("239.2.2.3");

	start("10.2.0.5");
	assert_true(next());
	querier_ask(&querier, &rules, &group, now_ns);
	querier_ask(&querier, &rules, &group, now_ns);
	assert_true(next());
	assert_true(addr_equal(&query.group, &group));
	assert_int_equal(query.response_ns, 1 * S);
	assert_false(next());
	querier_ask(&querier, &rules, &other, now_ns);
	assert_true(next());
	now_ns += 1 * S;
	assert_true(next());
	assert_true(next());
	assert_false(next());
	now_ns += 10 * S;
	assert_false(next());
	/* Too many at once to ask for each: all groups are asked. */
	for (unsigned int i = 0; i <= QUERIER_QUESTIONS; i++) {
		group.b[14] = (uint8_t)i;
		querier_ask(&querier, &rules, &group, now_ns);
	}
	assert_int_equal(querier.nr_questions, QUERIER_QUESTIONS);
	assert_true(next());
	assert_true(addr_is_any(&query.group));
	assert_int_equal(query.response_ns, 1 * S);
	/* Nothing is asked once another router asks. */
	assert_true(hear("10.2.0.1", 2, 125));
	assert_false(next());
	querier_ask(&querier, &rules, &group, now_ns);
	assert_int_equal(querier.nr_questions, 0);
}

/* All queries about all groups that are due. */
static unsigned int count_general(void)
{
	unsigned int count = 0;

	while (next()) {
		if (!addr_is_any(&query.group))
			continue;
		assert_int_equal(query.response_ns, 1 * S);
		count++;
	}
	return count;
}

/* More groups are left than are asked about one by one: those that are still wanted have to be
 * reported in the same time, and a flood of leaves is no flood of queries. */
static void test_many_leave(void **state)
{
	struct xmc_addr group = address("239.2.2.2");

	start("10.2.0.5");
	assert_true(next());
	for (unsigned int i = 0; i < 300; i++) {
		group.b[13] = (uint8_t)(i >> 8);
		group.b[14] = (uint8_t)i;
		querier_ask(&querier, &rules, &group, now_ns);
	}
	assert_int_equal(count_general(), 1);
	assert_int_equal(querier_due_ns(&querier, &rules), now_ns + 1 * S);
	now_ns += 1 * S;
	assert_int_equal(count_general(), 1);
	now_ns += 1 * S;
	assert_int_equal(count_general(), 0);
	/* In each turn of 10 ms: at most one such query a second. */
	for (unsigned int i = 0, total = 0; i < 1000; i++) {
		for (unsigned int j = 0; j < 200; j++) {
			group.b[13] = (uint8_t)i;
			group.b[14] = (uint8_t)j;
			querier_ask(&querier, &rules, &group, now_ns);
		}
		total += count_general();
		assert_in_range(total, i / 100, i / 100 + 1);
		now_ns += S / 100;
	}
}

/* The first query is not lost while the interface has no link-local address yet. */
static void test_no_address(void **state)
{
	struct xmc_addr own = address("fe80::5");

	now_ns = 1000 * S;
	querier_start(&querier, false, &rules, now_ns);
	assert_false(querier_is_asking(&querier, &rules, now_ns));
	assert_int_equal(querier_due_ns(&querier, &rules), UINT64_MAX);
	assert_false(next());
	querier_set_own(&querier, &own);
	assert_int_equal(querier_due_ns(&querier, &rules), now_ns);
	assert_true(next());
	assert_int_equal(query.response_ns, 1 * S);
	start(NULL);
	assert_true(next());
}

static void expect_query(uint64_t response_ms, uint64_t interval)
{
	uint8_t packet[GROUP_QUERY_SIZE];
	struct group_message message;
	struct xmc_addr to;
	size_t length = group_query_write(&query, packet, &to);

	assert_int_equal(group_message_parse(packet, length, &message), GROUP_MESSAGE_OK);
	assert_true(message.query);
	assert_int_equal(message.ipv4, query.ipv4);
	assert_int_equal(message.version, query.ipv4 ? 3 : 2);
	assert_true(addr_equal(&message.group, &query.group));
	assert_true(addr_equal(&message.source, &query.source) || addr_is_any(&query.source));
	assert_true(addr_is_any(&query.group) || addr_equal(&to, &query.group));
	assert_true(addr_is_multicast(&to));
	assert_int_equal(message.response_ms, response_ms);
	assert_int_equal(message.interval, interval);
	assert_int_equal(message.robustness, 2);
	assert_false(message.suppressed);
	assert_int_equal(message.asked.count, 0);
}

static void test_packets(void **state)
{
	start("10.2.0.5");
	assert_true(next());
	expect_query(1000, 125);
	query.response_ns = 12800 * NS_PER_MS;
	query.interval_ns = 129 * S; /* not exact any more: 128 */
	expect_query(12800, 128);
	query.response_ns = 1000000 * S; /* the most there is */
	query.interval_ns = 31744 * S;
	expect_query(3174400, 31744);
	query.group = address("239.2.2.2");
	expect_query(3174400, 31744);
	query.source = (struct xmc_addr){.b = {0}};
	expect_query(3174400, 31744);
	query = (struct group_query){.source = address("fe80::5"),
				     .response_ns = 10 * S,
				     .robustness = 2,
				     .interval_ns = 125 * S};
	expect_query(10000, 125);
	query.group = address("ff3e::5");
	query.response_ns = 40000 * NS_PER_MS;
	expect_query(40000, 125);
	query.source = address("2001::1");
	assert_int_equal(group_query_write(&query, (uint8_t[GROUP_QUERY_SIZE]){0}, &query.group),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),	   cmocka_unit_test(test_election),
		cmocka_unit_test(test_listens),	   cmocka_unit_test(test_last_members),
		cmocka_unit_test(test_packets),	   cmocka_unit_test(test_no_address),
		cmocka_unit_test(test_bounded),	   cmocka_unit_test(test_ends),
		cmocka_unit_test(test_many_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
