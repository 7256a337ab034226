/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The counters as text for Prometheus and its like, made from what the control methods `stats.show`
 * and `version` answer, and from nothing else: whoever can read the control socket can make it.
 *
 * Labels are names that the configuration has (rules, outputs, interfaces) and the fixed names of
 * reasons, never anything out of a packet. A key that an answer lacks, or has with another type
 * than docs/control-protocol.md says, leaves its metric out. docs/metrics.md lists the metrics.
 *
 * Pure; one object is one thread's at a time.
 */
#ifndef XMCAST_TELEMETRY_METRICS_H
#define XMCAST_TELEMETRY_METRICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum metrics_format {
	METRICS_OPENMETRICS, /* OpenMetrics 1.0.0 */
	METRICS_PLAIN,	     /* Prometheus' text format 0.0.4, for those who ask for nothing else */
};

/* The media types of the two, as HTTP names them. */
#define METRICS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_PLAIN_TYPE	 "text/plain; version=0.0.4; charset=utf-8"

struct metrics;

/* NULL: no memory. */
struct metrics *metrics_new(enum metrics_format format);
void metrics_free(struct metrics *metrics); /* takes NULL */

/* Everything of an answer to `stats.show` but its rules: once, of any page. */
void metrics_add_machine(struct metrics *metrics, const json_t *stats);

/* The rules of one page: once for each page, so that no more than one is ever in memory. A rule
 * that was added before, by its name, is left out: no series is told twice. */
void metrics_add_rules(struct metrics *metrics, const json_t *stats);

/* An answer to `version`. */
void metrics_add_version(struct metrics *metrics, const json_t *version);

/* The whole text, ended with a NUL that *length does not count. The caller's, to free(); NULL: no
 * memory, now or before. Nothing is to be added afterwards. */
char *metrics_text(struct metrics *metrics, size_t *length);

/* All of the above at once, from all pages merged into one, as OpenMetrics. */
char *metrics_render(const json_t *stats, const json_t *version, size_t *length);

#endif
