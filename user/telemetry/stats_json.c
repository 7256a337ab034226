/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON of `xmcastctl -j stats show`: keys and their meaning are a contract, never renamed. */
#include <string.h>

#include "base/json_build.h"
#include "base/json_text.h"
#include "telemetry/health_json.h"
#include "telemetry/stats.h"

/* Counters stay far below 2^63, the largest integer of jansson. */
static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *totals_json(const struct books *books)
{
	struct total_counts t;

	books_sum(books, &t);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "steered_packets", number(t.steered), "received_packets",
			 number(t.received), "submitted_packets", number(t.submitted),
			 "sent_packets", number(t.sent), "sent_bytes", number(t.sent_bytes),
			 "send_errors", number(t.send_errors), "rate_limited_packets",
			 number(t.rate_limited), "withheld_packets", number(t.withheld),
			 "unwanted_packets", number(t.unwanted), "inactive_side_packets",
			 number(t.inactive_side), "dropped_packets", number(t.dropped),
			 "buffer_exhausted_packets", number(t.buffer_exhausted));
}

static void add_rates(json_t **object, const struct stats_rates *rates)
{
	uint64_t last = rates->last_packet_seconds;

	json_put(object, "rate_pps", number(rates->second.pps));
	json_put(object, "rate_bps", number(rates->second.bps));
	json_put(object, "rate_10s_pps", number(rates->window.pps));
	json_put(object, "rate_10s_bps", number(rates->window.bps));
	json_put(object, "peak_pps", number(rates->peak.pps));
	json_put(object, "peak_bps", number(rates->peak.bps));
	json_put(object, "last_packet_seconds", last == STATS_NEVER ? json_null() : number(last));
	json_put(object, "last_packet_timestamp_seconds",
		 last == STATS_NEVER ? json_null() : number(rates->last_packet_time));
}

static json_t *latency_json(const struct rule_counts *rule)
{
	struct histogram_counts counts = {0};
	json_t *buckets;

	rule_latency(rule, &counts);
	if (!counts.samples)
		return json_null();
	buckets = json_array();
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (counts.buckets[i])
			json_add(&buckets, json_pack("[o, o]", number(histogram_upper(i)),
						     number(counts.buckets[i])));
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "samples", number(counts.samples),
			 "p50_ns", number(histogram_quantile(&counts, 500)), "p90_ns",
			 number(histogram_quantile(&counts, 900)), "p99_ns",
			 number(histogram_quantile(&counts, 990)), "max_ns", number(counts.max_ns),
			 "sum_ns", number(counts.sum_ns), "buckets", buckets);
}

/* The datagrams of an output that were not submitted, by reason, and their *sum. */
static json_t *drops_json(const struct output_counts *output, uint64_t *sum)
{
	static const char *const names[] = WITHHELD_NAMES;
	json_t *drops = json_pack("{s:o, s:o}", "rate_limited", number(output->rate_limited),
				  "not_copied", number(output->not_copied));

	*sum = output->rate_limited + output->not_copied;
	for (unsigned int i = WITHHELD_NOTHING + 1; i < WITHHELD_REASONS; i++) {
		*sum += output->withheld[i];
		json_put(&drops, names[i], number(output->withheld[i]));
	}
	return drops;
}

static json_t *icmp_json(const struct output_counts *output)
{
	static const char *const names[] = ICMP_KIND_NAMES;
	json_t *icmp = json_object();

	for (unsigned int i = 0; i < ICMP_KINDS; i++)
		json_put(&icmp, names[i], number(output->icmp[i]));
	return icmp;
}

static json_t *output_json(const struct output_counts *output, const struct stats_rates *rates)
{
	char to[ENDPOINT_TEXT_SIZE];
	uint64_t sum = 0, dropped;
	json_t *errors = json_object();
	json_t *drops = drops_json(output, &dropped);
	json_t *object;

	for (unsigned int i = 0; i < SEND_ERRORS; i++) {
		sum += output->errors[i];
		if (output->errors[i])
			json_put(&errors, send_error_name(i), number(output->errors[i]));
	}
	object = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "to",
		output_format(output->rule, to), "submitted_packets", number(output->submitted),
		"sent_packets", number(output->sent), "sent_bytes", number(output->sent_bytes),
		"send_errors", number(sum), "errors", errors, "dropped_packets", number(dropped),
		"drops", drops, "icmp_errors", icmp_json(output), "gso_refused_batches",
		number(output->gso_refused), "gso_segments", number(output->gso_segments),
		"gso_max_bytes", number(output->gso_max_size));
	add_rates(&object, rates);
	if (output->rule->when == OUTPUT_WHEN_JOINED)
		json_put(&object, "wanted", json_boolean(!output->unwanted));
	if (output->reason)
		json_put(&object, "reason", json_text_string(output->reason));
	return object;
}

json_t *stats_tags_json(uint32_t tags)
{
	char text[2][16] = {};

	for (unsigned int i = 0; i < 2; i++) {
		unsigned int tag = tags >> 16 * (1 - i) & 0xffff;

		if (tag)
			snprintf(text[i], sizeof(text[i]), "802.1%s %u",
				 tag & XMC_TAG_8021AD ? "ad" : "Q", tag & 0xfff);
	}
	return json_sprintf("%s%s%s", text[0], *text[0] ? ", " : "", text[1]);
}

/* NULL: the input is no VLAN. */
static json_t *vlan_json(const struct rule_counts *rule)
{
	if (rule->tags)
		return json_pack("{s:o, s:o}", "interface", json_text_string(rule->vlan_base),
				 "tags", stats_tags_json(rule->tags));
	return rule->vlan_reason ? json_pack("{s:o}", "reason", json_text_string(rule->vlan_reason))
				 : NULL;
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns / NS_PER_SECOND);
}

/* Of a rule that merges its inputs. */
static void add_merged_side(json_t **object, const struct merged_side *side)
{
	json_put(object, "duplicate_packets", number(side->duplicate));
	json_put(object, "late_packets", number(side->late));
	json_put(object, "foreign_packets", number(side->foreign));
	json_put(object, "missing_numbers", number(side->missing));
	json_put(object, "lag_seconds", seconds(side->lag_ns));
	json_put(object, "max_lag_seconds", seconds(side->most_lag_ns));
}

static void add_merged(json_t **object, const struct merged_counts *merged)
{
	json_put(object, "missing_numbers", number(merged->missing));
	json_put(object, "restarts", number(merged->restarts));
	json_put(object, "forced_gaps", number(merged->forced));
	json_put(object, "held_packets", number(merged->held));
	json_put(object, "merge_bytes", number(merged->memory));
}

static json_t *side_json(const struct rule *rule, unsigned int i, const struct side_counts *side,
			 uint64_t now_ns)
{
	char in[ENDPOINT_TEXT_SIZE], source[SOURCE_TEXT_SIZE];
	struct rule view;
	json_t *object;

	rule_of_side(rule, i, &view);
	object = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name",
			   rule->sides[i].label, "in", input_format(&view, in), "state",
			   side->state, "selected", side->selected, "received_packets",
			   number(side->received), "received_bytes", number(side->received_bytes),
			   "used_packets", number(side->used), "inactive_packets",
			   number(side->inactive), "side_change_packets", number(side->changing));
	if (!addr_is_any(&view.source))
		json_put(&object, "source", json_string(source_format(&view, source)));
	if (rule->merge)
		add_merged_side(&object, &side->merged);
	if (rule->watch)
		json_put(&object, "watch", health_side_json(rule, side, now_ns));
	if (side->reason)
		json_put(&object, "reason", json_text_string(side->reason));
	return object;
}

/* The sides of a rule with several inputs. */
static void add_sides(json_t **object, const struct rule_counts *rule, uint64_t now_ns)
{
	char text[FIELD_TEXT_SIZE];
	json_t *sides = json_array();

	for (unsigned int i = 0; i < rule->rule->nr_sides; i++)
		json_add(&sides, side_json(rule->rule, i, &rule->sides[i], now_ns));
	json_put(object, "sides", sides);
	if (rule->rule->select) {
		json_put(object, "select", json_string("first"));
		json_put(object, "switches", number(rule->switches));
	} else {
		json_put(object, "merge",
			 json_string(field_format(&rule_fields[RULE_MERGE], rule->rule, text)));
		add_merged(object, &rule->merged);
	}
}

/* Groups of a prefix, or sources of one group, that receivers want. */
static void add_streams(json_t **object, const struct rule_counts *rule)
{
	bool prefix = rule->rule->group_host_bits;

	json_put(object, prefix ? "groups" : "sources", json_integer(rule->groups));
	json_put(object, prefix ? "refused_groups" : "refused_sources",
		 json_integer(rule->refused_groups));
	json_put(object, "refused_over_share", json_integer(rule->over_share));
}

json_t *stats_rule_json(const struct stats *stats, unsigned int index)
{
	const struct rule_counts *rule = &stats->books->rules[index];
	const struct stats_rates *rates = &stats->rules[index];
	char in[ENDPOINT_TEXT_SIZE];
	char source[SOURCE_TEXT_SIZE];
	json_t *outputs = json_array();
	json_t *object;

	for (unsigned int i = 0; i < rule->rule->nr_outputs; i++) {
		unsigned int j = rule->first_output + i;

		json_add(&outputs, output_json(&stats->books->outputs[j], &stats->outputs[j]));
	}
	object =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "name", rule->rule->name,
			  "in", input_format(rule->rule, in), "state", rule->state, "path",
			  rule->path, "flow", flow_name(rates->flow), "received_packets",
			  number(rule->received), "received_bytes", number(rule->received_bytes),
			  "latency", latency_json(rule), "outputs", outputs);
	add_rates(&object, rates);
	json_put(&object, "path_fallback",
		 json_boolean(rule->path_reason && strcmp(rule->path, "user") == 0));
	if (rule->rule->lease_shards) {
		json_put(&object, "standby_packets", number(rule->standby));
		json_put(&object, "lease",
			 json_pack("{s:s, s:i, s:i}", "name", rule->rule->lease, "shards",
				   rule->rule->lease_shards, "shard", (int)rule_shard(rule->rule)));
	}
	if (rule->rule->group_host_bits || rule->groups || rule->refused_groups)
		add_streams(&object, rule);
	if (rule->has_sequence)
		json_put(&object, "sequence",
			 json_pack("{s:I, s:i}", "last", (json_int_t)rule->sequence, "bits",
				   rule->rule->sequence_bits));
	if (rule->rule->watch)
		json_put(&object, "watch",
			 health_json(rule, rates->stream, stats->books->taken_ns));
	if (rule->sides)
		add_sides(&object, rule, stats->books->taken_ns);
	if (rule->reason)
		json_put(&object, "reason", json_text_string(rule->reason));
	if (rule->path_reason)
		json_put(&object, "path_reason", json_text_string(rule->path_reason));
	if (rule->tags || rule->vlan_reason)
		json_put(&object, "vlan", vlan_json(rule));
	if (!addr_is_any(&rule->rule->source))
		json_put(&object, "source", json_string(source_format(rule->rule, source)));
	return object;
}

/* null: of workers that ended because their member has left the bond. */
static json_t *queue_number(const struct worker_counts *worker)
{
	return worker->ended ? json_null() : json_integer(worker->queue);
}

static json_t *queue_json(const struct worker_counts *worker)
{
	const struct xsk_drops *kernel = &worker->state.kernel;
	json_t *object =
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "queue", queue_number(worker),
			  "received_packets", number(worker->state.received), "rx_dropped",
			  number(kernel->rx_dropped), "rx_ring_full", number(kernel->rx_ring_full),
			  "fill_ring_empty", number(kernel->fill_ring_empty));

	if (worker->member)
		json_put(&object, "member", json_text_string(worker->member));
	return object;
}

static json_t *redirect_json(const struct redirect_counts *redirect)
{
	static const char *const names[] = XMC_DEVICE_DROP_NAMES;
	json_t *drops = json_object();
	uint64_t sum = 0;

	for (unsigned int i = 0; i < XMC_DEVICE_DROPS; i++) {
		sum += redirect->dropped[i];
		json_put(&drops, names[i], number(redirect->dropped[i]));
	}
	return json_pack("{s:o, s:o, s:o}", "sent_packets", number(redirect->sent),
			 "dropped_packets", number(sum), "drops", drops);
}

/* The names of all members, or of those that the bond uses. */
static json_t *members_json(const struct interface_counts *iface, bool all)
{
	json_t *members = json_array();

	for (unsigned int i = 0; i < iface->nr_members; i++) {
		if (all || !iface->inactive[i])
			json_add(&members, json_text_string(iface->members[i]));
	}
	return members;
}

json_t *stats_interface_json(const struct books *books, const struct interface_counts *iface)
{
	static const char *const names[] = XMC_REASON_NAMES;
	json_t *verdicts = json_object();
	json_t *redirected = json_object();
	json_t *queues = json_array();
	json_t *vlans = json_array();
	json_t *object;

	for (unsigned int i = 0; i < XMC_REASONS; i++)
		json_put(&verdicts, names[i], number(iface->verdicts[i]));
	for (unsigned int i = 0; i < iface->nr_workers; i++)
		json_add(&queues, queue_json(&books->workers[iface->first_worker + i]));
	for (unsigned int i = 0; i < iface->nr_redirects; i++) {
		json_t *device = json_text_string(iface->redirects[i].device);

		json_put(&redirected, json_string_value(device),
			 redirect_json(&iface->redirects[i]));
		json_decref(device);
	}
	for (unsigned int i = 0; i < iface->nr_vlans; i++)
		json_add(&vlans, json_text_string(iface->vlans[i]));
	object = json_pack("{s:s, s:s, s:s?, s:b, s:o, s:o, s:o, s:o}", "name", iface->name,
			   "state", iface->state, "mode", iface->mode, "zero_copy",
			   iface->zero_copy, "queues", queues, "verdicts", verdicts, "redirected",
			   redirected, "vlans", vlans);
	if (iface->reason)
		json_put(&object, "reason", json_text_string(iface->reason));
	json_put(&object, "missing_packets", number(iface->missing));
	if (iface->hint)
		json_put(&object, "hint", json_text_string(iface->hint));
	if (iface->nr_members) {
		json_put(&object, "members", members_json(iface, true));
		json_put(&object, "active_members", members_json(iface, false));
	}
	return object;
}

static json_t *device_json(const struct device_counts *device)
{
	static const char *const names[] = DEVICE_DROP_NAMES;
	json_t *drops = json_object();
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DEVICE_DROPS; i++) {
		sum += device->drops[i];
		json_put(&drops, names[i], number(device->drops[i]));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "name", json_text_string(device->name),
			 "sent_packets", number(device->sent), "dropped_packets", number(sum),
			 "drops", drops);
}

json_t *stats_worker_json(const struct worker_counts *worker)
{
	static const char *const names[] = INGRESS_DROP_NAMES;
	const struct worker_state *state = &worker->state;
	json_t *drops = json_object();
	json_t *object;

	for (unsigned int i = 0; i < INGRESS_DROPS; i++)
		json_put(&drops, names[i], number(state->drops[i]));
	object = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			   "interface", worker->iface, "queue", queue_number(worker),
			   "received_packets", number(state->received), "drops", drops, "frames",
			   number(state->frames), "kernel_frames", number(state->kernel_frames),
			   "queued_frames", number(state->queued), "in_flight_frames",
			   number(state->in_flight), "wakeups", number(state->wakeups), "sleeps",
			   number(state->sleeps), "submits", number(state->submits), "sends",
			   number(state->sends), "cq_overflows", number(state->cq_overflows),
			   "uncertain_frames", number(state->uncertain));
	if (worker->member)
		json_put(&object, "member", json_text_string(worker->member));
	return object;
}

json_t *stats_json(const struct stats *stats)
{
	const struct books *books = stats->books;
	json_t *rules = json_array();
	json_t *interfaces = json_array();
	json_t *workers = json_array();
	json_t *devices = json_array();

	for (unsigned int i = 0; i < books->nr_rules; i++)
		json_add(&rules, stats_rule_json(stats, i));
	for (unsigned int i = 0; i < books->nr_interfaces; i++)
		json_add(&interfaces, stats_interface_json(books, &books->interfaces[i]));
	for (unsigned int i = 0; i < books->nr_workers; i++)
		json_add(&workers, stats_worker_json(&books->workers[i]));
	for (unsigned int i = 0; i < books->nr_devices; i++)
		json_add(&devices, device_json(&books->devices[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "uptime_seconds",
			 number(books->uptime_seconds), "generation", number(books->generation),
			 "total", number(books->all_rules), "totals", totals_json(books), "rules",
			 rules, "interfaces", interfaces, "output_interfaces", devices, "workers",
			 workers);
}
