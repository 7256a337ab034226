// SPDX-License-Identifier: BSD-2-Clause
/* What is counted about the messages of MoldUDP64: the same as a slow program counts that remembers
 * each of them, for random schedules. */
#include "watchdog.h"

#include <string.h>

#include "base/clock.h"
#include "dataplane/health_mold64.h"

#define SESSION "TEST000001"
#define PACKETS 3000
#define MOST	40000

struct packet {
	uint64_t first;
	uint16_t count;
};

struct counts {
	uint64_t lost, reordered, duplicates;
	unsigned int restarts, changes;
};

static struct mold64_step send(struct mold64_track *track, const char *session, uint64_t first,
			       uint16_t count, uint64_t now_ns)
{
	struct mold64_header header = {.sequence = first, .count = count};

	memcpy(header.session, session, MOLD64_SESSION_SIZE);
	return mold64_track(track, &header, now_ns);
}

/* Some are lost, doubled (with more or fewer messages), or come up to 20 packets later. */
static unsigned int make_packets(struct packet *packets, uint32_t *dice)
{
	unsigned int count = 0;
	uint64_t next = 1;

	while (count < PACKETS) {
		struct packet packet = {next, (uint16_t)(next_random(dice) % 8)};

		next += packet.count;
		if (next_random(dice) % 40 == 0)
			continue;
		packets[count++] = packet;
		if (next_random(dice) % 40 == 0 && packet.first > 5)
			packets[count++] = (struct packet){packet.first - 5, 9};
	}
	for (unsigned int i = 1; i + 20 < count; i++) {
		unsigned int j = i + next_random(dice) % 20;
		struct packet swapped = packets[i];

		if (next_random(dice) % 20)
			continue;
		packets[i] = packets[j];
		packets[j] = swapped;
	}
	return count;
}

/* The slow program: of each message, whether it has arrived, and since which packet it is missing.
 * A message that came after it was given up is a duplicate: it was counted as lost. */
static struct counts judge(const struct packet *packets, unsigned int count)
{
	static uint8_t known[MOST]; /* 1: arrived, 2: missing, 3: given up */
	static unsigned int since[MOST];
	struct counts counts = {};
	uint64_t next = packets[0].first + packets[0].count;

	memset(known, 0, sizeof(known));
	for (unsigned int i = 1; i < count; i++) {
		const struct packet *packet = &packets[i];

		for (uint64_t number = 1; number < next; number++) {
			if (known[number] == 2 && i - since[number] >= MOLD64_PATIENCE) {
				known[number] = 3;
				counts.lost++;
			}
		}
		for (uint64_t number = next; number < packet->first; number++) {
			known[number] = 2;
			since[number] = i;
		}
		for (uint64_t number = packet->first; number < packet->first + packet->count;
		     number++) {
			if (number >= next) {
				known[number] = 1;
			} else if (known[number] == 2) {
				known[number] = 1;
				counts.reordered++;
			} else {
				counts.duplicates++;
			}
		}
		if (packet->first > next)
			next = packet->first;
		if (packet->first + packet->count > next)
			next = packet->first + packet->count;
	}
	return counts;
}

static void test_random(void **state)
{
	static struct packet packets[PACKETS + 2];
	uint32_t dice = 7;

	for (unsigned int i = 0; i < 10; i++) {
		unsigned int count = make_packets(packets, &dice), most = 0;
		struct counts expected = judge(packets, count), counts = {};
		struct mold64_track track = {};

		for (unsigned int j = 0; j < count; j++) {
			struct mold64_step step =
				send(&track, SESSION, packets[j].first, packets[j].count, 1);

			counts.lost += step.lost;
			counts.reordered += step.reordered;
			counts.duplicates += step.duplicates;
			counts.restarts += step.restarted;
			most = track.nr_gaps > most ? track.nr_gaps : most;
		}
		/* Otherwise some were given up early. */
		assert_true(most < MOLD64_GAPS);
		assert_int_equal(counts.restarts, 0);
		assert_int_equal(counts.lost, expected.lost);
		assert_int_equal(counts.reordered, expected.reordered);
		assert_int_equal(counts.duplicates, expected.duplicates);
		assert_true(counts.lost && counts.reordered && counts.duplicates);
	}
}

static void test_gaps(void **state)
{
	struct mold64_track track = {};
	struct mold64_step step;

	send(&track, SESSION, 100, 10, 1);
	/* A heartbeat announces what has not come. */
	step = send(&track, SESSION, 120, 0, 1);
	assert_int_equal(step.lost, 0);
	assert_int_equal(mold64_missing(&track), 10);
	/* Its middle comes, with a message from behind the gap, and one from before it. */
	step = send(&track, SESSION, 113, 2, 1);
	assert_int_equal(step.reordered, 2);
	assert_int_equal(track.nr_gaps, 2);
	step = send(&track, SESSION, 109, 2, 1);
	assert_int_equal(step.reordered, 1);
	assert_int_equal(step.duplicates, 1);
	step = send(&track, SESSION, 118, 4, 1);
	assert_int_equal(step.reordered, 2);
	assert_int_equal(step.duplicates, 0);
	assert_int_equal(track.next, 122);
	assert_int_equal(mold64_missing(&track), 5);
	/* Nobody waits for ever, also if little comes. */
	step = send(&track, SESSION, 122, 0, NS_PER_SECOND);
	assert_int_equal(step.lost, 0);
	step = send(&track, SESSION, 122, 0, NS_PER_SECOND + 1);
	assert_int_equal(step.lost, 5);
	assert_int_equal(track.nr_gaps, 0);
	step = send(&track, SESSION, 112, 1, NS_PER_SECOND + 1);
	assert_int_equal(step.duplicates, 1);
}

/* More gaps than there is room for: the oldest are given up, and nothing is counted twice. */
static void test_many_gaps(void **state)
{
	struct mold64_track track = {};
	uint64_t lost = 0, reordered = 0;

	for (uint64_t first = 1; first <= 401; first += 10)
		lost += send(&track, SESSION, first, 1, 1).lost;
	assert_int_equal(track.nr_gaps, MOLD64_GAPS);
	assert_int_equal(lost, (40 - MOLD64_GAPS) * 9);
	/* Splitting makes more of them. */
	for (uint64_t first = 5; first <= 400; first += 10) {
		struct mold64_step step = send(&track, SESSION, first, 1, 1);

		lost += step.lost;
		reordered += step.reordered;
	}
	assert_int_equal(lost + reordered + mold64_missing(&track), 360);
	assert_true(track.nr_gaps <= MOLD64_GAPS);
}

static void test_sessions(void **state)
{
	struct mold64_track track = {};
	struct mold64_step step;

	step = send(&track, SESSION, 1000, 5, 1);
	assert_false(step.session_changed);
	send(&track, SESSION, 1010, 5, 1);
	step = send(&track, "TEST000002", 1, 5, 1);
	assert_true(step.session_changed);
	assert_int_equal(step.lost, 5);
	step = send(&track, "TEST000002", 6, MOLD64_END, 1);
	assert_int_equal(step.lost + step.reordered + step.duplicates, 0);
	/* Farther than any loss. */
	step = send(&track, "TEST000002", 1ULL << 60, 1, 1);
	assert_true(step.restarted);
	assert_int_equal(step.lost, 0);
	/* The same session from the beginning. */
	for (unsigned int i = 0; i < MOLD64_BEHIND; i++)
		step = send(&track, "TEST000002", 1 + 5 * i, 5, 1);
	assert_true(step.restarted);
	step = send(&track, "TEST000002", 1 + 5 * MOLD64_BEHIND + 5, 5, 1);
	assert_int_equal(mold64_missing(&track), 5);
	/* The end of the numbers. */
	send(&track, "TEST000003", UINT64_MAX - 10, 5, 1);
	step = send(&track, "TEST000003", UINT64_MAX - 5, 5, 1);
	assert_int_equal(step.lost + step.reordered + step.duplicates + step.restarted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_many_gaps),
		cmocka_unit_test(test_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
