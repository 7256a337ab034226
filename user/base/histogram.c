/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/histogram.h"

#define STEPS (1U << HISTOGRAM_STEP_BITS)

/* The lower bound of a bucket. */
static uint64_t lower(unsigned int bucket)
{
	unsigned int octave;

	if (!bucket)
		return 0;
	octave = HISTOGRAM_FIRST_OCTAVE + (bucket - 1) / STEPS;
	return (uint64_t)(STEPS + (bucket - 1) % STEPS) << (octave - HISTOGRAM_STEP_BITS);
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
