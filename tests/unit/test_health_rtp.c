// SPDX-License-Identifier: BSD-2-Clause
/* What is counted about the numbers of an RTP source: the same as a slow program counts that knows
 * the whole numbers, for random schedules; and the jitter as the formula of RFC 3550 in floating
 * point has it. */
#include "watchdog.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/health_rtp.h"

#define FIRST 70000
#define MOST  4000

/* A stream: its numbers are whole, the track sees the lower 16 bits. */
struct stream {
	unsigned int count;
	unsigned int numbers[2 * MOST];
};

struct counts {
	unsigned int lost, late, reordered, duplicates, restarts;
};

static uint32_t dice = 1;

static unsigned int throw(unsigned int sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

/* Some are lost, doubled, or come after up to `depth` later ones; some gaps are long. None is so
 * far away that the source may have started again. */
static void make_stream(struct stream *stream, unsigned int chance, unsigned int depth)
{
	unsigned int number = FIRST + throw(65536);

	stream->count = 0;
	for (unsigned int i = 0; i < MOST; i++, number++) {
		if (!throw(chance)) {
			number += throw(20) ? 0 : throw(100);
			continue;
		}
		stream->numbers[stream->count++] = number;
		if (!throw(chance))
			stream->numbers[stream->count++] = number;
	}
	for (unsigned int i = 0; depth && i + depth < stream->count; i++) {
		unsigned int j = i + throw(depth), swapped = stream->numbers[i];

		if (throw(chance))
			continue;
		stream->numbers[i] = stream->numbers[j];
		stream->numbers[j] = swapped;
	}
}

static bool has_arrived(const struct stream *stream, unsigned int before, unsigned int number)
{
	for (unsigned int i = 0; i < before; i++) {
		if (stream->numbers[i] == number)
			return true;
	}
	return false;
}

/* The slow program. A number counts as arrived only if it came within the window. */
static struct counts judge(const struct stream *stream)
{
	static uint8_t seen[1 << 20];
	unsigned int highest = stream->numbers[0];
	struct counts counts = {};

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < stream->count; i++) {
		unsigned int number = stream->numbers[i];

		if (number > highest) {
			highest = number;
		} else if (number + RTP_WINDOW <= highest) {
			counts.late++;
			continue;
		} else if (i) {
			counts.duplicates += seen[number];
			counts.reordered += !seen[number];
			assert_int_equal(seen[number], has_arrived(stream, i, number));
		}
		seen[number] = 1;
	}
	for (unsigned int number = stream->numbers[0]; number + RTP_WINDOW <= highest; number++)
		counts.lost += !seen[number];
	return counts;
}

/* As a packet is noted when it arrives. */
static struct rtp_step arrive(struct rtp_track *track, uint16_t sequence)
{
	return rtp_track_next(track, sequence) ? (struct rtp_step){} : rtp_track(track, sequence);
}

static struct counts track(const struct stream *stream)
{
	struct rtp_track tracked = {};
	struct counts counts = {};

	for (unsigned int i = 0; i < stream->count; i++) {
		struct rtp_step step = arrive(&tracked, (uint16_t)stream->numbers[i]);

		counts.lost += step.lost;
		counts.late += step.late;
		counts.reordered += step.reordered;
		counts.duplicates += step.duplicate;
		counts.restarts += step.restarted;
	}
	/* The last one may have been far away. */
	counts.late += tracked.suspect;
	return counts;
}

static void test_random(void **state)
{
	static const unsigned int depths[] = {0, 3, 30, 63, 100};
	static struct stream stream;

	for (unsigned int i = 0; i < 60; i++) {
		struct counts expected, counted;

		make_stream(&stream, 8 + throw(100), depths[i % 5]);
		expected = judge(&stream);
		counted = track(&stream);
		assert_int_equal(counted.lost, expected.lost);
		assert_int_equal(counted.late, expected.late);
		assert_int_equal(counted.reordered, expected.reordered);
		assert_int_equal(counted.duplicates, expected.duplicates);
		assert_int_equal(counted.restarts, 0);
	}
}

static struct rtp_step step_by(struct rtp_track *tracked, unsigned int from, unsigned int count)
{
	struct rtp_step step = {};

	for (unsigned int i = 0; i < count; i++)
		step = arrive(tracked, (uint16_t)(from + i));
	return step;
}

static void test_restart(void **state)
{
	struct rtp_track tracked = {};
	struct rtp_step step;

	step_by(&tracked, 1000, 200);
	/* Not before the second packet of the new numbers; three of the old ones are missing. */
	step_by(&tracked, 1203, 1);
	step = step_by(&tracked, 50000, 1);
	assert_int_equal(step.lost + step.late + step.restarted, 0);
	step = arrive(&tracked, 50001);
	assert_true(step.restarted);
	assert_int_equal(step.lost, 3);
	assert_int_equal(step.late, 0);
	step = step_by(&tracked, 50002, 100);
	assert_int_equal(step.lost + step.late, 0);
	/* One packet alone is a stray, and counted with the next one. */
	arrive(&tracked, 10000);
	step = arrive(&tracked, 50102);
	assert_int_equal(step.late, 1);
	assert_int_equal(step.lost, 0);
	/* Every packet somewhere else: no restart, and no loss. */
	for (unsigned int i = 0; i < 1000; i++) {
		step = arrive(&tracked, (uint16_t)(i % 2 ? 2000 : 30000));
		assert_int_equal(step.lost + step.restarted, 0);
		assert_int_equal(step.late, i > 0);
	}
}

static void test_missing(void **state)
{
	struct rtp_track tracked = {};
	struct rtp_step step;

	step_by(&tracked, 65530, 1);
	step = step_by(&tracked, 65534, 1);
	assert_int_equal(step.lost, 0);
	assert_int_equal(rtp_missing(&tracked), 3);
	/* 65532 still comes. */
	assert_true(step_by(&tracked, 65532, 1).reordered);
	assert_int_equal(rtp_missing(&tracked), 2);
	assert_true(step_by(&tracked, 65532, 1).duplicate);
	step = step_by(&tracked, 65535, 60);
	assert_int_equal(step.lost, 0);
	step = step_by(&tracked, 65535 + 60, 1);
	assert_int_equal(step.lost, 1);
	step = step_by(&tracked, 65535 + 61, 1);
	assert_int_equal(step.lost, 0);
	step = step_by(&tracked, 65535 + 62, 1);
	assert_int_equal(step.lost, 1);
	assert_int_equal(rtp_missing(&tracked), 0);
}

static void test_jitter(void **state)
{
	struct rtp_track tracked = {};
	uint64_t now_ns = 7 * NS_PER_SECOND;
	double jitter = 0, transit_before = 0;

	for (unsigned int i = 0; i < 5000; i++) {
		uint32_t timestamp = 0xfffff000 + i * 450;
		double transit, difference;

		now_ns += NS_PER_SECOND / 200 - 1000000 + throw(2000000);
		transit = (double)now_ns * 90000 / NS_PER_SECOND - i * 450.0;
		difference = transit - transit_before;
		transit_before = transit;
		if (i)
			jitter += ((difference < 0 ? -difference : difference) - jitter) / 16;
		rtp_track_jitter(&tracked, timestamp, 90000, now_ns);
	}
	/* The integers of the appendix round each step down by less than a tick. */
	assert_in_range(tracked.jitter, (uint32_t)(16 * (jitter - 1.5)),
			(uint32_t)(16 * (jitter + 1.5)));
	assert_in_range(rtp_jitter_ns(tracked.jitter, 90000), 300000, 1000000);
	/* A jump of the timestamps is none of the network. */
	jitter = tracked.jitter;
	rtp_track_jitter(&tracked, 0x12345678, 90000, now_ns);
	assert_true(tracked.jitter == (uint32_t)jitter);
	assert_int_equal(rtp_clock(33), 90000);
	assert_int_equal(rtp_clock(0), 8000);
	assert_int_equal(rtp_clock(96), 0);
	assert_int_equal(rtp_clock(1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
