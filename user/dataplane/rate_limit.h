/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit of an output: bits and packets a second, and how much of either may leave at once.
 *
 * Two token buckets, each kept as one number: the moment at which its debt is paid (the
 * "theoretical arrival time" of ITU-T I.371's generic cell rate algorithm, which is the same as a
 * token bucket). A datagram passes while that moment is no more than the burst ahead of now, and
 * moves it by the time that it takes at the rate. So a bucket that is full lets pass what the rate
 * gives in the burst's time, and one datagram more; one datagram always passes in the end, however
 * short the burst.
 *
 * A limit is of the output as a whole: the egress threads of all queues take from the same buckets,
 * which are atomics. No lock, no system call.
 *
 * Bits are those of IP packets: payload, UDP header and IP header, without what a link adds.
 */
#ifndef XMCAST_DATAPLANE_RATE_LIMIT_H
#define XMCAST_DATAPLANE_RATE_LIMIT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "rules/rule.h"

/* Ticks of 1/64 ns, so that rounding a packet's time costs less than 1 % at 400 Gbit/s. They wrap
 * after nine years; only differences are looked at. */
#define RATE_TICK_BITS 6

struct rate_bucket {
	_Atomic uint64_t paid_at; /* ticks: its debt is paid then; anything in the past: none */
};

struct rate_limit {
	alignas(CACHE_LINE) struct rate_bucket bits;
	struct rate_bucket packets;

	/* Constant. */
	alignas(CACHE_LINE) uint64_t burst; /* ticks */
	uint64_t byte_cost;   /* ticks a byte, 16 bits of them fraction; 0: bits have no limit */
	uint64_t packet_cost; /* ticks; 0: packets have no limit */
	uint32_t overhead;    /* bytes of headers a datagram */
};

/* Both buckets full. The output must have a limit (output_is_limited()). */
void rate_limit_init(struct rate_limit *limit, const struct rule_output *output, uint64_t now_ns);

/* May a datagram of `length` bytes payload leave? If so, it is accounted for. `now_ns` is of
 * clock_ns(), and may be a little old. Any thread. */
bool rate_limit_allows(struct rate_limit *limit, uint32_t length, uint64_t now_ns);

#endif
