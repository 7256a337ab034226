/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters (relay/books.h) with the rates that the sampler has derived from earlier ones, as JSON
 * and as a log record. Main thread.
 */
#ifndef XMCAST_TELEMETRY_STATS_H
#define XMCAST_TELEMETRY_STATS_H

#include <jansson.h>
#include <stdint.h>

#include "relay/books.h"
#include "telemetry/rates.h"
#include "telemetry/stream_meter.h"

/* There was no packet yet. */
#define STATS_NEVER UINT64_MAX

/* The rates of a counter (rates.h). Bits are of UDP payload. */
struct stats_rates {
	enum flow flow;
	struct rate second; /* over the last second */
	struct rate window; /* over the last ten */
	struct rate peak;
	uint64_t last_packet_seconds;		   /* since the last packet, or STATS_NEVER */
	uint64_t last_packet_time;		   /* its time, Unix seconds */
	struct stream_state stream[STREAM_WHERES]; /* of a rule with `watch` */
};

struct stats {
	struct books *books; /* owned */
	/* Of books->rules, what they received; of books->outputs, what they sent. */
	struct stats_rates *rules;
	struct stats_rates *outputs;
};

/* Add room for rates, all zero, to these books, which become part of it or are freed. NULL: no
 * memory, or `books` is NULL. */
struct stats *stats_new(struct books *books);
void stats_free(struct stats *stats); /* accepts NULL */

/* The object of `xmcastctl -j stats show`, with the rules of these books. The caller's reference;
 * NULL: no memory. */
json_t *stats_json(const struct stats *stats);

/* One rule (by its index in the books), interface or worker of it. As above. */
json_t *stats_rule_json(const struct stats *stats, unsigned int index);
json_t *stats_interface_json(const struct books *books, const struct interface_counts *iface);
json_t *stats_worker_json(const struct worker_counts *worker);

/* VLAN tags as text, "802.1ad 200, 802.1Q 100": the outer one first. As above. */
json_t *stats_tags_json(uint32_t tags);

/* Log the totals as this event. */
void stats_log(const struct books *books, const char *event);

#endif
