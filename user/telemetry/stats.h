/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot of all counters as plain data, and its forms: the JSON of the contract and the log
 * line. Who fills it (the daemon) knows where the counters live; this module does not. Main thread.
 *
 * Packets flow while the counters are read. Therefore the last stage of a packet is read first and
 * the first stage last: a snapshot may show a packet as still being on its way although it has left
 * meanwhile, but never as having left without having arrived. At any moment
 *
 *     each output       sent + all errors <= submitted
 *                       submitted + rate_limited <= received by its rule
 *     each interface    received by its rules + drops of its workers <= received by its workers (1)
 *                       received by its workers + drops of the kernel <= steered
 *
 * and all of these are equalities if no packet is on its way: wait for that to compare for
 * equality. (1) Until the interface is opened again, which resets its counters and not those of
 * rules, or one of its rules is removed; for the totals it holds always.
 */
#ifndef XMCAST_TELEMETRY_STATS_H
#define XMCAST_TELEMETRY_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/worker.h"
#include "rules/rule.h"
#include "telemetry/rates.h"

/* No packet has come, ever. */
#define STATS_NEVER UINT64_MAX

/* What samples say of a counter: see rates.h. Bits are of UDP payload. */
struct stats_rates {
	struct rate second; /* over the last second */
	struct rate window; /* over the last ten */
	struct rate peak;
	uint64_t last_packet_seconds; /* since the last packet, or STATS_NEVER */
};

struct stats_output {
	const struct rule_output *rule;
	const char *reason; /* why nothing can leave by it now, or NULL */
	uint64_t submitted; /* datagrams handed to the kernel; = sent + all errors once at rest */
	uint64_t sent;
	uint64_t sent_bytes; /* UDP payload */
	uint64_t errors[SEND_ERRORS];
	uint64_t rate_limited;	   /* datagrams not handed over: above the output's limit */
	unsigned int gso_segments; /* most datagrams in one send now: 1 after a refusal for good */
	unsigned int gso_max_size; /* largest datagrams that are still gathered */
	uint64_t gso_refused;	   /* batches that the kernel refused; they were sent singly */
	struct stats_rates rates;  /* of what was sent */
};

struct stats_rule {
	const struct rule *rule;
	const char *state;
	const char *reason; /* why it is not active, or NULL */
	uint64_t received;
	uint64_t received_bytes; /* UDP payload */
	enum flow flow;
	struct stats_rates rates;
	/* Live counters, one histogram a queue: summed up by who needs them, since few do. */
	const struct histogram *latency;
	unsigned int nr_latency;
	struct stats_output *outputs;
};

struct stats_interface {
	const char *name;
	const char *state;
	const char *reason;
	const char *mode; /* "native", "skb", or NULL: not attached */
	bool zero_copy;
	uint64_t verdicts[XMC_REASONS];
	unsigned int first_worker; /* its workers, one per queue, in stats.workers */
	unsigned int nr_workers;
};

struct stats_worker {
	const char *iface;
	unsigned int queue;
	struct worker_state state;
	const struct worker *worker; /* whose they are: for what does not count */
};

struct stats_totals {
	uint64_t steered;
	uint64_t received;  /* taken out of RX rings */
	uint64_t submitted; /* datagrams handed to the kernel, over all outputs */
	uint64_t sent;
	uint64_t sent_bytes;
	uint64_t send_errors;
	uint64_t
		rate_limited; /* datagrams above the limit of an output, not handed to the kernel */
	uint64_t dropped; /* steered, and not handed to an output: by the kernel or by ingress */
	uint64_t buffer_exhausted; /* of these: because no UMEM frame was free */
};

struct stats {
	uint64_t uptime_seconds;
	uint64_t generation;	     /* of the rules */
	struct stats_totals retired; /* of rules and interfaces that are no more */
	unsigned int nr_rules;
	struct stats_rule *rules;
	struct stats_output *outputs; /* all rules' outputs in one piece */
	unsigned int nr_interfaces;
	struct stats_interface *interfaces;
	unsigned int nr_workers;
	struct stats_worker *workers;
};

/* Room for these numbers, zeroed. NULL: no memory. */
struct stats *stats_new(unsigned int rules, unsigned int outputs, unsigned int interfaces,
			unsigned int workers);
void stats_free(struct stats *stats); /* takes NULL; names and rules are not its own */

/* All of it, `retired` included: never less than before. */
void stats_sum(const struct stats *stats, struct stats_totals *totals);

/* Add one part's counters. */
void stats_sum_output(const struct stats_output *output, struct stats_totals *totals);
void stats_sum_interface(const struct stats_interface *interface, struct stats_totals *totals);
void stats_sum_worker(const struct worker_state *state, struct stats_totals *totals);

/* What the kernel dropped on a worker's socket, each packet once. */
uint64_t stats_kernel_drops(const struct worker_state *state);

/* The object of `xmcastctl -j stats show`, with `limit` of the rules from the `offset`th on, or
 * NULL without memory. The caller's reference. */
json_t *stats_json(const struct stats *stats, size_t offset, size_t limit);

/* One of its interfaces and one of its workers alone. As above. */
json_t *stats_rule_json(const struct stats_rule *rule);
json_t *stats_interface_json(const struct stats *stats, const struct stats_interface *iface);
json_t *stats_worker_json(const struct stats_worker *worker);

/* One line: totals. */
void stats_log(const struct stats *stats, const char *event);

#endif
