/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "telemetry/stats.h"

#include <stdlib.h>

#include "base/log.h"

struct stats *stats_new(struct books *books)
{
	struct stats *stats = books ? calloc(1, sizeof(*stats)) : NULL;
	unsigned int outputs = 0;

	if (!stats) {
		books_free(books);
		return NULL;
	}
	for (unsigned int i = 0; i < books->nr_rules; i++)
		outputs += books->rules[i].rule->nr_outputs;
	stats->books = books;
	stats->rules = calloc(books->nr_rules + 1UL, sizeof(*stats->rules));
	stats->outputs = calloc(outputs + 1UL, sizeof(*stats->outputs));
	if (stats->rules && stats->outputs)
		return stats;
	stats_free(stats);
	return NULL;
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	books_free(stats->books);
	free(stats->rules);
	free(stats->outputs);
	free(stats);
}

void stats_log(const struct books *books, const char *event)
{
	struct total_counts t;

	books_sum(books, &t);
	log_info(event, LOG_UINT("uptime", books->uptime_seconds), LOG_UINT("steered", t.steered),
		 LOG_UINT("received", t.received), LOG_UINT("submitted", t.submitted),
		 LOG_UINT("sent", t.sent), LOG_UINT("sent_bytes", t.sent_bytes),
		 LOG_UINT("send_errors", t.send_errors), LOG_UINT("rate_limited", t.rate_limited),
		 LOG_UINT("withheld", t.withheld), LOG_UINT("unwanted", t.unwanted),
		 LOG_UINT("dropped", t.dropped), LOG_UINT("exhausted", t.buffer_exhausted));
}
