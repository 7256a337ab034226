// SPDX-License-Identifier: BSD-2-Clause
/* Limits of outputs: what passes in simulated time, at the limits of every range. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "dataplane/rate_limit.h"

#define MS	     (NS_PER_SECOND / 1000)
#define IPV4_HEADERS 28
#define LARGEST	     65507

/* Tests that begin here see the ticks wrap. */
#define BEFORE_WRAP ((UINT64_MAX >> RATE_TICK_BITS) - 10 * MS)

static struct rule_output output_with(uint64_t bps, uint32_t pps, uint32_t burst_ms)
{
	struct rule_output output = {.rate_bps = bps, .rate_pps = pps, .burst_ms = burst_ms};

	assert_true(addr_parse("10.0.0.1", &output.to));
	return output;
}

static struct rate_limit limit_of(uint64_t bps, uint32_t pps, uint32_t burst_ms, uint64_t now)
{
	struct rule_output output = output_with(bps, pps, burst_ms);
	struct rate_limit limit;

	rate_limit_init(&limit, &output, now);
	return limit;
}

/* How many of `count` datagrams pass at this time? */
static unsigned int pass(struct rate_limit *limit, unsigned int count, uint32_t length,
			 uint64_t now)
{
	unsigned int passed = 0;

	for (unsigned int i = 0; i < count; i++)
		passed += rate_limit_allows(limit, length, now);
	return passed;
}

static void test_packets(void **state)
{
	/* 1000 packets/s, 50 ms: 50, and the one that overdraws the bucket. */
	struct rate_limit limit = limit_of(0, 1000, 50, 5);

	assert_int_equal(pass(&limit, 200, 100, 5), 51);
	assert_int_equal(pass(&limit, 10, 100, 5), 0);
	assert_int_equal(pass(&limit, 10, 100, 5 + MS - 1), 0);
	assert_int_equal(pass(&limit, 10, 100, 5 + MS), 1);
	assert_int_equal(pass(&limit, 10, 100, 5 + 4 * MS), 3);
	/* As full as at first, however long it is unused. */
	assert_int_equal(pass(&limit, 200, 100, 3600 * NS_PER_SECOND), 51);
}

static void test_bits(void **state)
{
	/* 8 Mbit/s are 1000 packets of 1000 bytes, headers included. */
	struct rate_limit limit = limit_of(8000000, 0, 10, 0);

	assert_int_equal(pass(&limit, 50, 1000 - IPV4_HEADERS, 0), 11);
	assert_int_equal(pass(&limit, 50, 1000 - IPV4_HEADERS, 5 * MS), 5);
	/* A datagram without payload still has headers. */
	assert_int_equal(pass(&limit, 5000, 0, 1000 * MS), 10 * 1000 / IPV4_HEADERS + 1);
}

static void test_overhead(void **state)
{
	struct rule_output output = output_with(8000000, 0, 10);
	struct rate_limit limit;

	rate_limit_init(&limit, &output, 0);
	assert_int_equal(limit.overhead, IPV4_HEADERS);
	assert_true(addr_parse("fe80::1", &output.to));
	rate_limit_init(&limit, &output, 0);
	assert_int_equal(limit.overhead, 48);
}

/* Both limits hold, and what one of them refuses is not charged to the other. */
static void test_both(void **state)
{
	struct rate_limit limit = limit_of(8000000, 100, 100, 0);

	assert_int_equal(pass(&limit, 50, 100, 0), 11); /* of packets */
	limit = limit_of(8000000, 100000, 10, 0);
	assert_int_equal(pass(&limit, 500, 1000 - IPV4_HEADERS, 0), 11); /* of bits */
	/* 489 were refused for their bits: 11 packets are charged, not 500. */
	assert_true(atomic_load(&limit.packets.paid_at) == 11 * limit.packet_cost);
}

static void test_default_burst(void **state)
{
	struct rate_limit limit = limit_of(0, 1000, 0, 0);

	assert_int_equal(pass(&limit, 1000, 100, 0), BURST_MS_DEFAULT + 1);
}

/* In a long time the rate is exact to a few in 100,000, at any rate. */
static void test_long_run(void **state)
{
	static const uint64_t rates[] = {RATE_BPS_MIN, 64000,	     1234567,	  50000000,
					 10000000000,  100000000000, RATE_BPS_MAX};
	static const uint32_t lengths[] = {0, 36, 1400, LARGEST};

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]) * 4; i++) {
		uint64_t bps = rates[i / 4];
		uint32_t length = lengths[i % 4];
		uint64_t bits = 8ULL * (length + IPV4_HEADERS);
		struct rate_limit limit = limit_of(bps, 0, 1, 0);
		/* Evenly, twice as many as may pass, and many more than one burst. */
		uint64_t gap_ps = bits * 1000000000000ULL / bps / 2;
		uint64_t burst = bps / 1000 / bits;
		uint64_t offered = 200000 + 4 * burst;
		double expected = (double)(offered / 2 + burst + 1);
		unsigned int passed = 0;

		for (uint64_t n = 0; n < offered; n++)
			passed += rate_limit_allows(&limit, length, n * gap_ps / 1000);
		assert_in_range(passed, (uint64_t)(expected * 0.98), (uint64_t)(expected * 1.02));
		if (length >= 1400)
			assert_in_range(passed, (uint64_t)(expected * 0.999) - 2,
					(uint64_t)(expected * 1.001) + 2);
	}
}

/* No product overflows at the limits of every range. */
static void test_extremes(void **state)
{
	struct rate_limit limit = limit_of(RATE_BPS_MIN, 1, BURST_MS_MAX, 0);

	/* 64 KiB at 1 kbit/s: one passes, and the next one 524 s less the burst later. */
	assert_int_equal(pass(&limit, 3, LARGEST, 0), 1);
	assert_int_equal(pass(&limit, 3, LARGEST, 514 * NS_PER_SECOND), 0);
	assert_int_equal(pass(&limit, 3, LARGEST, 515 * NS_PER_SECOND), 1);
	limit = limit_of(0, 1, 1, 0);
	assert_int_equal(pass(&limit, 3, 1, 0), 1);
	assert_int_equal(pass(&limit, 3, 1, NS_PER_SECOND - 1 - MS), 0);
	assert_int_equal(pass(&limit, 3, 1, NS_PER_SECOND), 1);
	limit = limit_of(RATE_BPS_MAX, RATE_PPS_MAX, 1, 0);
	assert_int_equal(limit.packet_cost, 64);
	/* 1 ms of 400 Gbit/s are 50 MB. */
	assert_in_range(pass(&limit, 2000, LARGEST, 0), 50000000 / 65535, 50000000 / 65535 + 2);
}

static void test_wrap(void **state)
{
	struct rate_limit limit = limit_of(0, 1000, 5, BEFORE_WRAP);
	unsigned int passed = 0;

	for (unsigned int ms = 0; ms < 40; ms++)
		passed += pass(&limit, 3, 100, BEFORE_WRAP + ms * MS);
	assert_int_equal(passed, 6 + 39);
	/* Half of the range later, which looks like the future to a signed difference. */
	assert_int_equal(pass(&limit, 100, 100, BEFORE_WRAP + (1ULL << 57) + 5000 * NS_PER_SECOND),
			 6);
}

/* The time of another thread may be older: that causes neither a burst nor a long pause. */
static void test_older_clock(void **state)
{
	struct rate_limit limit = limit_of(0, 1000, 10, 0);

	assert_int_equal(pass(&limit, 100, 100, 1000 * MS), 11);
	assert_int_equal(pass(&limit, 100, 100, 900 * MS), 0);
	assert_int_equal(pass(&limit, 100, 100, 0), 0);
	assert_int_equal(pass(&limit, 100, 100, 1003 * MS), 3);
}

/* ---- threads ---- */

#define THREADS	 4
#define ATTEMPTS 100000

static void *attempt(void *argument)
{
	return (void *)(uintptr_t)pass(argument, ATTEMPTS, 100, NS_PER_SECOND);
}

/* The limit applies to all RX queues together, not to each. */
static void test_threads(void **state)
{
	struct rate_limit *limit = aligned_alloc(CACHE_LINE, sizeof(*limit));
	pthread_t threads[THREADS];
	uintptr_t sum = 0;

	assert_non_null(limit);
	*limit = limit_of(0, 1000000, 100, 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, attempt, limit), 0);
	for (int i = 0; i < THREADS; i++) {
		void *passed;

		assert_int_equal(pthread_join(threads[i], &passed), 0);
		sum += (uintptr_t)passed;
	}
	assert_int_equal(sum, 100001);
	free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),	      cmocka_unit_test(test_bits),
		cmocka_unit_test(test_overhead),      cmocka_unit_test(test_both),
		cmocka_unit_test(test_default_burst), cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_extremes),      cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_older_clock),   cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
