// SPDX-License-Identifier: BSD-2-Clause
/* The table of receivers: joins, leaves, sources, versions that suppress reports, limits, time. */
#include "watchdog.h"

#include "address.h"
#include "membership/receivers.h"

#define S	 NS_PER_SECOND
#define MEMBER_S 260
#define LAST_S	 2

static struct receivers *table;
static struct receivers_rules rules;
static uint64_t now_ns;
static struct xmc_addr group;

static int set_up(void **state)
{
	rules = (struct receivers_rules){.most_groups = 10,
					 .most_members = 20,
					 .membership_ns = MEMBER_S * S,
					 .last_member_ns = LAST_S * S,
					 .leave = LEAVE_QUERIED,
					 .asked = true};
	now_ns = 1000 * S;
	group = address("239.2.2.2");
	return receivers_new(&table);
}

static int tear_down(void **state)
{
	receivers_free(table);
	return 0;
}

static void pass(uint64_t seconds)
{
	now_ns += seconds * S;
	receivers_expire(table, now_ns);
}

/* Host `number` says this of the group; `sources`: the last byte of each, "" for none. */
static enum receivers_result report(uint8_t number, unsigned int version,
				    enum group_record_kind kind, const char *sources)
{
	struct receiver_host host = {.mac = {number}};
	uint8_t bytes[4 * 100];
	struct group_record record = {kind, group, {bytes, (unsigned int)strlen(sources), true}};

	for (size_t i = 0; sources[i]; i++)
		memcpy(bytes + 4 * i, (const uint8_t[]){10, 1, 0, (uint8_t)sources[i]}, 4);
	return receivers_report(table, &rules, 1, &host, version, &record, now_ns);
}

/* A querier asks about the group, or about these sources of it. */
static void ask(const char *sources, uint64_t until_ns)
{
	uint8_t bytes[4 * 100];
	struct group_sources asked = {bytes, (unsigned int)strlen(sources), true};

	for (size_t i = 0; sources[i]; i++)
		memcpy(bytes + 4 * i, (const uint8_t[]){10, 1, 0, (uint8_t)sources[i]}, 4);
	receivers_asked(table, 1, &group, &asked, until_ns, now_ns);
}

static bool wanted(void)
{
	return receivers_want(table, 1, &group, NULL, now_ns);
}

static bool wanted_from(char source)
{
	char text[16];
	struct xmc_addr from;

	snprintf(text, sizeof(text), "10.1.0.%d", source);
	from = address(text);
	return receivers_want(table, 1, &group, &from, now_ns);
}

struct looked_for {
	struct xmc_addr source;
	bool found;
};

static void look(void *context, const struct xmc_addr *source)
{
	struct looked_for *looked_for = context;

	looked_for->found |= addr_equal(source, &looked_for->source);
}

static bool named(uint8_t number)
{
	struct looked_for looked_for = {.found = false};
	char text[16];

	snprintf(text, sizeof(text), "10.1.0.%d", 'a' + number);
	looked_for.source = address(text);
	receivers_visit_named(table, 1, &group, look, &looked_for, now_ns);
	return looked_for.found;
}

static void test_join_and_expire(void **state)
{
	uint64_t changes = receivers_changes(table);

	assert_false(wanted());
	assert_int_equal(receivers_next_ns(table), UINT64_MAX);
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	assert_true(wanted() && wanted_from('a'));
	assert_int_not_equal(receivers_changes(table), changes);
	assert_int_equal(receivers_next_ns(table), now_ns + MEMBER_S * S);
	pass(MEMBER_S - 1);
	changes = receivers_changes(table);
	report(1, 3, RECORD_IS_EXCLUDE, "");
	assert_int_equal(receivers_changes(table), changes);
	pass(MEMBER_S - 1);
	assert_true(wanted());
	pass(1);
	assert_false(wanted());
	assert_int_equal(receivers_groups(table), 0);
	assert_int_equal(receivers_members(table), 0);
	assert_int_equal(receivers_next_ns(table), UINT64_MAX);
}

/* Others, and other interfaces, do not matter. */
static void test_leave(void **state)
{
	report(1, 3, RECORD_TO_EXCLUDE, "");
	report(2, 3, RECORD_TO_EXCLUDE, "");
	assert_int_equal(report(1, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(LAST_S);
	assert_true(wanted());
	assert_int_equal(receivers_members(table), 1);
	assert_int_equal(report(2, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	assert_true(wanted());
	pass(1);
	report(2, 3, RECORD_IS_EXCLUDE, ""); /* it has joined again */
	pass(LAST_S);
	assert_true(wanted());
	assert_false(receivers_want(table, 2, &group, NULL, now_ns));
	receivers_forget(table, 2);
	assert_true(wanted());
	receivers_forget(table, 1);
	assert_false(wanted());
}

static void test_tracked(void **state)
{
	rules.leave = LEAVE_TRACKED;
	report(1, 3, RECORD_TO_EXCLUDE, "");
	/* Ended at once, and asked: another host may have said so. */
	assert_int_equal(report(1, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	assert_false(wanted());
	assert_int_equal(report(1, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_DONE);
	/* A host of IGMPv2 may hide others. */
	report(1, 3, RECORD_TO_EXCLUDE, "");
	report(2, 2, RECORD_IS_EXCLUDE, "");
	assert_int_equal(report(2, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(LAST_S);
	assert_true(wanted());
	assert_int_equal(report(1, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(LAST_S);
	assert_false(wanted());
}

/* Of hosts that suppress reports, the one that leaves need not be the one that was heard. */
static void test_suppressed(void **state)
{
	report(1, 2, RECORD_IS_EXCLUDE, "");
	assert_int_equal(report(2, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	assert_true(wanted());
	pass(LAST_S);
	assert_false(wanted());
	report(1, 2, RECORD_IS_EXCLUDE, "");
	rules.asked = false; /* nobody asks: others may still be there */
	assert_int_equal(report(1, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_DONE);
	pass(LAST_S);
	assert_true(wanted());
	rules.asked = true;
	report(2, 2, RECORD_TO_INCLUDE, "");
	report(3, 2, RECORD_IS_EXCLUDE, ""); /* the answer of a third one */
	pass(LAST_S);
	assert_true(wanted());
	rules.leave = LEAVE_FAST;
	assert_int_equal(report(3, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	assert_false(wanted());
	assert_int_equal(report(3, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_DONE);
}

/* RFC 2236, section 7: leaves during the last member query time do not start it again. */
static void test_leaving(void **state)
{
	report(1, 2, RECORD_IS_EXCLUDE, "");
	report(2, 2, RECORD_IS_EXCLUDE, "");
	assert_int_equal(report(3, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(1);
	report(1, 2, RECORD_IS_EXCLUDE, ""); /* the answer: it stays */
	for (uint8_t i = 3; i < 100; i++)
		assert_int_equal(report(i, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_DONE);
	pass(LAST_S - 1);
	assert_int_equal(receivers_members(table), 1);
	pass(LAST_S);
	assert_true(wanted());
	/* One that is known ends at its own time, and the others are asked. */
	report(2, 2, RECORD_IS_EXCLUDE, "");
	assert_int_equal(report(3, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(1);
	report(1, 2, RECORD_IS_EXCLUDE, "");
	assert_int_equal(report(1, 2, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	pass(LAST_S - 1);
	assert_int_equal(receivers_members(table), 1);
	assert_true(wanted());
	pass(1);
	assert_false(wanted());
}

/* RFC 3376, section 7.3.2: with a host of IGMPv1 there are no leaves. */
/* Another router asks: a leave ends nothing before its query, which may not have heard the leave.
 */
static void test_waits(void **state)
{
	rules.waits = true;
	report(1, 2, RECORD_IS_EXCLUDE, "");
	report(2, 3, RECORD_TO_EXCLUDE, "");
	pass(10);
	report(1, 2, RECORD_TO_INCLUDE, "");
	report(2, 3, RECORD_TO_INCLUDE, "ab");
	pass(LAST_S);
	assert_int_equal(receivers_members(table), 2);
	assert_true(wanted_from('c'));
	/* Its query comes, and one host answers: the other may have hidden from a leave that nobody
	 * else heard. */
	ask("", now_ns + LAST_S * S);
	report(2, 3, RECORD_IS_INCLUDE, "a");
	pass(LAST_S);
	assert_int_equal(receivers_members(table), 1);
	assert_true(wanted_from('a') && !wanted_from('b') && !wanted_from('c'));
	/* No query comes: it lasts no longer than its report. */
	report(2, 3, RECORD_TO_INCLUDE, "");
	pass(MEMBER_S - LAST_S - 1);
	assert_true(wanted());
	pass(LAST_S);
	assert_false(wanted());
	/* Blocked sources, and settings that end a stream at once, do not wait. */
	report(2, 3, RECORD_IS_INCLUDE, "ab");
	report(2, 3, RECORD_BLOCK, "b");
	pass(LAST_S);
	assert_true(wanted_from('a') && !wanted_from('b'));
	rules.leave = LEAVE_TRACKED;
	report(2, 3, RECORD_TO_INCLUDE, "");
	assert_false(wanted());
	report(1, 2, RECORD_IS_EXCLUDE, "");
	report(1, 2, RECORD_TO_INCLUDE, "");
	pass(LAST_S);
	assert_true(wanted());
	rules.leave = LEAVE_FAST;
	report(1, 2, RECORD_TO_INCLUDE, "");
	assert_false(wanted());
}

static void test_v1(void **state)
{
	report(1, 1, RECORD_IS_EXCLUDE, "");
	report(2, 3, RECORD_TO_EXCLUDE, "");
	assert_int_equal(report(2, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_DONE);
	assert_int_equal(report(3, 3, RECORD_TO_INCLUDE, "a"), RECEIVERS_DONE);
	assert_int_equal(receivers_members(table), 2);
	ask("", now_ns + S);
	pass(MEMBER_S - 1);
	assert_true(wanted());
	pass(1);
	assert_false(wanted());
}

static void test_asked(void **state)
{
	report(1, 3, RECORD_TO_EXCLUDE, "");
	report(2, 3, RECORD_TO_INCLUDE, "a");
	ask("", now_ns + 2 * S);
	report(2, 3, RECORD_IS_INCLUDE, "a");
	pass(2);
	assert_true(wanted_from('a'));
	assert_false(wanted_from('b'));
	ask("", now_ns + 2 * S);
	pass(2);
	assert_false(wanted());
}

/* A host that had sources alone has left: the querier asks about these. */
static void test_asked_of_sources(void **state)
{
	rules.waits = true;
	report(1, 3, RECORD_ALLOW, "abc");
	report(2, 3, RECORD_ALLOW, "ad");
	report(3, 3, RECORD_TO_EXCLUDE, "d");
	report(1, 3, RECORD_TO_INCLUDE, "");
	ask("cabc", now_ns + LAST_S * S);
	report(2, 3, RECORD_IS_INCLUDE, "a");
	pass(LAST_S - 1);
	assert_int_equal(receivers_members(table), 3);
	pass(1);
	assert_int_equal(receivers_members(table), 2);
	/* Those that were not asked about, and who wants all, are not concerned. */
	assert_true(wanted_from('a') && wanted_from('b') && wanted_from('d'));
	report(3, 3, RECORD_TO_INCLUDE, "");
	ask("", now_ns + LAST_S * S);
	report(2, 3, RECORD_IS_INCLUDE, "ad");
	pass(LAST_S);
	assert_true(wanted_from('a') && !wanted_from('b') && wanted_from('d'));
	ask("d", now_ns + LAST_S * S);
	pass(LAST_S);
	assert_true(wanted_from('a') && !wanted_from('d'));
}

static void test_include(void **state)
{
	report(1, 3, RECORD_ALLOW, "ab");
	assert_true(wanted() && wanted_from('a') && wanted_from('b'));
	assert_false(wanted_from('c'));
	/* A list that did not fit into one record. */
	report(1, 3, RECORD_IS_INCLUDE, "c");
	assert_true(wanted_from('a') && wanted_from('c'));
	assert_int_equal(report(1, 3, RECORD_BLOCK, "ac"), RECEIVERS_ASK);
	assert_true(wanted_from('a'));
	pass(LAST_S);
	assert_false(wanted_from('a') || wanted_from('c'));
	assert_true(wanted_from('b'));
	rules.leave = LEAVE_TRACKED;
	report(1, 3, RECORD_TO_INCLUDE, "d");
	assert_true(wanted_from('d'));
	assert_false(wanted_from('b'));
	report(1, 3, RECORD_BLOCK, "d");
	assert_false(wanted());
	assert_int_equal(report(1, 3, RECORD_BLOCK, "d"), RECEIVERS_DONE);
	assert_int_equal(receivers_members(table), 0);
}

static void test_exclude(void **state)
{
	rules.leave = LEAVE_TRACKED;
	report(1, 3, RECORD_TO_EXCLUDE, "ab");
	assert_true(wanted() && wanted_from('c'));
	assert_false(wanted_from('a') || wanted_from('b'));
	report(1, 3, RECORD_ALLOW, "a");
	assert_true(wanted_from('a'));
	report(1, 3, RECORD_BLOCK, "c");
	assert_false(wanted_from('c') || wanted_from('b'));
	/* Another host wants what this one excludes. */
	report(2, 3, RECORD_ALLOW, "b");
	assert_true(wanted_from('b'));
	report(1, 3, RECORD_IS_EXCLUDE, "");
	assert_true(wanted_from('c'));
	/* From all sources to one. */
	report(1, 3, RECORD_TO_INCLUDE, "c");
	assert_true(wanted_from('c') && wanted_from('b'));
	assert_false(wanted_from('d'));
}

static void test_limits(void **state)
{
	char many[HOST_FILTER_SOURCES + 2];

	for (uint8_t i = 0; i < 20; i++)
		assert_int_equal(report(i, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	assert_int_equal(report(99, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_FULL);
	assert_int_equal(report(1, 3, RECORD_IS_EXCLUDE, ""), RECEIVERS_DONE);
	assert_int_equal(receivers_members(table), 20);
	/* The first member of a group is always counted, the second one is not. */
	group.b[15] = 77;
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	assert_true(wanted());
	assert_int_equal(report(2, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_FULL);
	assert_int_equal(receivers_members(table), 21);
	receivers_forget(table, 1);
	for (uint8_t i = 0; i < 10; i++) {
		group.b[15] = i;
		assert_int_equal(report(i, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	}
	group.b[15] = 11;
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_FULL);
	assert_false(wanted());
	receivers_forget(table, 1);
	/* More sources than there is room for: all of them are wanted, none is excluded. */
	for (size_t i = 0; i <= HOST_FILTER_SOURCES; i++)
		many[i] = (char)(i + 1);
	many[HOST_FILTER_SOURCES + 1] = '\0';
	report(1, 3, RECORD_IS_INCLUDE, many);
	assert_true(wanted_from(HOST_FILTER_SOURCES + 1) && wanted_from(100));
	report(2, 3, RECORD_IS_EXCLUDE, many);
	receivers_forget(table, 1);
	report(2, 3, RECORD_IS_EXCLUDE, many);
	assert_false(wanted_from(1));
	assert_true(wanted_from(HOST_FILTER_SOURCES + 1));
}

struct listing {
	unsigned int count, groups;
	char text[512];
};

static void list(void *context, const struct receiver *receiver)
{
	struct listing *listing = context;
	size_t used = strlen(listing->text);

	listing->count++;
	snprintf(listing->text + used, sizeof(listing->text) - used, "%u:%c%u ",
		 receiver->host.mac[0], receiver->excludes ? '-' : '+', receiver->nr_sources);
}

static void list_group(void *context, int ifindex, const struct xmc_addr *address)
{
	struct listing *listing = context;

	listing->groups++;
	assert_int_equal(ifindex, 1);
}

/* Pages of a list are parts of the whole. */
static bool want_of_few(char source, uint64_t most)
{
	struct xmc_addr from = address("10.1.0.97");

	from.b[15] = (uint8_t)source;
	return receivers_want_of_few(table, 1, &group, source ? &from : NULL, most, now_ns);
}

/* One host leaves room for others: it has at most three times as much as is left. */
static void test_share(void **state)
{
	struct xmc_addr first = group;

	rules.most_groups = 16;
	rules.leave = LEAVE_FAST;
	for (uint8_t i = 0; i < 12; i++) {
		group.b[15] = i;
		assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	}
	group.b[15] = 20;
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_OVER_SHARE);
	assert_false(wanted());
	/* Others are not concerned, nor are groups that others want as well. */
	assert_int_equal(report(2, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	assert_true(want_of_few(0, 2));
	assert_false(want_of_few(0, 1));
	/* Sources count. */
	group.b[15] = 21;
	assert_int_equal(report(3, 3, RECORD_ALLOW, "abcdefgh"), RECEIVERS_DONE);
	assert_true(want_of_few('a', 10));
	assert_false(want_of_few('a', 9) || want_of_few('z', 10));
	group.b[15] = 22;
	assert_int_equal(report(3, 3, RECORD_ALLOW, "a"), RECEIVERS_OVER_SHARE);
	group.b[15] = 21;
	report(3, 3, RECORD_BLOCK, "bcdefgh");
	assert_true(want_of_few('a', 3));
	report(1, 3, RECORD_ALLOW, "a");
	report(3, 3, RECORD_TO_INCLUDE, "");
	assert_false(want_of_few('a', 3));
	/* What a host leaves is no part of it any more. */
	for (uint8_t i = 0; i < 12; i++) {
		group.b[15] = i;
		report(1, 3, RECORD_TO_INCLUDE, "");
	}
	group = first;
	assert_int_equal(report(1, 3, RECORD_TO_EXCLUDE, ""), RECEIVERS_DONE);
	/* Nobody's: what a predecessor had. */
	for (uint8_t i = 0; i < 10; i++) {
		group.b[15] = (uint8_t)(30 + i);
		report(0, 3, RECORD_TO_EXCLUDE, "");
	}
	assert_true(want_of_few(0, 1));
}

static void test_listed(void **state)
{
	struct listing all = {}, pages = {};

	report(1, 3, RECORD_IS_INCLUDE, "ab");
	report(2, 3, RECORD_TO_EXCLUDE, "a");
	report(3, 2, RECORD_IS_EXCLUDE, "");
	group.b[15] = 3;
	report(1, 3, RECORD_IS_INCLUDE, "c");
	receivers_visit(table, 0, 100, list, &all, now_ns);
	receivers_visit_groups(table, list_group, &all);
	assert_int_equal(all.count, 4);
	assert_int_equal(all.groups, 2);
	assert_string_equal(all.text, "1:+1 3:-0 2:-1 1:+2 ");
	for (size_t i = 0; i < 6; i++)
		receivers_visit(table, i, 1, list, &pages, now_ns);
	assert_string_equal(pages.text, all.text);
	receivers_visit(table, 4, 100, list, &pages, now_ns);
	assert_int_equal(pages.count, 4);
}

/* Sources count against the limit of members: four as one. What is there can be said again. */
static void test_limit_of_sources(void **state)
{
	rules.most_members = 6;
	assert_int_equal(report(1, 3, RECORD_ALLOW, "abcdefghijkl"), RECEIVERS_DONE);
	/* 1 member and 12 sources are 4. */
	assert_int_equal(report(2, 3, RECORD_ALLOW, "abcdefgh"), RECEIVERS_DONE);
	/* 2 members and 20 sources are 7. */
	assert_int_equal(report(3, 3, RECORD_ALLOW, "a"), RECEIVERS_FULL);
	assert_int_equal(report(3, 3, RECORD_IS_EXCLUDE, ""), RECEIVERS_DONE);
	assert_int_equal(report(1, 3, RECORD_IS_INCLUDE, "abcdefghijkl"), RECEIVERS_DONE);
	assert_int_equal(report(1, 3, RECORD_ALLOW, "abcdefghijklm"), RECEIVERS_FULL);
	assert_false(wanted_from('m') && !wanted_from('z'));
	/* Blocking makes room, and members that leave do. */
	rules.leave = LEAVE_FAST;
	assert_int_equal(report(1, 3, RECORD_TO_INCLUDE, ""), RECEIVERS_ASK);
	assert_int_equal(report(4, 3, RECORD_ALLOW, "a"), RECEIVERS_DONE);
	assert_int_equal(receivers_members(table), 3);
	pass(2 * MEMBER_S);
	assert_int_equal(report(5, 3, RECORD_ALLOW, "abcdefghijklmnopqrstuvwxyz"), RECEIVERS_DONE);
}

/* What receivers of two interfaces say about sources. */
static void test_named_sources(void **state)
{
	struct receivers_sources sources = {0};
	char many[RECEIVERS_SOURCES + 2] = "";

	report(1, 3, RECORD_ALLOW, "ab");
	report(2, 3, RECORD_ALLOW, "bc");
	receivers_add_sources(table, 1, &group, now_ns, &sources);
	assert_int_equal(sources.count, 3);
	assert_false(sources.others || sources.more);
	assert_false(receivers_want_others(table, 1, &group));
	report(3, 3, RECORD_TO_EXCLUDE, "d");
	receivers_add_sources(table, 1, &group, now_ns, &sources);
	receivers_add_sources(table, 2, &group, now_ns, &sources);
	assert_int_equal(sources.count, 4);
	assert_true(sources.others && !sources.more);
	assert_true(receivers_want_others(table, 1, &group));
	for (unsigned int i = 0; i <= RECEIVERS_SOURCES; i++)
		many[i] = (char)('A' + i);
	report(4, 3, RECORD_ALLOW, many);
	receivers_add_sources(table, 1, &group, now_ns, &sources);
	assert_true(sources.more);
}

/* Members begin and cease to name sources in any order, among others that name none. */
static void test_members_that_name(void **state)
{
	static const uint8_t order[] = {3, 5, 1, 2, 4};

	rules.leave = LEAVE_FAST;
	for (uint8_t round = 0; round < 3; round++) {
		for (uint8_t i = 1; i <= 5; i++) {
			report(i, 3, RECORD_ALLOW, (const char[]){(char)('a' + i), '\0'});
			report(i + 10, 3, RECORD_TO_EXCLUDE, "");
		}
		for (size_t i = 0; i < 5; i++) {
			const char kept[] = {(char)('a' + order[i]), '\0'};

			assert_true(named(order[i]));
			/* By a leave, by a host that blocks, and by a report about all sources. */
			report(order[i], 3,
			       round == 0   ? RECORD_TO_INCLUDE
			       : round == 1 ? RECORD_BLOCK
					    : RECORD_TO_EXCLUDE,
			       round == 1 ? kept : "");
			for (size_t j = 0; j < 5; j++)
				assert_int_equal(named(order[j]), j > i);
		}
	}
	assert_int_equal(receivers_members(table), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limit_of_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_named_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_members_that_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_join_and_expire, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tracked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_suppressed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leaving, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_asked_of_sources, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_include, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_exclude, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_listed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
