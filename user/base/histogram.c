/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/histogram.h"

#define STEPS (1U << HISTOGRAM_STEP_BITS)

#define US(n) ((n)*1000ULL)
#define MS(n) ((n)*1000000ULL)

const uint64_t histogram_round[HISTOGRAM_ROUND] = {
	US(1), US(2), US(5),  US(10), US(20), US(50),  US(100), US(200), US(500),  MS(1),
	MS(2), MS(5), MS(10), MS(20), MS(50), MS(100), MS(200), MS(500), MS(1000),
};

static uint64_t cell_lower(unsigned int cell)
{
	unsigned int octave;

	if (!cell)
		return 0;
	octave = HISTOGRAM_FIRST_OCTAVE + (cell - 1) / STEPS;
	return (uint64_t)(STEPS + (cell - 1) % STEPS) << (octave - HISTOGRAM_STEP_BITS);
}

/* The lower bound of a bucket: a round time, or that of the cell which is behind as many of them.
 */
static uint64_t lower(unsigned int bucket)
{
	unsigned int round = 0;

	while (round < HISTOGRAM_ROUND && histogram_bucket(histogram_round[round]) < bucket)
		round++;
	if (round < HISTOGRAM_ROUND && histogram_bucket(histogram_round[round]) == bucket)
		return histogram_round[round];
	return cell_lower(bucket > round ? bucket - round : 0);
}

uint64_t histogram_upper(unsigned int bucket)
{
	return bucket < HISTOGRAM_BUCKETS - 1 ? lower(bucket + 1) : 1ULL << HISTOGRAM_END_OCTAVE;
}

void histogram_sum(const struct histogram *histogram, struct histogram_counts *counts)
{
	uint64_t max = counter_read(&histogram->max_ns);

	if (max > counts->max_ns)
		counts->max_ns = max;
	counts->sum_ns += counter_read(&histogram->sum_ns);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = counter_read(&histogram->buckets[i]);

		counts->buckets[i] += count;
		counts->samples += count;
	}
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	uint64_t max = counter_read(&from->max_ns);

	if (max > counter_read(&into->max_ns))
		atomic_store_explicit(&into->max_ns, max, memory_order_relaxed);
	counter_add(&into->sum_ns, counter_read(&from->sum_ns));
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		counter_add(&into->buckets[i], counter_read(&from->buckets[i]));
}

uint64_t histogram_quantile(const struct histogram_counts *counts, unsigned int per_mille)
{
	double rank = (double)counts->samples * per_mille / 1000;
	uint64_t below = 0;
	unsigned int i = 0;
	uint64_t upper;
	double part;

	if (!counts->samples)
		return 0;
	while (i < HISTOGRAM_BUCKETS - 1 &&
	       (!counts->buckets[i] || (double)(below + counts->buckets[i]) < rank))
		below += counts->buckets[i++];
	/* No value is above the maximum, which a reader may see before the count of its bucket. */
	upper = histogram_upper(i) < counts->max_ns ? histogram_upper(i) : counts->max_ns;
	if (upper < lower(i) || !counts->buckets[i])
		return upper;
	part = (rank - (double)below) / (double)counts->buckets[i];
	return lower(i) + (uint64_t)(part * (double)(upper - lower(i)));
}
