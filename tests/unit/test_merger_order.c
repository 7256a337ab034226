// SPDX-License-Identifier: BSD-2-Clause
/*
 * The merger under load, with a clock of the test: random schedules of two sides with losses, in
 * which its thread pauses until the feeds overflow, again and again. What a feed takes leaves once
 * and in order. If numbers wrap unseen during a pause, some of it does not leave, but none leaves
 * again, or behind a later one. And who gives up gaps when slots are short.
 */
#include "watchdog.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static uint64_t test_now_ns;

static uint64_t test_clock_ns(void)
{
	return test_now_ns;
}

/* For its static functions, with the clock above. */
#define clock_ns test_clock_ns
#include "dataplane/merger.c"
#undef clock_ns

#include "dataplane/merger_rules.h"

#define MS	    (NS_PER_SECOND / 1000)
#define SIDES	    2
#define MOST_LAG    10000
#define PACE	    4 /* datagrams that leave for each number when a pause has to end */
#define MOST_NUMBER 400000
#define HEADERS	    (sizeof(struct xmc_ipv4) + sizeof(struct xmc_udp))
#define PAYLOAD	    20 /* an RTP header, and the number without wraps */
#define FRAMES	    FEED_SLOTS
#define MOST	    (FRAMES / 4 * 3) /* that a feed accepts while nothing leaves */

static counter_t unused, withheld;
static struct merger *merger;
static struct feed *feeds[SIDES];
static uint8_t memory[SIDES][FRAMES][HEADERS + PAYLOAD];
static uint32_t free_frames[SIDES][FRAMES];
static unsigned int nr_free[SIDES];
static struct output outputs[1];
static struct output_shard output_shards[1];

/* ---- packets ---- */

static void write_rtp(uint8_t *payload, uint8_t sender, uint64_t number)
{
	memset(payload, 0, PAYLOAD);
	payload[0] = 0x80;
	payload[2] = (uint8_t)(number >> 8);
	payload[3] = (uint8_t)number;
	payload[11] = sender;
	memcpy(payload + 12, &number, sizeof(number));
}

/* What the merger is done with can be received into again. */
static void reclaim(unsigned int side)
{
	struct frame_entry entry;

	feed_publish_done(feeds[side]);
	while (frame_queue_take(&feeds[side]->done, &entry)) {
		/* A late use of it would show. */
		memset(memory[side][entry.frame], 0xff, sizeof(memory[side][entry.frame]));
		free_frames[side][nr_free[side]++] = entry.frame;
	}
}

/* A datagram arrives now. False: the feed is full. */
static bool arrive_from(unsigned int side, struct stream *stream, uint8_t sender, uint64_t number,
			struct unmerged *unmerged)
{
	struct frame_entry entry = {
		.stream = stream,
		.udp = sizeof(struct xmc_ipv4),
		.length = PAYLOAD,
	};
	struct merge_skipped skipped;
	uint8_t *frame;

	reclaim(side);
	assert_true(nr_free[side]);
	entry.frame = free_frames[side][nr_free[side] - 1];
	frame = memory[side][entry.frame];
	write_rtp(frame + HEADERS, sender, number);
	skipped = unmerged_read(unmerged, stream->merged, frame + HEADERS, PAYLOAD);
	if (!feed_push(feeds[side], &entry, 1, test_now_ns, skipped)) {
		unmerged_add(unmerged, stream->merged, frame + HEADERS, PAYLOAD);
		return false;
	}
	unmerged_clear(unmerged, skipped);
	nr_free[side]--;
	return feed_publish(feeds[side]) == 0;
}

static bool arrive(unsigned int side, struct stream *stream, uint64_t number,
		   struct unmerged *unmerged)
{
	return arrive_from(side, stream, 0, number, unmerged);
}

/* How many of the stream the feed has not taken, since the last one that did. */
static uint32_t count_refused(const struct unmerged *unmerged)
{
	const uint64_t sender[2] = {};

	return unmerged->counts[merge_kind(sender)];
}

/* The next one that leaves. False: none does. */
static bool leave(struct stream **stream, uint64_t *number)
{
	struct frame_entry entry;
	struct slot *slot;

	if (!merger_take(merger, &entry))
		return false;
	assert_int_equal(entry.kind, FRAME_DATA);
	slot = slot_at(merger, entry.frame);
	*stream = slot->stream;
	memcpy(number, slot->data + slot->udp + sizeof(struct xmc_udp) + 12, sizeof(*number));
	merger_return(merger, &entry.frame, 1);
	return true;
}

/* ---- a merger without a thread ---- */

struct film {
	struct merged *merged;
	struct stream streams[SIDES];
};

static void open_merger(void)
{
	const struct merger_thread_side thread = {
		.wakeup_fd = -1,
		.unused = &unused,
		.withheld = &withheld,
	};

	test_now_ns = NS_PER_SECOND;
	merger = calloc(1, sizeof(*merger));
	assert_non_null(merger);
	merger->settled = true;
	merger->earliest_ns = UINT64_MAX;
	for (unsigned int i = 0; i < SIDES; i++) {
		const struct feed_frames frames = {
			.memory = memory[i][0],
			.size = sizeof(memory[i][0]),
			.count = FRAMES,
			.capacity = HEADERS + PAYLOAD,
			.wakeup_fd = -1,
		};

		feeds[i] = merger_add_feed(merger, &frames);
		assert_non_null(feeds[i]);
		/* There is nobody to be woken. */
		atomic_store(&feeds[i]->queue.sleeping, false);
		atomic_store(&feeds[i]->done.sleeping, false);
		for (nr_free[i] = 0; nr_free[i] < FRAMES; nr_free[i]++)
			free_frames[i][nr_free[i]] = nr_free[i];
	}
	merger->thread = thread;
}

static void close_merger(void)
{
	for (unsigned int i = 0; i < SIDES; i++) {
		assert_int_equal(feed_taken(feeds[i]), 0);
		reclaim(i);
		assert_int_equal(nr_free[i], FRAMES);
		merger_remove_feed(merger, feeds[i]);
	}
	free(merger);
}

static void open_film(struct film *film, uint32_t skew_ms)
{
	static struct rule_side sides[SIDES];
	const struct rule rule = {
		.merge = MERGE_RTP,
		.nr_sides = SIDES,
		.sides = sides,
		.skew_ms = skew_ms,
	};

	memset(film, 0, sizeof(*film));
	film->merged = merged_new(merger, &rule);
	assert_non_null(film->merged);
	outputs[0].shards = output_shards;
	for (unsigned int i = 0; i < SIDES; i++) {
		film->streams[i].rule.side = i;
		film->streams[i].merged = film->merged;
		film->streams[i].outputs = outputs;
		film->streams[i].nr_outputs = 1;
		film->streams[i].nr_shards = 1;
	}
}

static uint64_t count_lost(const struct film *film)
{
	const struct merge_counters *counters = merged_counters(film->merged);

	return counter_read(&counters->sides[0].late) + counter_read(&counters->sides[1].late) +
	       counter_read(&counters->sides[0].foreign) +
	       counter_read(&counters->sides[1].foreign);
}

/* ---- overload ---- */

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % below);
}

struct overload {
	struct film film;
	uint32_t step_ns; /* between numbers */
	uint32_t loss[SIDES];
	uint32_t lag[SIDES]; /* in numbers */
	struct unmerged unmerged[SIDES];
	uint32_t pace;	  /* most datagrams that leave for each number; 0: the thread pauses */
	uint32_t longest; /* pause, in numbers */
	uint32_t most;	  /* datagrams that are dropped in a row before a pause ends */
	uint32_t refused; /* most that were dropped in a row */
	uint64_t change_at;
	uint8_t accepted[MOST_NUMBER]; /* the feed has taken it */
	uint64_t next;		       /* no number before it may leave */
	uint64_t left;
	uint64_t expected; /* taken by a side */
};

static void send_number(struct overload *overload, unsigned int side, uint64_t number)
{
	/* The first one is the stream's beginning. */
	if (number && draw(100) < overload->loss[side])
		return;
	if (arrive(side, &overload->film.streams[side], number, &overload->unmerged[side]))
		overload->accepted[number] = 1;
}

/* Repeated or reordered: never. */
static void take_some(struct overload *overload, uint32_t most)
{
	struct stream *stream;
	uint64_t number;

	while (most-- && leave(&stream, &number)) {
		assert_true(number >= overload->next);
		overload->next = number + 1;
		overload->left++;
	}
}

static void run_overload(struct overload *overload, uint64_t seed, uint32_t longest, uint32_t most)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	memset(overload, 0, sizeof(*overload));
	overload->longest = longest;
	overload->most = most;
	open_merger();
	open_film(&overload->film, 50);
	overload->step_ns = 1000 + draw(2000);
	for (unsigned int side = 0; side < SIDES; side++)
		overload->loss[side] = draw(31);
	overload->lag[draw(SIDES)] = draw(MOST_LAG);
	for (uint64_t i = 0; i < MOST_NUMBER + MOST_LAG; i++) {
		test_now_ns += overload->step_ns;
		for (unsigned int side = 0; side < SIDES; side++) {
			if (i >= overload->lag[side] && i - overload->lag[side] < MOST_NUMBER)
				send_number(overload, side, i - overload->lag[side]);
		}
		if (i == overload->change_at) {
			overload->pace = overload->pace ? 0 : 1 + draw(4);
			overload->change_at += 1 + draw(overload->longest);
		}
		if (count_refused(&overload->unmerged[0]) > overload->most ||
		    count_refused(&overload->unmerged[1]) > overload->most)
			overload->pace = PACE;
		for (unsigned int side = 0; side < SIDES; side++)
			if (count_refused(&overload->unmerged[side]) > overload->refused)
				overload->refused = count_refused(&overload->unmerged[side]);
		take_some(overload, overload->pace);
	}
	take_some(overload, UINT32_MAX);
	test_now_ns += NS_PER_SECOND;
	take_some(overload, UINT32_MAX);
	for (unsigned int i = 0; i < MOST_NUMBER; i++)
		overload->expected += overload->accepted[i];
	merged_put(overload->film.merged);
	close_merger();
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_overloads(uint32_t longest, uint32_t most, uint64_t *left, uint64_t *expected,
			  uint32_t *refused)
{
	static struct overload overload;
	uint64_t seed = from_environment("XMCAST_SEED", 1);

	*left = *expected = *refused = 0;
	for (uint64_t n = from_environment("XMCAST_OVERLOADS", 8); n; n--) {
		run_overload(&overload, seed++, longest, most);
		*left += overload.left;
		*expected += overload.expected;
		if (overload.refused > *refused)
			*refused = overload.refused;
	}
	print_message("%llu of %llu left\n", (unsigned long long)*left,
		      (unsigned long long)*expected);
}

/* At most MERGE_AHEAD datagrams in a row are dropped, so everything else leaves. When a pause ends,
 * what is held leaves first, and only behind that the thread is done with a frame. */
static void test_overload(void **state)
{
	uint64_t left, expected;
	uint32_t refused;

	watchdog_start("overload");
	run_overloads(MOST + MERGE_AHEAD, MERGE_AHEAD - 2000 - FEED_MANY_TAKEN / PACE, &left,
		      &expected, &refused);
	assert_in_range(refused, MERGE_AHEAD / 2, MERGE_AHEAD);
	assert_int_equal(left, expected);
	watchdog_stop();
}

/* Far more than a wrap. */
static void test_long_overload(void **state)
{
	uint64_t left, expected;
	uint32_t refused;

	watchdog_start("long overload");
	run_overloads(250000, UINT32_MAX, &left, &expected, &refused);
	assert_in_range(left, expected * 9 / 10, expected);
	watchdog_stop();
}

/* Somebody sends far more to a side than a wrap while the thread pauses: that says nothing of where
 * the stream is. */
static void test_forger_in_overload(void **state)
{
	struct unmerged unmerged = {};
	struct stream *stream;
	struct film film;
	uint64_t number;
	uint64_t next;

	open_merger();
	open_film(&film, 50);
	for (next = 0; next < MOST; next++)
		assert_true(arrive(1, &film.streams[1], next, &unmerged));
	for (uint64_t i = 0; i < 2 * MERGE_AHEAD; i++) {
		assert_false(arrive_from(1, &film.streams[1], 1, i, &unmerged));
		if (i % MERGE_AHEAD == 0)
			assert_false(arrive(1, &film.streams[1], next++, &unmerged));
	}
	assert_int_equal(count_refused(&unmerged), 2);
	for (uint64_t i = 0; i < MOST; i++)
		assert_true(leave(&stream, &number) && number == i);
	/* The first one that is taken is the stranger's: it has none of the stream's drops. */
	assert_true(arrive_from(1, &film.streams[1], 1, 0, &unmerged));
	assert_int_equal(count_refused(&unmerged), 2);
	assert_true(arrive(1, &film.streams[1], next, &unmerged));
	assert_int_equal(unmerged.kinds, 0);
	/* Behind the gap of two. */
	assert_false(leave(&stream, &number));
	test_now_ns += 50 * MS;
	assert_true(leave(&stream, &number) && number == next);
	assert_false(leave(&stream, &number));
	assert_int_equal(count_lost(&film), 1);
	assert_int_equal(counter_read(&merged_counters(film.merged)->sides[1].foreign), 1);
	merged_put(film.merged);
	close_merger();
}

/* ---- gaps ---- */

/* The thread was not scheduled for longer than `skew`: what has arrived in time fills the gap. */
static void test_pause(void **state)
{
	struct unmerged unmerged = {};
	struct stream *stream;
	struct film film;
	uint64_t number;

	open_merger();
	open_film(&film, 50);
	arrive(0, &film.streams[0], 1, &unmerged);
	arrive(0, &film.streams[0], 3, &unmerged);
	assert_true(leave(&stream, &number) && number == 1);
	assert_false(leave(&stream, &number));
	test_now_ns += 49 * MS;
	arrive(1, &film.streams[1], 2, &unmerged);
	test_now_ns += 500 * MS;
	assert_true(leave(&stream, &number) && number == 2);
	assert_true(leave(&stream, &number) && number == 3);
	/* What has not is late. */
	arrive(0, &film.streams[0], 5, &unmerged);
	test_now_ns += 51 * MS;
	arrive(1, &film.streams[1], 4, &unmerged);
	assert_true(leave(&stream, &number) && number == 5);
	assert_false(leave(&stream, &number));
	assert_int_equal(count_lost(&film), 1);
	merged_put(film.merged);
	close_merger();
}

/* Slots are short: the rule that holds most of them gives up gaps, not the one that asks for more.
 */
static void test_fairness(void **state)
{
	const unsigned int many = FEED_MANY_TAKEN - 2000;
	struct film large, small;
	struct unmerged unmerged = {};
	struct stream *stream;
	uint64_t number;

	open_merger();
	open_film(&large, 500);
	open_film(&small, 500);
	/* Each second number is missing. */
	for (uint64_t i = 0; i < many; i++) {
		arrive(0, &large.streams[0], 2 * i, &unmerged);
		leave(&stream, &number);
	}
	for (uint64_t i = 0; i < 4000; i++) {
		arrive(0, &small.streams[0], 2 * i, &unmerged);
		while (leave(&stream, &number))
			assert_true(!i || stream == &large.streams[0]);
	}
	assert_int_equal(unmerged.kinds, 0);
	assert_int_equal(counter_read(&merged_counters(small.merged)->held), 3999);
	assert_int_equal(counter_read(&merged_counters(small.merged)->forced), 0);
	assert_true(counter_read(&merged_counters(large.merged)->forced) >= 1998);
	test_now_ns += NS_PER_SECOND;
	while (leave(&stream, &number))
		;
	merged_put(large.merged);
	merged_put(small.merged);
	close_merger();
}

/* Somebody sends another SSRC to a side of a rule: what is held of it takes the slots of no other
 * rule for longer than until they are short. */
static void test_fairness_with_candidates(void **state)
{
	const unsigned int many = FEED_MANY_TAKEN - 2000;
	struct film forged, small;
	struct unmerged unmerged = {};
	struct stream *stream;
	uint64_t number;

	open_merger();
	open_film(&forged, 500);
	open_film(&small, 500);
	arrive(0, &forged.streams[0], 0, &unmerged);
	assert_true(leave(&stream, &number) && number == 0);
	arrive_from(1, &forged.streams[1], 1, 0, &unmerged);
	assert_false(leave(&stream, &number));
	/* The stream goes on, so by one side alone the others are no restart. One is held. */
	arrive(0, &forged.streams[0], 1, &unmerged);
	assert_true(leave(&stream, &number) && number == 1);
	arrive(0, &forged.streams[0], 3, &unmerged);
	for (uint64_t i = 1; i < many; i++) {
		arrive_from(1, &forged.streams[1], 1, i, &unmerged);
		assert_false(leave(&stream, &number));
	}
	assert_int_equal(feed_taken(feeds[1]), many);
	for (uint64_t i = 0; i < 8000; i++) {
		arrive(1, &small.streams[1], 2 * i, &unmerged);
		while (leave(&stream, &number))
			assert_true(!i && stream == &small.streams[1]);
	}
	assert_int_equal(unmerged.kinds, 0);
	assert_int_equal(counter_read(&merged_counters(small.merged)->forced), 0);
	assert_int_equal(counter_read(&merged_counters(small.merged)->held), 7999);
	assert_int_equal(counter_read(&merged_counters(forged.merged)->forced), 0);
	assert_int_equal(counter_read(&merged_counters(forged.merged)->held), 1);
	assert_int_equal(counter_read(&merged_counters(forged.merged)->sides[1].foreign), many);
	assert_int_equal(counter_read(&merged_counters(forged.merged)->restarts), 0);
	test_now_ns += NS_PER_SECOND;
	while (leave(&stream, &number))
		;
	merged_put(forged.merged);
	merged_put(small.merged);
	close_merger();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_long_overload),
		cmocka_unit_test(test_forger_in_overload),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_fairness),
		cmocka_unit_test(test_fairness_with_candidates),
	};

	return cmocka_run_group_tests_name("merger_order", tests, NULL, NULL);
}
