/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log-linear histogram of times: from 1 us to 1 s, each octave has four cells of equal width, so
 * that a value is known to a fifth or better. Shorter and longer times have one cell each. A cell
 * with one of the round times 1, 2, 5, 10... us to 1 s in it is split there into two buckets, so
 * that the numbers of shorter and longer ones are exact. Fixed size, constant time, no
 * configuration.
 *
 * One thread adds, any thread reads (counter.h). The counters have 64 bits, because 32 would wrap
 * within hours when many outputs add to one bucket: 824 bytes, of which an add touches three cache
 * lines.
 */
#ifndef XMCAST_BASE_HISTOGRAM_H
#define XMCAST_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"

#define HISTOGRAM_FIRST_OCTAVE 10 /* the first cell ends at 2^10 ns, 1.02 us */
#define HISTOGRAM_LAST_OCTAVE  30 /* the last one begins at 2^30 ns, 1.07 s */
#define HISTOGRAM_END_OCTAVE   38 /* and ends at 2^38 ns, 275 s */
#define HISTOGRAM_STEP_BITS    2  /* 2^2 cells an octave */

#define HISTOGRAM_CELLS                                                                            \
	(2 + ((HISTOGRAM_LAST_OCTAVE - HISTOGRAM_FIRST_OCTAVE) << HISTOGRAM_STEP_BITS))

/* The round times, in ns. None of them is a bound of a cell, and no cell has two. */
#define HISTOGRAM_ROUND 19
extern const uint64_t histogram_round[HISTOGRAM_ROUND];

#define HISTOGRAM_BUCKETS (HISTOGRAM_CELLS + HISTOGRAM_ROUND)

struct histogram {
	counter_t max_ns; /* largest value so far */
	counter_t sum_ns; /* of all values */
	counter_t buckets[HISTOGRAM_BUCKETS];
};

/* The contents of one histogram, or the sum of several. */
struct histogram_counts {
	uint64_t samples;
	uint64_t max_ns;
	uint64_t sum_ns;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The cell of a value. */
static inline unsigned int histogram_cell(uint64_t ns)
{
	unsigned int octave;
	unsigned int step;

	if (ns < 1ULL << HISTOGRAM_FIRST_OCTAVE)
		return 0;
	octave = 63 - (unsigned int)__builtin_clzll(ns);
	if (octave >= HISTOGRAM_LAST_OCTAVE)
		return HISTOGRAM_CELLS - 1;
	/* The two bits after the leading one. */
	step = (unsigned int)(ns >> (octave - HISTOGRAM_STEP_BITS)) &
	       ((1U << HISTOGRAM_STEP_BITS) - 1);
	return 1 + ((octave - HISTOGRAM_FIRST_OCTAVE) << HISTOGRAM_STEP_BITS) + step;
}

/* The bucket of a value: one further for each bound of a cell and for each round time that is not
 * above it. */
static inline unsigned int histogram_bucket(uint64_t ns)
{
	unsigned int round = 0;

	while (round < HISTOGRAM_ROUND && ns >= histogram_round[round])
		round++;
	return histogram_cell(ns) + round;
}

/* The owning thread only. */
static inline void histogram_add(struct histogram *histogram, uint64_t ns)
{
	counter_add(&histogram->buckets[histogram_bucket(ns)], 1);
	counter_add(&histogram->sum_ns, ns);
	if (ns > counter_read(&histogram->max_ns))
		atomic_store_explicit(&histogram->max_ns, ns, memory_order_relaxed);
}

/* The upper bound of a bucket in ns, exclusive. The last bucket has all longer times; its bound is
 * larger than any latency of the relay can be (stamp.h). */
uint64_t histogram_upper(unsigned int bucket);

/* Add a histogram to *counts, which starts all zero. Any thread. */
void histogram_sum(const struct histogram *histogram, struct histogram_counts *counts);

/* Add all values of another one. The owning thread only. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The quantile in ns: `per_mille` of the samples are not above it. Interpolated within its bucket,
 * and at most the maximum. 0 if there is no sample. */
uint64_t histogram_quantile(const struct histogram_counts *counts, unsigned int per_mille);

#endif
