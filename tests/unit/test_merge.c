// SPDX-License-Identifier: BSD-2-Clause
/* Merging, case by case: what the random schedules of test_merge_random.c do not reach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "dataplane/merge.h"

static long page_size = 4096;
static size_t returned; /* bytes in the last call of madvise(2) */

static long test_sysconf(int name)
{
	return name == _SC_PAGESIZE ? page_size : sysconf(name);
}

static int test_madvise(void *address, size_t length, int advice)
{
	returned = length;
	return madvise(address, length, advice);
}

/* With pages of a size of the test. */
#define sysconf test_sysconf
#define madvise test_madvise
#define run	window_run
#include "dataplane/merge_window.c"
#undef sysconf
#undef madvise
#undef run

#define MS    (NS_PER_SECOND / 1000)
#define SKEW  (50 * MS)
#define ITEMS 65536

static struct merge *merge;
static struct merge_item items[ITEMS];
static unsigned int offered;
static uint64_t now_ns;

static void begin(unsigned int bits, bool ordered)
{
	const struct merge_options options = {
		.nr_sides = 2,
		.bits = bits,
		.ordered = ordered,
		.skew_ns = SKEW,
		.most_held = ITEMS,
	};

	assert_int_equal(merge_new(&merge, &options), 0);
	offered = 0;
	now_ns = NS_PER_SECOND;
}

static int end(void **state)
{
	merge_free(merge);
	merge = NULL;
	return 0;
}

static void offer(unsigned int side, uint64_t sender, uint64_t first, uint32_t count)
{
	const struct merge_datagram datagram = {.sender = {sender}, .first = first, .count = count};

	assert_true(offered < ITEMS);
	merge_offer(merge, &items[offered++], side, &datagram, now_ns);
}

static void pass(uint64_t ns)
{
	now_ns += ns;
	merge_advance(merge, now_ns);
}

/* The next datagram to be decided. */
static void expect(uint64_t first, enum merge_verdict verdict)
{
	const struct merge_item *item = merge_take(merge);

	assert_non_null(item);
	assert_int_equal(item->datagram.first, first);
	assert_int_equal(item->verdict, verdict);
}

static void expect_nothing(void)
{
	assert_null(merge_take(merge));
}

/* Run a stream from one number to another by both sides, undisturbed. */
static void run(uint64_t sender, uint64_t from, uint64_t to, uint64_t step_ns)
{
	for (uint64_t i = from; i < to; i++) {
		offer(0, sender, i, 1);
		expect(i, MERGE_SEND);
		offer(1, sender, i, 1);
		expect(i, MERGE_DUPLICATE);
		pass(step_ns);
	}
	expect_nothing();
}

/* ---- gaps ---- */

static void test_gap_is_given_up(void **state)
{
	begin(16, true);
	offer(0, 7, 65535, 1);
	expect(65535, MERGE_SEND);
	assert_true(merge_deadline(merge) == UINT64_MAX);
	offer(0, 7, 1, 1);
	expect_nothing();
	assert_int_equal(merge_deadline(merge), now_ns + SKEW);
	pass(SKEW - 1);
	expect_nothing();
	pass(1);
	expect(1, MERGE_SEND);
	offer(1, 7, 0, 1);
	expect(0, MERGE_LATE);
	assert_true(merge_deadline(merge) == UINT64_MAX);
}

static void test_gap_is_filled(void **state)
{
	begin(32, true);
	offer(0, 7, 10, 1);
	expect(10, MERGE_SEND);
	offer(0, 7, 12, 1);
	pass(SKEW / 2);
	expect_nothing();
	offer(1, 7, 11, 1);
	expect(11, MERGE_SEND);
	expect(12, MERGE_SEND);
	expect_nothing();
}

static void test_unordered_does_not_wait(void **state)
{
	begin(32, false);
	offer(0, 0, 10, 1);
	expect(10, MERGE_SEND);
	offer(0, 0, 12, 1);
	expect(12, MERGE_SEND);
	offer(1, 0, 11, 1);
	expect(11, MERGE_SEND);
	offer(1, 0, 12, 1);
	expect(12, MERGE_DUPLICATE);
	assert_true(merge_deadline(merge) == UINT64_MAX);
}

/* ---- heartbeats ---- */

static void test_heartbeat(void **state)
{
	begin(64, true);
	offer(0, 7, 10, 2);
	expect(10, MERGE_SEND);
	offer(0, 7, 12, 0);
	expect(12, MERGE_SEND);
	offer(1, 7, 10, 2);
	expect(10, MERGE_DUPLICATE);
	offer(1, 7, 12, 0);
	expect(12, MERGE_DUPLICATE);
	/* The next one, and that of the other side alone. */
	pass(NS_PER_SECOND);
	offer(0, 7, 12, 0);
	expect(12, MERGE_SEND);
	pass(NS_PER_SECOND);
	offer(1, 7, 12, 0);
	expect(12, MERGE_SEND);
	offer(1, 7, 11, 0);
	expect_nothing();
	pass(SKEW);
	expect(11, MERGE_LATE);
}

static void test_heartbeat_behind_a_gap(void **state)
{
	begin(64, true);
	offer(0, 7, 10, 1);
	expect(10, MERGE_SEND);
	offer(0, 7, 13, 0);
	expect_nothing();
	offer(1, 7, 13, 0);
	expect(13, MERGE_DUPLICATE);
	offer(1, 7, 11, 2);
	expect(11, MERGE_SEND);
	expect(13, MERGE_SEND);
	/* Nobody has what is missing. */
	offer(0, 7, 15, 0);
	pass(SKEW);
	expect(15, MERGE_SEND);
	offer(0, 7, 13, 1);
	expect(13, MERGE_LATE);
	/* A later one drives out the one before. */
	offer(0, 7, 16, 0);
	offer(0, 7, 17, 0);
	expect(16, MERGE_SEND);
	expect_nothing();
	/* What is behind one that waits leaves behind it. */
	offer(1, 7, 17, 1);
	expect_nothing();
	offer(1, 7, 15, 1);
	expect(15, MERGE_LATE);
	pass(SKEW);
	expect(17, MERGE_SEND);
	expect(17, MERGE_SEND);
	pass(4 * SKEW);
	pass(4 * SKEW);
	assert_int_equal(counter_read(&merge_counters(merge)->missing), 4);
}

/* ---- restarts ---- */

static void test_new_sender_on_both_sides(void **state)
{
	begin(16, true);
	run(7, 100, 110, MS);
	offer(0, 8, 40000, 1);
	expect_nothing();
	offer(1, 8, 40000, 1);
	expect(40000, MERGE_SEND);
	expect(40000, MERGE_DUPLICATE);
	offer(1, 7, 110, 1);
	expect(110, MERGE_LATE);
	assert_int_equal(counter_read(&merge_counters(merge)->restarts), 1);
}

static void test_stray_datagram(void **state)
{
	begin(16, true);
	run(7, 100, 110, MS);
	offer(0, 8, 40000, 1);
	run(7, 110, 140, MS);
	pass(SKEW);
	expect(40000, MERGE_FOREIGN);
	/* Also by a side whose datagrams are all late. */
	offer(1, 8, 40001, 1);
	for (uint64_t i = 140; i < 200; i++) {
		offer(0, 7, i, 1);
		expect(i, MERGE_SEND);
		now_ns += MS / 2;
	}
	pass(SKEW);
	expect(40001, MERGE_FOREIGN);
	run(7, 200, 210, MS);
	assert_int_equal(counter_read(&merge_counters(merge)->restarts), 0);
}

static void test_single_datagram_of_a_new_sender(void **state)
{
	begin(16, true);
	run(7, 100, 110, MS);
	offer(0, 8, 3, 1);
	pass(SKEW - 1);
	expect_nothing();
	pass(1);
	expect(3, MERGE_SEND);
}

/* Without a sender: the counter of the sender begins again. */
static void test_counter_restarts(void **state)
{
	begin(32, true);
	run(0, 1000, 2000, 2 * MS);
	for (uint64_t i = 0; i < MERGE_CONFIRMED - 1; i++) {
		offer(0, 0, i, 1);
		expect_nothing();
	}
	offer(0, 0, 2, 1);
	for (uint64_t i = 0; i < 3; i++)
		expect(i, MERGE_SEND);
	/* The side that lags still has the end of the old numbers, nearer to those than to the
	 * new ones. */
	offer(1, 0, 1999, 1);
	expect(1999, MERGE_LATE);
	offer(1, 0, 0, 1);
	expect(0, MERGE_DUPLICATE);
	offer(0, 0, 3, 1);
	expect(3, MERGE_SEND);
}

/* Too soon to be told from a side that lags: nothing new for long is a restart, too. */
static void test_counter_restarts_early(void **state)
{
	begin(32, true);
	run(0, 1000, 1010, MS);
	offer(0, 0, 990, 1);
	expect(990, MERGE_LATE);
	pass((MERGE_STALE + 1) * SKEW);
	offer(0, 0, 1001, 1);
	/* It may be old: alone it is no restart. */
	pass(SKEW);
	expect(1001, MERGE_LATE);
	for (uint64_t i = 1002; i < 1005; i++)
		offer(1, 0, i, 1);
	for (uint64_t i = 1002; i < 1005; i++)
		expect(i, MERGE_SEND);
}

static void test_far_ahead(void **state)
{
	uint64_t far = 1010 + MERGE_AHEAD - 3;

	begin(64, true);
	run(0, 1000, 1010, MS);
	/* A loss of this many on all sides: held as behind any gap. */
	for (uint64_t i = far; i < far + MERGE_CONFIRMED; i++) {
		expect_nothing();
		offer(0, 0, i, 1);
	}
	pass(SKEW - 1);
	expect_nothing();
	pass(1);
	for (uint64_t i = far; i < far + MERGE_CONFIRMED; i++)
		expect(i, MERGE_SEND);
	assert_int_equal(counter_read(&merge_counters(merge)->restarts), 0);
	pass(SKEW);
	pass(SKEW);
	assert_int_equal(counter_read(&merge_counters(merge)->missing), far - 1010);
	offer(0, 0, 1ULL << 40, 1);
	offer(1, 0, 1ULL << 40, 1);
	expect(1ULL << 40, MERGE_SEND);
	expect(1ULL << 40, MERGE_DUPLICATE);
	assert_int_equal(counter_read(&merge_counters(merge)->restarts), 1);
}

/* One number far ahead alone, damaged or forged: the stream stays where it is. */
static void check_far_alone(unsigned int bits, bool ordered, uint32_t count)
{
	begin(bits, ordered);
	run(7, 100, 110, MS);
	offer(0, 7, 110 + 15000, count);
	expect_nothing();
	run(7, 110, 150, MS);
	pass(SKEW);
	expect(110 + 15000, MERGE_FOREIGN);
	/* Also while nothing else arrives. */
	offer(1, 7, 15200, count);
	pass(SKEW);
	expect(15200, MERGE_FOREIGN);
	run(7, 150, 200, MS);
	pass(2 * SKEW);
	pass(2 * SKEW);
	assert_int_equal(counter_read(&merge_counters(merge)->missing), 0);
	assert_int_equal(counter_read(&merge_counters(merge)->sides[0].late), 0);
	merge_free(merge);
	merge = NULL;
}

static void test_far_alone(void **state)
{
	check_far_alone(16, true, 1);
	check_far_alone(16, false, 1);
	check_far_alone(64, true, 1);
	check_far_alone(64, true, 0);
	check_far_alone(64, false, 1);
	check_far_alone(64, false, 0);
}

/* A slow stream by one side after a large loss. */
static void test_slow_jump(void **state)
{
	begin(32, true);
	run(0, 1000, 1010, MS);
	for (uint64_t i = 5000; i < 5000 + MERGE_CONFIRMED - 1; i++) {
		offer(1, 0, i, 1);
		pass(NS_PER_SECOND);
		expect(i, MERGE_FOREIGN);
	}
	offer(1, 0, 5002, 1);
	pass(SKEW);
	expect(5002, MERGE_SEND);
}

/* A fast stream of which one side, which is ahead, begins later. */
static void test_lead(void **state)
{
	begin(32, true);
	for (uint64_t i = 0; i < 12000; i++) {
		offer(0, 0, i, 1);
		expect(i, MERGE_SEND);
		now_ns += 10000;
	}
	offer(1, 0, 14000, 1);
	offer(0, 0, 12000, 1);
	expect(12000, MERGE_SEND);
	pass(SKEW);
	expect(14000, MERGE_SEND);
}

/* A few foreign datagrams between others that have the same time. */
static void test_foreign_in_a_batch(void **state)
{
	begin(16, true);
	run(7, 100, 110, MS);
	for (uint64_t i = 0; i < MERGE_CONFIRMED; i++) {
		offer(1, 8, 40000 + i, 1);
		offer(0, 7, 110 + i, 1);
		expect(110 + i, MERGE_SEND);
	}
	/* By two sides, of which one has only copies of what has left. */
	offer(1, 7, 110, 1);
	expect(110, MERGE_DUPLICATE);
	offer(0, 8, 40000, 1);
	offer(0, 7, 113, 1);
	expect(113, MERGE_SEND);
	expect_nothing();
	pass(SKEW);
	for (uint64_t i = 0; i < MERGE_CONFIRMED; i++)
		expect(40000 + i, MERGE_FOREIGN);
	expect(40000, MERGE_FOREIGN);
	assert_int_equal(counter_read(&merge_counters(merge)->restarts), 0);
}

/* Numbers at both ends of what can be said; for the undefined behaviour sanitizer. */
static void test_numbers_overflow(void **state)
{
	begin(64, true);
	offer(0, 0, 1, 1);
	expect(1, MERGE_SEND);
	offer(0, 0, (1ULL << 63) + 1, 65535);
	offer(0, 0, (1ULL << 63) - 2, 65535);
	pass(SKEW);
	assert_non_null(merge_take(merge));
	assert_non_null(merge_take(merge));
}

/* ---- limits ---- */

/* Jumps as large as may be, again and again within `skew`. */
static void test_memory_is_bounded(void **state)
{
	const struct merge_counters *counters;
	uint64_t number = 1;

	begin(64, true);
	counters = merge_counters(merge);
	for (unsigned int i = 0; i < 20; i++) {
		offer(0, 0, number, 65535);
		number += 65535 + MERGE_JUMP - 1;
		assert_true(counter_read(&counters->memory) <= MERGE_MOST_NUMBERS * 16);
	}
	assert_true(counter_read(&counters->forced) > 0);
	merge_flush(merge);
	number = 1;
	for (unsigned int i = 0; i < 20; i++) {
		expect(number, MERGE_SEND);
		number += 65535 + MERGE_JUMP - 1;
	}
	expect_nothing();
	pass(SKEW);
	pass(SKEW);
	assert_int_equal(counter_read(&counters->missing), 19 * (uint64_t)(MERGE_JUMP - 1));
	assert_int_equal(counter_read(&counters->memory), 4096);
}

/* A stream that was fast and is slow now: whole pages are returned, of any size. */
static void check_returned(long size, size_t expected)
{
	page_size = size;
	returned = 0;
	begin(32, true);
	for (uint64_t i = 0; i < 8192; i++) {
		offer(0, 0, i, 1);
		expect(i, MERGE_SEND);
	}
	assert_int_equal(counter_read(&merge_counters(merge)->memory), 8192 * 16);
	pass(SKEW);
	pass(SKEW);
	assert_int_equal(counter_read(&merge_counters(merge)->memory), 4096);
	assert_int_equal(returned, expected);
	offer(0, 0, 8192, 1);
	expect(8192, MERGE_SEND);
	merge_free(merge);
	merge = NULL;
	page_size = 4096;
}

static void test_memory_is_returned(void **state)
{
	check_returned(4096, 8192 * 16 - 4096);
	check_returned(65536, 65536);
	check_returned(1L << 20, 0);
}

static void test_memory_is_short(void **state)
{
	begin(32, true);
	offer(0, 0, 1, 1);
	expect(1, MERGE_SEND);
	offer(0, 0, 3, 1);
	offer(0, 0, 5, 1);
	merge_give_up(merge);
	expect(3, MERGE_SEND);
	expect_nothing();
	merge_give_up(merge);
	expect(5, MERGE_SEND);
	merge_give_up(merge);
	expect_nothing();
}

/* 16 bits at the highest rate that they are for. */
static void test_fast_wraps(void **state)
{
	const struct merge_counters *counters;

	begin(16, true);
	counters = merge_counters(merge);
	for (uint64_t i = 0; i < 5 * 65536; i++) {
		offered %= ITEMS;
		offer(0, 7, i & 0xffff, 1);
		expect(i & 0xffff, MERGE_SEND);
		if (i < 10000)
			continue;
		/* This side lags by 10,000 numbers, 40 ms. */
		offered %= ITEMS;
		offer(1, 7, (i - 10000) & 0xffff, 1);
		expect((i - 10000) & 0xffff, MERGE_DUPLICATE);
		now_ns += 4000;
	}
	assert_int_equal(counter_read(&counters->missing), 0);
	assert_int_equal(counter_read(&counters->sides[0].missing), 0);
	assert_int_equal(counter_read(&counters->sides[1].missing), 0);
	assert_in_range(counter_read(&counters->sides[1].lag_ns), 39 * MS, 41 * MS);
	assert_in_range(counter_read(&counters->sides[1].most_lag_ns), 39 * MS, 41 * MS);
	assert_int_equal(counter_read(&counters->sides[0].most_lag_ns), 0);
}

/* What was dropped is the stream's if its sender is of the same kind, also if the next datagram is
 * another one's. */
static void test_skipped(void **state)
{
	const uint64_t ours[2] = {7}, other[2] = {8};

	assert_int_not_equal(merge_kind(ours), merge_kind(other));
	begin(16, true);
	run(7, 100, 110, MS);
	merge_skip(merge, 1, (struct merge_skipped){2 * MERGE_AHEAD, merge_kind(other)});
	offer(1, 8, 40000, 1);
	offer(1, 7, 110, 1);
	expect(110, MERGE_SEND);
	merge_skip(merge, 1, (struct merge_skipped){MERGE_AHEAD + 1, merge_kind(ours)});
	offer(1, 8, 40001, 1);
	offer(1, 7, 111, 1);
	expect(111, MERGE_LATE);
	offer(0, 7, 111, 1);
	expect(111, MERGE_SEND);
	offer(1, 7, 112, 1);
	expect(112, MERGE_SEND);
	pass(SKEW);
	expect(40000, MERGE_FOREIGN);
	expect(40001, MERGE_FOREIGN);
	expect_nothing();
}

/* Another process goes on: nothing that has left leaves again, also at a wrap. */
static void test_resumed(void **state)
{
	struct merge_place place;

	begin(16, true);
	assert_false(merge_place(merge, &place));
	run(7, 65530, 65536, MS);
	offer(0, 7, 0, 1);
	expect(0, MERGE_SEND);
	assert_true(merge_place(merge, &place));
	end(state);
	begin(16, true);
	now_ns += NS_PER_SECOND;
	merge_resume(merge, &place, now_ns);
	offer(1, 7, 65535, 1);
	expect(65535, MERGE_LATE);
	offer(1, 7, 0, 1);
	expect(0, MERGE_LATE);
	offer(0, 7, 2, 1);
	expect_nothing();
	offer(1, 7, 1, 1);
	expect(1, MERGE_SEND);
	expect(2, MERGE_SEND);
	offer(1, 7, 2, 1);
	expect(2, MERGE_DUPLICATE);
	/* While it was away, the stream has wrapped, or begun again. */
	end(state);
	begin(16, true);
	merge_resume(merge, &place, now_ns);
	offer(0, 7, 40000, 1);
	expect(40000, MERGE_LATE);
	pass(SKEW + 1);
	offer(0, 7, 40001, 1);
	offer(0, 7, 40002, 1);
	expect_nothing();
	offer(0, 7, 40003, 1);
	expect(40001, MERGE_SEND);
	expect(40002, MERGE_SEND);
	expect(40003, MERGE_SEND);
}

#define CASE(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_gap_is_given_up),
		CASE(test_gap_is_filled),
		CASE(test_unordered_does_not_wait),
		CASE(test_heartbeat),
		CASE(test_heartbeat_behind_a_gap),
		CASE(test_new_sender_on_both_sides),
		CASE(test_stray_datagram),
		CASE(test_single_datagram_of_a_new_sender),
		CASE(test_counter_restarts),
		CASE(test_counter_restarts_early),
		CASE(test_far_ahead),
		CASE(test_far_alone),
		CASE(test_slow_jump),
		CASE(test_lead),
		CASE(test_foreign_in_a_batch),
		CASE(test_numbers_overflow),
		CASE(test_memory_is_bounded),
		CASE(test_memory_is_returned),
		CASE(test_memory_is_short),
		CASE(test_fast_wraps),
		CASE(test_skipped),
		CASE(test_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
