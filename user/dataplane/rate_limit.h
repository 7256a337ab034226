/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit of an output: bits and packets per second, and the burst of each.
 *
 * Two token buckets, each stored as one number: the time at which its debt is paid (the
 * "theoretical arrival time" of the generic cell rate algorithm, ITU-T I.371, which is equivalent
 * to a token bucket). A datagram passes if that time is at most the burst ahead of now, and
 * advances it by the time that the datagram takes at the rate. So a full bucket passes what the
 * rate allows in the time of the burst, and one datagram more; however short the burst, one
 * datagram always passes in the end.
 *
 * A limit applies to the output as a whole: the egress threads of all RX queues take from the same
 * buckets, which are atomics. No locks, no system calls.
 *
 * Bits are those of IP packets: payload, UDP header and IP header, without the link's own headers.
 */
#ifndef XMCAST_DATAPLANE_RATE_LIMIT_H
#define XMCAST_DATAPLANE_RATE_LIMIT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "rules/rule.h"

/* Ticks of 1/64 ns, so that rounding the time of a packet costs less than 1 % at 400 Gbit/s. They
 * wrap after nine years; only differences are used. */
#define RATE_TICK_BITS 6

struct rate_bucket {
	_Atomic uint64_t paid_at; /* ticks; in the past: no debt */
};

struct rate_limit {
	alignas(CACHE_LINE) struct rate_bucket bits;
	struct rate_bucket packets;

	/* Constant. */
	alignas(CACHE_LINE) uint64_t burst; /* ticks */
	uint64_t byte_cost;   /* ticks per byte, 16 bits are the fraction; 0: no limit of bits */
	uint64_t packet_cost; /* ticks; 0: no limit of packets */
	uint32_t overhead;    /* bytes of headers per datagram */
};

/* Both buckets full. The output must have a limit (output_is_limited()). */
void rate_limit_init(struct rate_limit *limit, const struct rule_output *output, uint64_t now_ns);

/* May a datagram with `length` bytes of payload leave? If so, it is charged. `now_ns` is from
 * clock_ns() and may be a little old. Any thread. */
bool rate_limit_allows(struct rate_limit *limit, uint32_t length, uint64_t now_ns);

#endif
