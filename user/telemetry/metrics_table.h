/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of all metrics, with the keys of `stats.show` that they are read from. */
#ifndef XMCAST_TELEMETRY_METRICS_TABLE_H
#define XMCAST_TELEMETRY_METRICS_TABLE_H

/* The object that has the key, and the labels of its metrics. */
enum metric_level {
	LEVEL_TOP,	    /* none */
	LEVEL_TOTALS,	    /* none */
	LEVEL_CONFIG,	    /* none */
	LEVEL_RECEIVERS,    /* none */
	LEVEL_LEASES,	    /* none */
	LEVEL_RULES,	    /* state: the number of rules in it, which is counted */
	LEVEL_RULE,	    /* rule, interface */
	LEVEL_WATCH,	    /* rule; only of rules with `watch`, as the next three */
	LEVEL_WATCH_RTP,    /* rule */
	LEVEL_WATCH_TS,	    /* rule */
	LEVEL_WATCH_MOLD64, /* rule */
	LEVEL_SIDE,	    /* rule, side; only of rules with several inputs */
	LEVEL_OUTPUT,	    /* rule, output */
	LEVEL_INTERFACE,    /* interface */
	LEVEL_REDIRECT,	    /* interface, device */
	LEVEL_DEVICE,	    /* interface: one by which outputs send */
	LEVEL_QUEUE,	    /* interface, queue */
	LEVEL_WORKER,	    /* interface, queue */
	LEVEL_PROCESS,	    /* none */
	LEVEL_VERSION,	    /* none; an answer to `version` */
	/* An answer to `cluster.status`: */
	LEVEL_CLUSTER,	      /* none */
	LEVEL_CLUSTER_DAEMON, /* none */
	LEVEL_CLUSTER_STORE,  /* none */
	LEVEL_CLUSTER_NODE,   /* node */
	LEVEL_CLUSTER_LEASE,  /* lease */
};

enum metric_kind {
	KIND_NUMBER,	/* an integer, divided by `divisor` if that is not 0 */
	KIND_BOOLEAN,	/* true: 1, false: 0 */
	KIND_TEXT_IS,	/* a string; 1 if it equals `argument`, otherwise 0 */
	KIND_MAP,	/* an object of integers, whose keys are values of the label `argument` */
	KIND_INFO,	/* strings as labels: `argument` lists them as "KEY=LABEL KEY=LABEL" */
	KIND_HISTOGRAM, /* latency: {"buckets": [[UPPER_NS, COUNT]...], "sum_ns"} */
};

enum metric_type { TYPE_COUNTER, TYPE_GAUGE, TYPE_INFO, TYPE_HISTOGRAM };

struct metric {
	enum metric_level level;
	enum metric_kind kind;
	enum metric_type type;
	const char *key;
	const char
		*name; /* without _total and _info; NULL: the samples belong to the metric above */
	const char *unit;     /* the last word of the name, or NULL */
	const char *argument; /* by kind; KIND_NUMBER: NULL or a further label, "name=\"value\"" */
	unsigned int divisor;
	const char *help;
};

extern const struct metric metric_table[];
extern const unsigned int metric_count;

#endif
