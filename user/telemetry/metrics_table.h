/* SPDX-License-Identifier: BSD-2-Clause */
/* Which key of `stats.show` is which metric: the one list, read by metrics.c. */
#ifndef XMCAST_TELEMETRY_METRICS_TABLE_H
#define XMCAST_TELEMETRY_METRICS_TABLE_H

/* The object that has the key; its labels. */
enum metric_level {
	LEVEL_TOP,	 /* none */
	LEVEL_TOTALS,	 /* none */
	LEVEL_CONFIG,	 /* none */
	LEVEL_RULES,	 /* state: how many rules are in it; counted, not read */
	LEVEL_RULE,	 /* rule, interface */
	LEVEL_OUTPUT,	 /* rule, output */
	LEVEL_INTERFACE, /* interface */
	LEVEL_QUEUE,	 /* interface, queue */
	LEVEL_WORKER,	 /* interface, queue */
	LEVEL_VERSION,	 /* none; an answer to `version` */
};

enum metric_kind {
	KIND_NUMBER,	/* an integer, divided by `divisor` if that is not 0 */
	KIND_BOOLEAN,	/* true: 1, false: 0 */
	KIND_TEXT_IS,	/* a string; equal to `argument`: 1, else 0 */
	KIND_MAP,	/* an object of integers; its keys are the values of the label `argument` */
	KIND_INFO,	/* strings as labels, which `argument` names as KEY=LABEL, by spaces; 1 */
	KIND_HISTOGRAM, /* latency: {"buckets": [[UPPER_NS, COUNT]...], "sum_ns"} */
};

enum metric_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_INFO, TYPE_HISTOGRAM };

struct metric {
	enum metric_level level;
	enum metric_kind kind;
	enum metric_type type;
	const char *key;
	const char *name;     /* without _total and _info; NULL: more samples of the metric above */
	const char *unit;     /* the last word of the name, or NULL */
	const char *argument; /* see the kinds; KIND_NUMBER: one more label, "name=\"value\"" */
	unsigned int divisor;
	const char *help;
};

extern const struct metric metric_table[];
extern const unsigned int metric_count;

#endif
