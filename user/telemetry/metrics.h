/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters as text for Prometheus. It is made from the answers of the control methods
 * `stats.show` and `version` alone, so that every client of the control socket can make it.
 *
 * Labels are names from the configuration (rules, outputs, interfaces) and fixed names of reasons,
 * never anything from a packet. A metric is left out if its key is missing in the answer, or has
 * another type than in docs/control-protocol.md. docs/metrics.md lists the metrics.
 *
 * Pure. Any thread, one at a time for each object.
 */
#ifndef XMCAST_TELEMETRY_METRICS_H
#define XMCAST_TELEMETRY_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum metrics_format {
	METRICS_OPENMETRICS, /* OpenMetrics 1.0.0 */
	METRICS_PLAIN, /* Prometheus' text format 0.0.4, for clients that do not ask for OpenMetrics
			*/
};

/* Their media types in HTTP. */
#define METRICS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_PLAIN_TYPE	 "text/plain; version=0.0.4; charset=utf-8"

struct metrics;

/* NULL: no memory. */
struct metrics *metrics_new(enum metrics_format format);
void metrics_free(struct metrics *metrics); /* accepts NULL */

/* Add everything of an answer to `stats.show` except its rules: once, from any page. */
void metrics_add_machine(struct metrics *metrics, const json_t *stats);

/* Add the rules of one page of `stats.show`: once for each page, so that only one page has to be in
 * memory. A rule whose name was added before is skipped, because a series must not occur twice. */
void metrics_add_rules(struct metrics *metrics, const json_t *stats);

/* Add an answer to `version`, in which xmcast-exporter has its own counters as well. */
void metrics_add_version(struct metrics *metrics, const json_t *version);

/* Add an answer to `cluster.status` of xmcast-cluster, to which xmcast-exporter adds "up" and
 * "leases" (exporter/cluster.h): once. */
void metrics_add_cluster(struct metrics *metrics, const json_t *status);

/* Add process_* of an answer to `stats.show`: once. Only for a text that is scraped by itself:
 * node_exporter, which includes the texts of others, has metrics of these names about itself. */
void metrics_add_process(struct metrics *metrics, const json_t *stats);

/* The whole text, with a NUL that *length does not count. The caller frees it. NULL: an allocation
 * failed, now or before. Nothing may be added after this call. */
char *metrics_text(struct metrics *metrics, size_t *length);

/* All of the above but process_*, from one answer with all rules. */
char *metrics_render(enum metrics_format format, const json_t *stats, const json_t *version,
		     size_t *length);

#endif
