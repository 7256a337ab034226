/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "telemetry/stats.h"

#include <stdlib.h>

#include "base/log.h"

struct stats *stats_new(unsigned int rules, unsigned int outputs, unsigned int interfaces,
			unsigned int workers)
{
	struct stats *stats = calloc(1, sizeof(*stats));

	if (!stats)
		return NULL;
	/* One more than asked, because calloc(0) may answer NULL. */
	stats->rules = calloc(rules + 1, sizeof(*stats->rules));
	stats->outputs = calloc(outputs + 1, sizeof(*stats->outputs));
	stats->interfaces = calloc(interfaces + 1, sizeof(*stats->interfaces));
	stats->workers = calloc(workers + 1, sizeof(*stats->workers));
	if (!stats->rules || !stats->outputs || !stats->interfaces || !stats->workers) {
		stats_free(stats);
		return NULL;
	}
	stats->nr_rules = rules;
	stats->nr_interfaces = interfaces;
	stats->nr_workers = workers;
	return stats;
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	free(stats->rules);
	free(stats->outputs);
	free(stats->interfaces);
	free(stats->workers);
	free(stats);
}

uint64_t stats_kernel_drops(const struct worker_state *state)
{
	/* rx_dropped counts those that found the fill ring empty, too. */
	return state->kernel.rx_dropped + state->kernel.rx_ring_full;
}

void stats_sum_output(const struct stats_output *output, struct stats_totals *totals)
{
	totals->submitted += output->submitted;
	totals->sent += output->sent;
	totals->sent_bytes += output->sent_bytes;
	totals->rate_limited += output->rate_limited;
	for (unsigned int i = 0; i < SEND_ERRORS; i++)
		totals->send_errors += output->errors[i];
}

void stats_sum_interface(const struct stats_interface *interface, struct stats_totals *totals)
{
	totals->steered += interface->verdicts[XMC_STEERED];
}

void stats_sum_worker(const struct worker_state *state, struct stats_totals *totals)
{
	totals->received += state->received;
	totals->dropped += stats_kernel_drops(state);
	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		totals->dropped += state->drops[i];
	totals->buffer_exhausted += state->kernel.fill_ring_empty;
}

void stats_sum(const struct stats *stats, struct stats_totals *totals)
{
	*totals = stats->retired;
	for (unsigned int i = 0; i < stats->nr_interfaces; i++)
		stats_sum_interface(&stats->interfaces[i], totals);
	for (unsigned int i = 0; i < stats->nr_workers; i++)
		stats_sum_worker(&stats->workers[i].state, totals);
	for (unsigned int i = 0; i < stats->nr_rules; i++) {
		const struct stats_rule *rule = &stats->rules[i];

		for (unsigned int j = 0; j < rule->rule->nr_outputs; j++)
			stats_sum_output(&rule->outputs[j], totals);
	}
}

void stats_log(const struct stats *stats, const char *event)
{
	struct stats_totals t;

	stats_sum(stats, &t);
	log_info(event, LOG_UINT("uptime", stats->uptime_seconds), LOG_UINT("steered", t.steered),
		 LOG_UINT("received", t.received), LOG_UINT("submitted", t.submitted),
		 LOG_UINT("sent", t.sent), LOG_UINT("sent_bytes", t.sent_bytes),
		 LOG_UINT("send_errors", t.send_errors), LOG_UINT("rate_limited", t.rate_limited),
		 LOG_UINT("dropped", t.dropped), LOG_UINT("exhausted", t.buffer_exhausted));
}
