/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datagram that is merged, and what is counted of the sides: see merge.h.
 */
#ifndef XMCAST_DATAPLANE_MERGE_ITEM_H
#define XMCAST_DATAPLANE_MERGE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"

#define MERGE_MOST_SIDES 8

/* Most numbers that are remembered, and how far ahead of the last one a number may be. With 16 bits
 * a number is ahead in a quarter of the cases and behind in the others. */
#define MERGE_MOST_NUMBERS (1U << 18)
#define MERGE_AHEAD	   (1U << 15)
#define MERGE_AHEAD_16	   (1U << 14)

/* From how far ahead on a number has to be confirmed, so that a damaged or forged one does not make
 * the real ones late. */
#define MERGE_JUMP 1024

/* Candidates that confirm a restart. */
#define MERGE_CONFIRMED 3

/* For how many times `skew` a number that is behind belongs to a side that lags. */
#define MERGE_STALE 10

struct merge_options {
	unsigned int nr_sides;
	unsigned int bits; /* of a number on the wire: 16, 32 or 64 */
	bool ordered;
	uint64_t skew_ns;
	unsigned int most_held; /* datagrams, and as many candidates; at least MERGE_CONFIRMED */
};

/* Who sends a datagram, and its numbers. */
struct merge_datagram {
	uint64_t sender[2]; /* SSRC or session; all zero if the datagrams do not say it */
	uint64_t first;
	uint32_t count;
};

/* Senders are of this many kinds, so that what is dropped of one is seldom taken for another's. */
#define MERGE_KINDS 8

static inline unsigned int merge_kind(const uint64_t sender[2])
{
	return (unsigned int)(((sender[0] ^ sender[1]) * 0x9e3779b97f4a7c15ULL) >> 32) %
	       MERGE_KINDS;
}

/* Datagrams of a side that were dropped: of the senders of one kind. */
struct merge_skipped {
	uint32_t count;
	uint32_t kind;
};

enum merge_verdict {
	MERGE_SEND,
	MERGE_DUPLICATE, /* its numbers have left, or leave with others */
	MERGE_LATE,	 /* given up, or too old to know */
	MERGE_FOREIGN,	 /* of another sender, which did not take over */
};

/* A datagram, as part of the caller's record of it, from merge_offer() until merge_take(). */
struct merge_item {
	enum merge_verdict verdict;
	unsigned int side;
	uint32_t cut;  /* numbers at its beginning that do not leave with it */
	uint32_t kept; /* numbers behind those that do; 0 only of a heartbeat */

	/* The merge's. */
	struct merge_item *following; /* decided, or a candidate */
	struct merge_item *older;     /* held, by arrival */
	struct merge_item *newer;
	uint64_t arrived_ns;
	uint64_t position; /* of the first number */
	uint32_t holds;	   /* numbers of which it is the holder */
	bool held;
	struct merge_datagram datagram;
};

struct merge_side {
	counter_t received;
	counter_t used; /* left, from this side */
	counter_t duplicate;
	counter_t late;
	counter_t foreign;
	counter_t missing;     /* numbers that left without having arrived by this side */
	counter_t lag_ns;      /* behind the first copy: of late, smoothed */
	counter_t most_lag_ns; /* the largest */
};

struct merge_counters {
	struct merge_side sides[MERGE_MOST_SIDES];
	counter_t missing;  /* numbers given up */
	counter_t restarts; /* the stream continued with another sender or number */
	counter_t forced;   /* gaps given up before `skew`, because too much was held */
	counter_t held;	    /* datagrams now */
	counter_t memory;   /* bytes now, without the held datagrams */
};

#endif
