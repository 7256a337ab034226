// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

/* Flows that the text shows; JSON has them all. */
#define TEXT_FLOWS 20

/* Of one flow, or of all. */
struct faults {
	uint64_t lost, duplicated, reordered, stale, corrupted, unexpected;
};

struct latency {
	uint64_t histogram[TRACK_BUCKETS];
	uint64_t count, min, max;
};

static void latency_add(struct latency *latency, const struct flow_stats *stats)
{
	if (!stats->received)
		return;
	if (!latency->count || stats->latency_min < latency->min)
		latency->min = stats->latency_min;
	if (stats->latency_max > latency->max)
		latency->max = stats->latency_max;
	latency->count += stats->received;
	for (size_t i = 0; i < TRACK_BUCKETS; i++)
		latency->histogram[i] += stats->histogram[i];
}

/* Middle of a bucket. */
static uint64_t bucket_value(uint32_t bucket)
{
	uint32_t exponent = bucket >> TRACK_SUB_BITS;
	uint64_t low = bucket & ((1 << TRACK_SUB_BITS) - 1);

	if (!exponent)
		return bucket;
	low = (low + (1 << TRACK_SUB_BITS)) << (exponent - 1);
	return low + (1ULL << (exponent - 1)) / 2;
}

static uint64_t percentile(const struct latency *latency, double share)
{
	uint64_t rank = (uint64_t)(share * latency->count + 0.999999);
	uint64_t value, sum = 0;
	uint32_t i;

	for (i = 0; i < TRACK_BUCKETS - 1; i++) {
		sum += latency->histogram[i];
		if (sum >= rank)
			break;
	}
	value = bucket_value(i);
	if (value < latency->min)
		return latency->min;
	return value > latency->max ? latency->max : value;
}

static json_t *latency_json(const struct latency *latency)
{
	if (!latency->count)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "min", (json_int_t)latency->min, "p50",
			 (json_int_t)percentile(latency, 0.5), "p90",
			 (json_int_t)percentile(latency, 0.9), "p99",
			 (json_int_t)percentile(latency, 0.99), "p999",
			 (json_int_t)percentile(latency, 0.999), "max", (json_int_t)latency->max);
}

/* By run, flow, destination, port: the order in which a reader looks them up. */
static int compare(const void *a, const void *b)
{
	const struct flow_key *x = &((const struct flow_record *)a)->key;
	const struct flow_key *y = &((const struct flow_record *)b)->key;
	int order;

	if (x->run != y->run)
		return x->run < y->run ? -1 : 1;
	if (x->flow != y->flow)
		return x->flow < y->flow ? -1 : 1;
	order = memcmp(&x->destination, &y->destination, sizeof(x->destination));
	return order ? order : (int)XMC_BE16(x->port) - (int)XMC_BE16(y->port);
}

static struct faults flow_faults(const struct report *report, const struct flow_record *record)
{
	const struct flow_stats *stats = &record->stats;

	return (struct faults){
		.lost = record->lost,
		.duplicated = stats->duplicated,
		.reordered = stats->reordered,
		.stale = stats->stale,
		.corrupted = stats->corrupted,
		.unexpected = report->options->expect_count && !record->known ? stats->received : 0,
	};
}

static struct faults all_faults(const struct report *report)
{
	struct faults sum = {};

	for (size_t i = 0; i < report->flows.count; i++) {
		struct faults one = flow_faults(report, &report->flows.records[i]);

		sum.lost += one.lost;
		sum.duplicated += one.duplicated;
		sum.reordered += one.reordered;
		sum.stale += one.stale;
		sum.unexpected += one.unexpected;
	}
	/* Those of the flows are among them. */
	sum.corrupted = report->totals.corrupted;
	return sum;
}

static void faults_json(json_t *json, const struct faults *faults)
{
	json_object_set_new(json, "lost", json_integer(faults->lost));
	json_object_set_new(json, "duplicated", json_integer(faults->duplicated));
	json_object_set_new(json, "reordered", json_integer(faults->reordered));
	json_object_set_new(json, "stale", json_integer(faults->stale));
	json_object_set_new(json, "corrupted", json_integer(faults->corrupted));
}

static json_t *flow_json(const struct report *report, const struct flow_record *record)
{
	const struct flow_stats *stats = &record->stats;
	struct faults faults = flow_faults(report, record);
	struct latency latency = {};
	char text[ADDR_TEXT_SIZE];
	json_t *json;

	json = json_pack("{s:I, s:I, s:s, s:i, s:I, s:I}", "run", (json_int_t)record->key.run,
			 "flow", (json_int_t)record->key.flow, "group",
			 addr_format(&record->key.destination, text), "port",
			 (int)XMC_BE16(record->key.port), "received", (json_int_t)stats->received,
			 "received_bytes", (json_int_t)stats->bytes);
	faults_json(json, &faults);
	if (report->options->expect_count)
		json_object_set_new(json, "expected",
				    record->known ? json_integer(record->sent) : json_null());
	if (stats->received) {
		json_object_set_new(json, "first_seq", json_integer(stats->first));
		json_object_set_new(json, "last_seq", json_integer(stats->last));
		json_object_set_new(json, "source", json_string(addr_format(&stats->source, text)));
		json_object_set_new(json, "source_port",
				    json_integer(XMC_BE16(stats->source_port)));
		json_object_set_new(json, "ttl", json_integer(stats->ttl));
		json_object_set_new(json, "dscp", json_integer(stats->dscp));
	}
	latency_add(&latency, stats);
	json_object_set_new(json, "latency_ns", latency_json(&latency));
	json_object_set_new(json, "longest_gap_ns", json_integer(stats->gap_max));
	return json;
}

static double seconds(const struct report *report)
{
	return (report->totals.last_ns - report->totals.first_ns) / 1e9;
}

/* From the first packet to the last. */
static double rate(const struct report *report)
{
	double time = seconds(report);

	return time > 0 ? (report->totals.received - 1) / time : 0;
}

static unsigned count_runs(const struct report *report)
{
	unsigned runs = 0;

	for (size_t i = 0; i < report->flows.count; i++)
		if (!i || report->flows.records[i].key.run != report->flows.records[i - 1].key.run)
			runs++;
	return runs;
}

/* Of any flow. */
static uint64_t longest_gap(const struct report *report)
{
	uint64_t longest = 0;

	for (size_t i = 0; i < report->flows.count; i++) {
		uint64_t gap = report->flows.records[i].stats.gap_max;

		if (gap > longest)
			longest = gap;
	}
	return longest;
}

static void print_json(const struct report *report, const struct faults *faults,
		       const struct latency *latency, bool clean)
{
	const struct sink_totals *totals = &report->totals;
	json_t *flows = json_array();
	json_t *json;

	for (size_t i = 0; i < report->flows.count; i++)
		json_array_append_new(flows, flow_json(report, &report->flows.records[i]));
	json = json_pack("{s:s, s:s, s:b, s:i, s:I, s:I, s:f, s:f}", "interface",
			 report->options->interface, "receiver", report->receiver, "clean", clean,
			 "runs", (int)count_runs(report), "received_packets",
			 (json_int_t)totals->received, "received_bytes", (json_int_t)totals->bytes,
			 "seconds", seconds(report), "rate_pps", rate(report));
	faults_json(json, faults);
	json_object_set_new(json, "unexpected", json_integer(faults->unexpected));
	json_object_set_new(json, "malformed", json_integer(totals->malformed));
	json_object_set_new(json, "foreign", json_integer(totals->foreign));
	json_object_set_new(json, "unplaced", json_integer(totals->unplaced));
	json_object_set_new(json, "overrun", json_integer(report->overrun));
	json_object_set_new(json, "latency_ns", latency_json(latency));
	json_object_set_new(json, "longest_gap_ns", json_integer(longest_gap(report)));
	json_object_set_new(json, "flows", flows);
	json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(json);
}

static void print_flows(const struct report *report)
{
	printf("%-10s %-28s %12s %9s %9s %9s %9s %4s %4s\n", "FLOW", "DESTINATION", "RECEIVED",
	       "LOST", "DUP", "REORD", "CORRUPT", "TTL", "DSCP");
	for (size_t i = 0; i < report->flows.count && i < TEXT_FLOWS; i++) {
		const struct flow_record *record = &report->flows.records[i];
		const struct flow_stats *stats = &record->stats;
		char text[ENDPOINT_TEXT_SIZE];

		printf("%-10" PRIu32 " %-28s %12llu %9" PRIu64 " %9llu %9llu %9llu %4u %4u\n",
		       record->key.flow,
		       endpoint_format(&record->key.destination, XMC_BE16(record->key.port), NULL,
				       text),
		       stats->received, record->lost, stats->duplicated, stats->reordered,
		       stats->corrupted, stats->ttl, stats->dscp);
	}
	if (report->flows.count > TEXT_FLOWS)
		printf("... and %zu more (-j shows all)\n", report->flows.count - TEXT_FLOWS);
}

static void print_text(const struct report *report, const struct faults *faults,
		       const struct latency *latency)
{
	const struct sink_totals *totals = &report->totals;
	unsigned runs = count_runs(report);

	printf("received %llu packets, %llu payload bytes in %.3f s: %.0f packets/s (%s)\n",
	       totals->received, totals->bytes, seconds(report), rate(report), report->receiver);
	printf("lost %" PRIu64 ", duplicated %" PRIu64 ", reordered %" PRIu64 ", corrupted %" PRIu64
	       "\n",
	       faults->lost, faults->duplicated, faults->reordered, faults->corrupted);
	if (latency->count)
		printf("latency us: min %.1f, p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n",
		       latency->min / 1e3, percentile(latency, 0.5) / 1e3,
		       percentile(latency, 0.9) / 1e3, percentile(latency, 0.99) / 1e3,
		       percentile(latency, 0.999) / 1e3, latency->max / 1e3);
	printf("longest gap in a flow: %.1f ms\n", longest_gap(report) / 1e6);
	if (faults->stale)
		printf("too old to classify as late or duplicated: %" PRIu64 "\n", faults->stale);
	if (faults->unexpected)
		printf("of flows that no --expect file lists: %" PRIu64 "\n", faults->unexpected);
	if (totals->malformed)
		printf("malformed: %llu\n", totals->malformed);
	if (totals->unplaced)
		printf("of flows beyond --flows %u, not examined: %llu\n", report->options->flows,
		       totals->unplaced);
	if (report->overrun)
		printf("lost in our own socket buffers: %" PRIu64 "\n", report->overrun);
	if (totals->foreign)
		printf("not for this sink (no probes, or outside --port and --group): %llu\n",
		       totals->foreign);
	if (runs > 1)
		printf("from %u runs of the generator: flows are counted by run\n", runs);
	if (report->flows.count)
		print_flows(report);
}

bool report_print(struct report *report)
{
	static struct latency latency; /* 5 kB */
	struct faults faults;
	bool clean;

	if (report->flows.count)
		qsort(report->flows.records, report->flows.count, sizeof(*report->flows.records),
		      compare);
	for (size_t i = 0; i < report->flows.count; i++)
		latency_add(&latency, &report->flows.records[i].stats);
	faults = all_faults(report);
	clean = !(faults.lost | faults.duplicated | faults.reordered | faults.stale |
		  faults.corrupted | faults.unexpected | report->totals.malformed |
		  report->totals.unplaced);
	if (report->options->json)
		print_json(report, &faults, &latency, clean);
	else
		print_text(report, &faults, &latency);
	return clean;
}
