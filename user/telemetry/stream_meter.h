/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether the stream of a rule with `watch` is broken, and where: events when that begins and when
 * it has ended.
 *
 *     on arrival   something was missing when the stream reached this host
 *     here         this host lost packets: at the reception by the rule's interface, or on the way
 *                  to an output
 *
 * What the interface lost in the same seconds is missing as well, so it is here that the stream was
 * broken if the interface lost as many packets as are missing.
 *
 * Part of the sampler (sampler.h). Main thread.
 */
#ifndef XMCAST_TELEMETRY_STREAM_METER_H
#define XMCAST_TELEMETRY_STREAM_METER_H

#include "relay/books.h"
#include "telemetry/event_quota.h"

enum stream_where { STREAM_ON_ARRIVAL, STREAM_HERE, STREAM_WHERES };

/* Their names in events: a contract. */
#define STREAM_WHERE_NAMES                                                                         \
	{                                                                                          \
		"arrival", "here"                                                                  \
	}

/* Sweeps without anything new after which the stream is whole again. */
#define STREAM_QUIET 10

/* Sweeps for which what the interface has lost explains what is missing: it is counted as missing
 * only some packets later. */
#define STREAM_RECENT 3

struct stream_meter;

/* NULL: no memory. What another process has counted is no news. */
struct stream_meter *stream_meter_new(const struct rule_counts *counts);

/* Compare with the last sample. `lost`: datagrams that the rule's outputs have lost since then. */
void stream_meter_sample(struct stream_meter *meter, const struct books *books,
			 const struct rule_counts *counts, uint64_t lost,
			 struct event_quota *quota);

/* The rule is gone: what was broken has ended. Accepts NULL. */
void stream_meter_end(struct stream_meter *meter, struct event_quota *quota);

void stream_meter_free(struct stream_meter *meter); /* accepts NULL */

/* What is known about a place. */
struct stream_state {
	bool broken;	 /* now */
	uint64_t breaks; /* how often that has begun */
};

/* Accepts NULL. */
struct stream_state stream_meter_state(const struct stream_meter *meter, enum stream_where where);

#endif
