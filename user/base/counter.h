/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters with one writer and any number of readers: loads and stores that cannot tear, no locked
 * instruction on the data path. Each is monotonic and 64 bit.
 *
 * Stores release and loads acquire (on x86 both are plain moves). So a reader that reads the
 * counter of a later stage first, and that of an earlier stage afterwards, finds in the second at
 * least what led to the value of the first: see the snapshot in relay/books.h.
 */
#ifndef XMCAST_BASE_COUNTER_H
#define XMCAST_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* Two cache lines, because the adjacent-line prefetcher of x86 fetches them in pairs. */
#define CACHE_LINE 128

typedef _Atomic uint64_t counter_t;

/* The owning thread only. */
static inline void counter_add(counter_t *counter, uint64_t n)
{
	uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, value + n, memory_order_release);
}

/* Any thread. */
static inline uint64_t counter_read(const counter_t *counter)
{
	return atomic_load_explicit(counter, memory_order_acquire);
}

#endif
