/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latency samples: which packets are timed, and the time of their reception in 32 bits, so that it
 * fits an entry of the frame queue. Packets that are not timed cost one comparison.
 */
#ifndef XMCAST_DATAPLANE_STAMP_H
#define XMCAST_DATAPLANE_STAMP_H

#include "base/clock.h"

/* One of STAMP_EVERY packets of a stream's shard is timed, starting with the first. Reading the
 * clock takes 26 ns (TSC), once for the stamp and once for each output: with 64 that is less than 1
 * ns per packet and output, of some 600 that relaying takes. */
#define STAMP_EVERY 64

/* A stamp counts ticks of 64 ns. It wraps after 275 s, longer than any packet waits. */
#define STAMP_TICK_BITS 6

/* Now; never 0, which means "not timed". */
static inline uint32_t stamp_now(void)
{
	uint32_t stamp = (uint32_t)(clock_ns() >> STAMP_TICK_BITS);

	return stamp ? stamp : 1;
}

/* Nanoseconds since a stamp was made. */
static inline uint64_t stamp_age_ns(uint32_t stamp)
{
	uint32_t ticks = (uint32_t)(clock_ns() >> STAMP_TICK_BITS) - stamp;

	/* stamp_now() returned 1 for 0, within this very tick. */
	return ticks == UINT32_MAX ? 0 : (uint64_t)ticks << STAMP_TICK_BITS;
}

#endif
