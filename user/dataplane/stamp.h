/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which packets' way through the relay is timed, and the moment of their reception in 32 bits, so
 * that it fits the frame queue's entries and costs the others nothing but a comparison.
 */
#ifndef XMCAST_DATAPLANE_STAMP_H
#define XMCAST_DATAPLANE_STAMP_H

#include "base/clock.h"

/* One packet of so many of a stream's queue is timed, the first included. A stamp takes 26 ns (a
 * TSC as the clock), its sample at the other end as long for each output: with 64 less than 1 ns a
 * packet and output, of some 600 that relaying one takes. */
#define STAMP_EVERY 64

/* A stamp counts ticks of 64 ns: it comes round after 275 s, longer than any packet waits. */
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

	/* Made as 1 instead of 0 within this very tick. */
	return ticks == UINT32_MAX ? 0 : (uint64_t)ticks << STAMP_TICK_BITS;
}

#endif
