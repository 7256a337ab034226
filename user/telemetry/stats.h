/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot of all counters (relay/books.h) with the rates that the sampler derived from earlier
 * ones, and its forms: the JSON of the contract and the log line. Main thread.
 */
#ifndef XMCAST_TELEMETRY_STATS_H
#define XMCAST_TELEMETRY_STATS_H

#include <jansson.h>
#include <stdint.h>

#include "relay/books.h"
#include "telemetry/rates.h"

/* No packet has come, ever. */
#define STATS_NEVER UINT64_MAX

/* What samples say of a counter: see rates.h. Bits are of UDP payload. */
struct stats_rates {
	enum flow flow;
	struct rate second; /* over the last second */
	struct rate window; /* over the last ten */
	struct rate peak;
	uint64_t last_packet_seconds; /* since the last packet, or STATS_NEVER */
};

struct stats {
	struct books *books; /* owned */
	/* Of books->rules, what they received; of books->outputs, what they sent. */
	struct stats_rates *rules;
	struct stats_rates *outputs;
};

/* Room for the rates of this snapshot, all zero. The snapshot becomes part of it, or is freed.
 * NULL: no memory, or `books` is NULL. */
struct stats *stats_new(struct books *books);
void stats_free(struct stats *stats); /* takes NULL */

/* The object of `xmcastctl -j stats show`, with `limit` of the rules from the `offset`th on, or
 * NULL without memory. The caller's reference. */
json_t *stats_json(const struct stats *stats, size_t offset, size_t limit);

/* One rule, interface, worker of it (by its index, or of the snapshot). As above. */
json_t *stats_rule_json(const struct stats *stats, unsigned int rule);
json_t *stats_interface_json(const struct books *books, const struct interface_counts *iface);
json_t *stats_worker_json(const struct worker_counts *worker);

/* One line: totals. */
void stats_log(const struct books *books, const char *event);

#endif
