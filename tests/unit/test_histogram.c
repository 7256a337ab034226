// SPDX-License-Identifier: BSD-2-Clause
/* Histograms: every value has its one bucket, sums add up, quantiles are as near as buckets allow.
 */
#include "watchdog.h"

#include <pthread.h>

#include "base/histogram.h"
#include "dataplane/stamp.h"

static struct histogram *new_histogram(void)
{
	struct histogram *histogram = calloc(1, sizeof(*histogram));

	assert_non_null(histogram);
	return histogram;
}

/* What it holds; and it is gone. */
static struct histogram_counts counts_of(struct histogram *histogram)
{
	struct histogram_counts counts = {0};

	histogram_sum(histogram, &counts);
	free(histogram);
	return counts;
}

static void expect_bucket(uint64_t ns)
{
	unsigned int bucket = histogram_bucket(ns);

	assert_true(bucket < HISTOGRAM_BUCKETS);
	assert_true(ns < histogram_upper(bucket) || bucket == HISTOGRAM_BUCKETS - 1);
	if (bucket)
		assert_true(ns >= histogram_upper(bucket - 1));
}

static void test_buckets(void **state)
{
	uint32_t random = 7;

	for (unsigned int shift = 0; shift < 64; shift++) {
		expect_bucket(1ULL << shift);
		expect_bucket((1ULL << shift) - 1);
		expect_bucket((1ULL << shift) + 1);
		expect_bucket(UINT64_MAX >> shift);
	}
	for (unsigned int i = 0; i < 100000; i++)
		expect_bucket(((uint64_t)next_random(&random) << 32 | next_random(&random)) >>
			      next_random(&random) % 64);
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(999), 0);
	assert_int_equal(histogram_bucket(1000), 1);
	assert_int_equal(histogram_bucket(1023), 1);
	assert_int_equal(histogram_bucket(1024), 2);
	assert_int_equal(histogram_bucket(1279), 2);
	assert_int_equal(histogram_bucket(1280), 3);
	assert_int_equal(histogram_bucket((1ULL << 30) - 1), HISTOGRAM_BUCKETS - 2);
	assert_int_equal(histogram_bucket(1ULL << 30), HISTOGRAM_BUCKETS - 1);
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

/* Four of equal width an octave, and the round times, without a gap. */
static void test_bounds(void **state)
{
	static const unsigned int first[] = {1000, 1024, 1280, 1536, 1792, 2000,
					     2048, 2560, 3072, 3584, 4096, 5000};

	for (unsigned int i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		assert_int_equal(histogram_upper(i), first[i]);
	for (unsigned int i = 0; i < HISTOGRAM_ROUND; i++) {
		uint64_t ns = histogram_round[i];

		assert_int_equal(histogram_bucket(ns), histogram_bucket(ns - 1) + 1);
		assert_true(histogram_upper(histogram_bucket(ns) - 1) == ns);
	}
	assert_true(histogram_round[HISTOGRAM_ROUND - 1] == NS_PER_SECOND);
	for (unsigned int i = 1; i < HISTOGRAM_BUCKETS; i++)
		assert_true(histogram_upper(i) > histogram_upper(i - 1));
	assert_int_equal(histogram_upper(HISTOGRAM_BUCKETS - 2), 1 << 30);
	assert_true(histogram_upper(HISTOGRAM_BUCKETS - 1) == 1ULL << 38);
}

static void test_nothing(void **state)
{
	struct histogram_counts counts = counts_of(new_histogram());

	assert_int_equal(counts.samples, 0);
	assert_int_equal(counts.max_ns, 0);
	assert_int_equal(histogram_quantile(&counts, 500), 0);
	assert_int_equal(histogram_quantile(&counts, 1000), 0);
}

static void test_one(void **state)
{
	struct histogram *histogram = new_histogram();
	struct histogram_counts counts;

	histogram_add(histogram, 5000);
	counts = counts_of(histogram);
	assert_int_equal(counts.samples, 1);
	assert_int_equal(counts.max_ns, 5000);
	assert_int_equal(counts.sum_ns, 5000);
	assert_in_range(histogram_quantile(&counts, 500), 4096, 5000);
	assert_in_range(histogram_quantile(&counts, 990), 4096, 5000);
	assert_int_equal(histogram_quantile(&counts, 1000), 5000);
}

/* Values spread evenly over 1 to 1,000 us: each quantile is known, to a fifth at least. */
static void test_quantiles(void **state)
{
	struct histogram *histogram = new_histogram();
	struct histogram_counts counts;

	for (unsigned int i = 1; i <= 100000; i++)
		histogram_add(histogram, 10ULL * i);
	counts = counts_of(histogram);
	assert_int_equal(counts.samples, 100000);
	assert_int_equal(counts.max_ns, 1000000);
	assert_true(counts.sum_ns == 10ULL * 100000 * 100001 / 2);
	for (unsigned int per_mille = 10; per_mille <= 1000; per_mille += 10) {
		uint64_t exact = 1000ULL * per_mille;

		assert_in_range(histogram_quantile(&counts, per_mille), exact - exact / 5,
				exact + exact / 5);
	}
	assert_int_equal(histogram_quantile(&counts, 1000), 1000000);
}

/* Very short and very long ones count, and a quantile never exceeds what was seen. */
static void test_ends(void **state)
{
	struct histogram *histogram = new_histogram();
	struct histogram_counts counts;

	histogram_add(histogram, 0);
	histogram_add(histogram, 90 * NS_PER_SECOND);
	counts = counts_of(histogram);
	assert_int_equal(counts.buckets[0], 1);
	assert_int_equal(counts.buckets[HISTOGRAM_BUCKETS - 1], 1);
	assert_true(histogram_quantile(&counts, 500) <= 1000);
	assert_true(histogram_quantile(&counts, 990) > 1 << 30);
	assert_true(histogram_quantile(&counts, 1000) == 90 * NS_PER_SECOND);
}

static void test_sum_of_two(void **state)
{
	struct histogram *one = new_histogram();
	struct histogram *other = new_histogram();
	struct histogram_counts counts = {0};

	for (unsigned int i = 0; i < 10; i++)
		histogram_add(one, 2000);
	histogram_add(other, 2000);
	histogram_add(other, 9000);
	histogram_sum(one, &counts);
	histogram_sum(other, &counts);
	assert_int_equal(counts.samples, 12);
	assert_int_equal(counts.buckets[histogram_bucket(2000)], 11);
	assert_int_equal(counts.max_ns, 9000);
	assert_int_equal(counts.sum_ns, 11 * 2000 + 9000);
	free(one);
	free(other);
}

/* ---- one thread adds, another reads ---- */

#define ADDED 2000000

static void *add_many(void *context)
{
	uint32_t random = 99;

	for (unsigned int i = 0; i < ADDED; i++)
		histogram_add(context, next_random(&random) % 1000000);
	return NULL;
}

/* A reader sees counters that only grow, and quantiles in their order. */
static void test_reader(void **state)
{
	struct histogram *histogram = new_histogram();
	struct histogram_counts before = {0};
	pthread_t thread;

	watchdog_start("test_reader");
	assert_int_equal(pthread_create(&thread, NULL, add_many, histogram), 0);
	while (before.samples < ADDED) {
		struct histogram_counts counts = {0};

		histogram_sum(histogram, &counts);
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
			assert_true(counts.buckets[i] >= before.buckets[i]);
		assert_true(counts.max_ns >= before.max_ns && counts.sum_ns >= before.sum_ns);
		assert_true(histogram_quantile(&counts, 500) <= histogram_quantile(&counts, 990));
		assert_true(histogram_quantile(&counts, 1000) <= counts.max_ns);
		before = counts;
	}
	pthread_join(thread, NULL);
	assert_int_equal(before.samples, ADDED);
	free(histogram);
	watchdog_stop();
}

/* ---- stamps ---- */

static void test_stamps(void **state)
{
	uint64_t start = clock_ns();
	uint32_t stamp = stamp_now();
	uint64_t age;

	assert_true(stamp != 0);
	for (unsigned int i = 0; i < 100000; i++) {
		age = stamp_age_ns(stamp); /* before the clock is read again */
		assert_true(age <= clock_ns() - start + (1 << STAMP_TICK_BITS));
	}
	/* A stamp from before the 32 bits wrapped around. */
	start = clock_ns();
	age = stamp_age_ns((uint32_t)(start >> STAMP_TICK_BITS) - 1000);
	assert_in_range(age, 1000 << STAMP_TICK_BITS,
			(1001 << STAMP_TICK_BITS) + clock_ns() - start);
	/* Made as 1 because 0 has a meaning: the age is not 275 s. */
	start = clock_ns();
	age = stamp_age_ns((uint32_t)(start >> STAMP_TICK_BITS) + 1);
	assert_in_range(age, 0, (1 << STAMP_TICK_BITS) + clock_ns() - start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),	   cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_nothing),	   cmocka_unit_test(test_one),
		cmocka_unit_test(test_quantiles),  cmocka_unit_test(test_ends),
		cmocka_unit_test(test_sum_of_two), cmocka_unit_test(test_reader),
		cmocka_unit_test(test_stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
