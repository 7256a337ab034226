/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All samples of a metric must follow each other in the text, but the answers list them by rule. So
 * each metric has a text of its own, to which each object adds its sample, and the texts are joined
 * at the end. This takes one pass over the answers, with one page in memory.
 */
#include "telemetry/metrics.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/histogram.h"
#include "base/text.h"
#include "telemetry/metrics_table.h"

struct metrics {
	enum metrics_format format;
	bool rules_added;
	json_t *states;	      /* the number of rules by state */
	json_t *seen;	      /* the names of the rules so far, as keys */
	struct text labels;   /* of the current object */
	struct text *samples; /* one for each entry of metric_table that has a name */
};

/* ---- text ---- */

/* Add a label's value, with backslash, quote and newline escaped. */
static void add_escaped(struct text *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			text_add(text, "\\n");
		else if (*value == '\\' || *value == '"')
			text_add_bytes(text, (char[]){'\\', *value}, 2);
		else
			text_add_bytes(text, value, 1);
	}
}

static void add_label(struct text *text, const char *name, const char *value)
{
	if (text->length)
		text_add(text, ",");
	text_add(text, name);
	text_add(text, "=\"");
	add_escaped(text, value);
	text_add(text, "\"");
}

/* ---- samples ---- */

/* Add "NAME{LABELS} ", with `suffix` after the name. Returns the text to which the value has to be
 * added. */
static struct text *begin_sample(struct metrics *metrics, unsigned int index, const char *suffix)
{
	struct text *samples;

	while (!metric_table[index].name)
		index--;
	samples = &metrics->samples[index];
	text_add(samples, metric_table[index].name);
	text_add(samples, suffix);
	if (metrics->labels.length) {
		text_add(samples, "{");
		text_add_bytes(samples, metrics->labels.bytes, metrics->labels.length);
		text_add(samples, "}");
	}
	text_add(samples, " ");
	return samples;
}

static const char *suffix_of(const struct metric *metric)
{
	switch (metric->type) {
	case TYPE_COUNTER:
		return "_total";
	case TYPE_INFO:
		return "_info";
	default:
		return "";
	}
}

static void add_value(struct metrics *metrics, unsigned int index, json_int_t value)
{
	const struct metric *metric = &metric_table[index];
	struct text *samples = begin_sample(metrics, index, suffix_of(metric));

	if (metric->divisor)
		text_add_format(samples, "%.15g\n", (double)value / metric->divisor);
	else
		text_add_format(samples, "%lld\n", (long long)value);
}

/* No counter is negative. */
static bool is_count(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static void add_number(struct metrics *metrics, unsigned int index, const json_t *value)
{
	const char *label = metric_table[index].argument;
	size_t length = metrics->labels.length;

	if (!is_count(value))
		return;
	if (label) {
		text_add(&metrics->labels, length ? "," : "");
		text_add(&metrics->labels, label);
	}
	add_value(metrics, index, json_integer_value(value));
	text_cut(&metrics->labels, length);
}

static void add_map(struct metrics *metrics, unsigned int index, const json_t *map)
{
	size_t length = metrics->labels.length;
	const char *key;
	json_t *value;

	/* jansson's macro takes no const object, although it does not change it. */
	json_object_foreach((json_t *)map, key, value)
	{
		if (!is_count(value))
			continue;
		add_label(&metrics->labels, metric_table[index].argument, key);
		add_value(metrics, index, json_integer_value(value));
		text_cut(&metrics->labels, length);
	}
}

/* Labels from all keys that are strings. No sample if there are none. */
static void add_info(struct metrics *metrics, unsigned int index, const json_t *object)
{
	const char *pairs = metric_table[index].argument;
	size_t length = metrics->labels.length;
	bool any = false;
	char label[32];
	char key[32];
	int used;

	for (; sscanf(pairs, " %31[a-z_]=%31[a-z_]%n", key, label, &used) == 2; pairs += used) {
		const char *value = json_string_value(json_object_get(object, key));

		if (value)
			add_label(&metrics->labels, label, value);
		any = any || value;
	}
	if (any)
		add_value(metrics, index, 1);
	text_cut(&metrics->labels, length);
}

/* ---- latency ---- */

/* The daemon has several buckets between two round times and leaves out empty ones, but rates need
 * buckets that are always there, and 100 of them for each of 10,000 rules are too many for
 * Prometheus: ours end at the round times. Which of them a bucket of the daemon belongs to: the
 * first whose upper bound is not smaller. HISTOGRAM_ROUND is the bucket without a bound. */
static unsigned int bucket_slot(const json_t *bucket)
{
	const json_t *upper = json_array_get(bucket, 0);
	unsigned int slot = 0;

	if (!is_count(upper))
		return HISTOGRAM_ROUND;
	while (slot < HISTOGRAM_ROUND &&
	       (uint64_t)json_integer_value(upper) > histogram_round[slot])
		slot++;
	return slot;
}

static void add_bucket(struct metrics *metrics, unsigned int index, const char *le, uint64_t count)
{
	size_t length = metrics->labels.length;

	add_label(&metrics->labels, "le", le);
	text_add_format(begin_sample(metrics, index, "_bucket"), "%llu\n",
			(unsigned long long)count);
	text_cut(&metrics->labels, length);
}

static void add_histogram(struct metrics *metrics, unsigned int index, const json_t *latency)
{
	const json_t *buckets = json_object_get(latency, "buckets");
	const json_t *sum = json_object_get(latency, "sum_ns");
	uint64_t counts[HISTOGRAM_ROUND + 1] = {0};
	uint64_t count = 0;
	const json_t *bucket;
	size_t i;

	if (!json_is_array(buckets))
		return;
	json_array_foreach(buckets, i, bucket)
	{
		if (is_count(json_array_get(bucket, 1)))
			counts[bucket_slot(bucket)] +=
				(uint64_t)json_integer_value(json_array_get(bucket, 1));
	}
	for (i = 0; i < HISTOGRAM_ROUND; i++) {
		char le[32];

		snprintf(le, sizeof(le), "%.10g", (double)histogram_round[i] / 1e9);
		count += counts[i];
		add_bucket(metrics, index, le, count);
	}
	count += counts[HISTOGRAM_ROUND];
	add_bucket(metrics, index, "+Inf", count);
	if (!is_count(sum))
		return; /* OpenMetrics: no sum, then no count either */
	text_add_format(begin_sample(metrics, index, "_sum"), "%.15g\n",
			(double)json_integer_value(sum) / 1e9);
	text_add_format(begin_sample(metrics, index, "_count"), "%llu\n",
			(unsigned long long)count);
}

/* ---- objects ---- */

static void add_metric(struct metrics *metrics, unsigned int index, const json_t *object)
{
	const struct metric *metric = &metric_table[index];
	const json_t *value = metric->key ? json_object_get(object, metric->key) : NULL;

	switch (metric->kind) {
	case KIND_NUMBER:
		add_number(metrics, index, value);
		break;
	case KIND_BOOLEAN:
		if (json_is_boolean(value))
			add_value(metrics, index, json_is_true(value));
		break;
	case KIND_TEXT_IS:
		if (json_is_string(value))
			add_value(metrics, index,
				  strcmp(json_string_value(value), metric->argument) == 0);
		break;
	case KIND_MAP:
		add_map(metrics, index, value);
		break;
	case KIND_INFO:
		add_info(metrics, index, object);
		break;
	case KIND_HISTOGRAM:
		add_histogram(metrics, index, value);
		break;
	}
}

/* Add all metrics of an object of this level, with the current labels. */
static void add_object(struct metrics *metrics, enum metric_level level, const json_t *object)
{
	for (unsigned int i = 0; i < metric_count; i++) {
		if (metric_table[i].level == level)
			add_metric(metrics, i, object);
	}
}

/* Add a label from the object's key, a string or a number. False: there is no such key. */
static bool label_from(struct metrics *metrics, const char *label, const json_t *object,
		       const char *key)
{
	const json_t *value = json_object_get(object, key);
	char number[24];

	if (json_is_string(value)) {
		add_label(&metrics->labels, label, json_string_value(value));
		return true;
	}
	if (!is_count(value))
		return false;
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
	add_label(&metrics->labels, label, number);
	return true;
}

/* An RX queue: its number, and of which member of a bond. "ended": the sum of those of members that
 * have left the bond. False: it has no number. */
static bool label_queue(struct metrics *metrics, const json_t *object)
{
	label_from(metrics, "member", object, "member");
	if (!json_is_null(json_object_get(object, "queue")))
		return label_from(metrics, "queue", object, "queue");
	add_label(&metrics->labels, "queue", "ended");
	return true;
}

static void add_interface(struct metrics *metrics, const json_t *interface)
{
	const json_t *queues = json_object_get(interface, "queues");
	const char *device;
	json_t *redirect;
	const json_t *queue;
	size_t length;
	size_t i;

	text_cut(&metrics->labels, 0);
	if (!label_from(metrics, "interface", interface, "name"))
		return;
	add_object(metrics, LEVEL_INTERFACE, interface);
	length = metrics->labels.length;
	json_object_foreach(json_object_get(interface, "redirected"), device, redirect)
	{
		add_label(&metrics->labels, "device", device);
		add_object(metrics, LEVEL_REDIRECT, redirect);
		text_cut(&metrics->labels, length);
	}
	json_array_foreach(queues, i, queue)
	{
		if (label_queue(metrics, queue))
			add_object(metrics, LEVEL_QUEUE, queue);
		text_cut(&metrics->labels, length);
	}
}

static void count_state(struct metrics *metrics, const json_t *rule)
{
	const char *state = json_string_value(json_object_get(rule, "state"));
	json_int_t count = json_integer_value(json_object_get(metrics->states, state ? state : ""));

	if (state && json_object_set_new(metrics->states, state, json_integer(count + 1)))
		metrics->labels.failed = true;
}

static void add_watch(struct metrics *metrics, const json_t *watch)
{
	add_object(metrics, LEVEL_WATCH, watch);
	add_object(metrics, LEVEL_WATCH_RTP, json_object_get(watch, "rtp"));
	add_object(metrics, LEVEL_WATCH_TS, json_object_get(watch, "ts"));
	add_object(metrics, LEVEL_WATCH_MOLD64, json_object_get(watch, "mold64"));
}

static void add_rule(struct metrics *metrics, const json_t *rule)
{
	const char *in = json_string_value(json_object_get(rule, "in"));
	const char *interface = in ? strchr(in, '@') : NULL;
	const json_t *outputs = json_object_get(rule, "outputs");
	const json_t *side, *output;
	size_t length;
	size_t i;

	text_cut(&metrics->labels, 0);
	if (!label_from(metrics, "rule", rule, "name") ||
	    json_object_get(metrics->seen, metrics->labels.bytes))
		return;
	if (json_object_set_new_nocheck(metrics->seen, metrics->labels.bytes, json_null()))
		metrics->labels.failed = true;
	count_state(metrics, rule);
	length = metrics->labels.length;
	if (interface)
		add_label(&metrics->labels, "interface", interface + 1);
	add_object(metrics, LEVEL_RULE, rule);
	text_cut(&metrics->labels, length);
	add_watch(metrics, json_object_get(rule, "watch"));
	json_array_foreach(json_object_get(rule, "sides"), i, side)
	{
		if (label_from(metrics, "side", side, "name"))
			add_object(metrics, LEVEL_SIDE, side);
		text_cut(&metrics->labels, length);
	}
	json_array_foreach(outputs, i, output)
	{
		if (label_from(metrics, "output", output, "to"))
			add_object(metrics, LEVEL_OUTPUT, output);
		text_cut(&metrics->labels, length);
	}
}

/* ---- the whole ---- */

struct metrics *metrics_new(enum metrics_format format)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return NULL;
	metrics->format = format;
	metrics->samples = calloc(metric_count, sizeof(*metrics->samples));
	metrics->seen = json_object();
	/* These states are always there. */
	metrics->states = json_pack("{s:i, s:i, s:i, s:i, s:i}", "active", 0, "standby", 0, "idle",
				    0, "pending", 0, "disabled", 0);
	if (metrics->samples && metrics->seen && metrics->states)
		return metrics;
	metrics_free(metrics);
	return NULL;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	for (unsigned int i = 0; i < metric_count && metrics->samples; i++)
		text_free(&metrics->samples[i]);
	free(metrics->samples);
	text_free(&metrics->labels);
	json_decref(metrics->states);
	json_decref(metrics->seen);
	free(metrics);
}

/* Each item of a list, by the label that one of its keys gives. */
static void add_list(struct metrics *metrics, enum metric_level level, const json_t *list,
		     const char *label, const char *key)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		text_cut(&metrics->labels, 0);
		if (label_from(metrics, label, item, key))
			add_object(metrics, level, item);
	}
}

void metrics_add_machine(struct metrics *metrics, const json_t *stats)
{
	const json_t *item;
	size_t i;

	text_cut(&metrics->labels, 0);
	add_object(metrics, LEVEL_TOP, stats);
	add_object(metrics, LEVEL_TOTALS, json_object_get(stats, "totals"));
	add_object(metrics, LEVEL_CONFIG, json_object_get(stats, "config"));
	add_object(metrics, LEVEL_LEASES, json_object_get(stats, "leases"));
	add_object(metrics, LEVEL_RECEIVERS, json_object_get(stats, "receivers"));
	json_array_foreach(json_object_get(stats, "interfaces"), i, item)
		add_interface(metrics, item);
	add_list(metrics, LEVEL_DEVICE, json_object_get(stats, "output_interfaces"), "interface",
		 "name");
	json_array_foreach(json_object_get(stats, "workers"), i, item)
	{
		text_cut(&metrics->labels, 0);
		if (label_from(metrics, "interface", item, "interface") &&
		    label_queue(metrics, item))
			add_object(metrics, LEVEL_WORKER, item);
	}
}

void metrics_add_rules(struct metrics *metrics, const json_t *stats)
{
	const json_t *rules = json_object_get(stats, "rules");
	const json_t *rule;
	size_t i;

	metrics->rules_added = metrics->rules_added || json_is_array(rules);
	json_array_foreach(rules, i, rule) add_rule(metrics, rule);
}

void metrics_add_version(struct metrics *metrics, const json_t *version)
{
	text_cut(&metrics->labels, 0);
	add_object(metrics, LEVEL_VERSION, version);
}

void metrics_add_cluster(struct metrics *metrics, const json_t *status)
{
	text_cut(&metrics->labels, 0);
	add_object(metrics, LEVEL_CLUSTER, status);
	add_object(metrics, LEVEL_CLUSTER_DAEMON, json_object_get(status, "daemon"));
	add_object(metrics, LEVEL_CLUSTER_STORE, json_object_get(status, "store"));
	add_list(metrics, LEVEL_CLUSTER_NODE, json_object_get(status, "nodes"), "node", "name");
	add_list(metrics, LEVEL_CLUSTER_LEASE, json_object_get(status, "leases"), "lease", "lease");
}

void metrics_add_process(struct metrics *metrics, const json_t *stats)
{
	text_cut(&metrics->labels, 0);
	add_object(metrics, LEVEL_PROCESS, json_object_get(stats, "process"));
}

static void add_states(struct metrics *metrics)
{
	unsigned int index = 0;
	const char *state;
	json_t *count;

	while (metric_table[index].level != LEVEL_RULES)
		index++;
	if (!metrics->rules_added)
		return;
	json_object_foreach(metrics->states, state, count)
	{
		text_cut(&metrics->labels, 0);
		add_label(&metrics->labels, "state", state);
		add_value(metrics, index, json_integer_value(count));
	}
}

/* Add the lines before a metric's samples. The plain format includes the suffix in a counter's
 * name, and has neither units nor infos. */
static void add_header(const struct metrics *metrics, const struct metric *metric,
		       struct text *text)
{
	static const char *const types[] = {"counter", "gauge", "info", "histogram"};
	bool plain = metrics->format == METRICS_PLAIN;
	const char *suffix = plain ? suffix_of(metric) : "";
	enum metric_type type = plain && metric->type == TYPE_INFO ? TYPE_GAUGE : metric->type;
	const char *const lines[] = {"# TYPE ",	  metric->name, suffix,	      " ",
				     types[type], "\n# HELP ",	metric->name, suffix,
				     " ",	  metric->help, "\n"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		text_add(text, lines[i]);
	if (plain || !metric->unit)
		return;
	text_add(text, "# UNIT ");
	text_add(text, metric->name);
	text_add(text, " ");
	text_add(text, metric->unit);
	text_add(text, "\n");
}

char *metrics_text(struct metrics *metrics, size_t *length)
{
	struct text whole = {0};

	add_states(metrics);
	for (unsigned int i = 0; i < metric_count; i++) {
		struct text *samples = &metrics->samples[i];

		whole.failed = whole.failed || samples->failed;
		if (samples->length) {
			add_header(metrics, &metric_table[i], &whole);
			text_add_bytes(&whole, samples->bytes, samples->length);
		}
		text_free(samples);
	}
	text_add(&whole, metrics->format == METRICS_OPENMETRICS ? "# EOF\n" : "");
	if (whole.failed || metrics->labels.failed)
		text_free(&whole);
	*length = whole.length;
	return whole.bytes;
}

char *metrics_render(enum metrics_format format, const json_t *stats, const json_t *version,
		     size_t *length)
{
	struct metrics *metrics = metrics_new(format);
	char *text = NULL;

	if (metrics) {
		metrics_add_version(metrics, version);
		metrics_add_machine(metrics, stats);
		metrics_add_rules(metrics, stats);
		text = metrics_text(metrics, length);
	}
	metrics_free(metrics);
	return text;
}
