/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/rate_limit.h"

#include <string.h>

#include "base/clock.h"

#define FRACTION_BITS 16
#define ROUND	      (1ULL << (FRACTION_BITS - 1))

#define UDP_HEADER    8
#define IPV4_HEADER   20
#define IPV6_HEADER   40

/*
 * A debt is smaller than these 18 minutes: the longest burst, the longest datagram (64 KiB at
 * 1 kbit/s: 525 s) and the age of a thread's `now` add up to far less. A time that seems further
 * ahead is in the past, seen after the ticks have wrapped.
 */
#define DEBT_MAX (1ULL << (40 + RATE_TICK_BITS))

static uint64_t ticks(uint64_t ns)
{
	return ns << RATE_TICK_BITS;
}

/* Ticks that each of `per_second` takes, as a fixed-point number, rounded. */
static uint64_t cost_of(uint64_t per_second, unsigned int fraction_bits)
{
	return ((ticks(NS_PER_SECOND) << fraction_bits) + per_second / 2) / per_second;
}

void rate_limit_init(struct rate_limit *limit, const struct rule_output *output, uint64_t now_ns)
{
	uint32_t burst_ms = output->burst_ms ? output->burst_ms : BURST_MS_DEFAULT;

	memset(limit, 0, sizeof(*limit));
	atomic_init(&limit->bits.paid_at, ticks(now_ns));
	atomic_init(&limit->packets.paid_at, ticks(now_ns));
	limit->burst = ticks(burst_ms * (NS_PER_SECOND / 1000));
	limit->overhead = UDP_HEADER + (addr_is_ipv4(&output->to) ? IPV4_HEADER : IPV6_HEADER);
	/* A byte takes as long as eight bits, hence three bits more. At most 2^55. */
	if (output->rate_bps)
		limit->byte_cost = cost_of(output->rate_bps, FRACTION_BITS + 3);
	if (output->rate_pps)
		limit->packet_cost = cost_of(output->rate_pps, 0);
}

static bool take(struct rate_bucket *bucket, uint64_t burst, uint64_t cost, uint64_t now)
{
	uint64_t paid_at = atomic_load_explicit(&bucket->paid_at, memory_order_relaxed);
	uint64_t base;

	do {
		/* In unsigned arithmetic a time in the past is far ahead of now. */
		base = paid_at - now < DEBT_MAX ? paid_at : now;
		if (base - now > burst)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->paid_at, &paid_at, base + cost,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static void refund(struct rate_bucket *bucket, uint64_t cost)
{
	atomic_fetch_sub_explicit(&bucket->paid_at, cost, memory_order_relaxed);
}

bool rate_limit_allows(struct rate_limit *limit, uint32_t length, uint64_t now_ns)
{
	uint64_t now = ticks(now_ns);
	uint64_t cost = ((length + limit->overhead) * limit->byte_cost + ROUND) >> FRACTION_BITS;

	if (limit->packet_cost && !take(&limit->packets, limit->burst, limit->packet_cost, now))
		return false;
	if (!limit->byte_cost || take(&limit->bits, limit->burst, cost, now))
		return true;
	if (limit->packet_cost)
		refund(&limit->packets, limit->packet_cost);
	return false;
}
