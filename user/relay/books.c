/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/clock.h"
#include "relay/relay_internal.h"

static void sum_received(const struct stream *stream, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
	for (unsigned int i = 0; stream && i < stream->nr_shards; i++) {
		*packets += counter_read(&stream->shards[i].received);
		*bytes += counter_read(&stream->shards[i].received_bytes);
	}
}

/* The smaller of both; in the first round the second. */
static unsigned int least(unsigned int so_far, unsigned int value, unsigned int round)
{
	return round && so_far < value ? so_far : value;
}

static void read_output(const struct output *output, unsigned int nr_shards,
			struct stats_output *stats)
{
	stats->reason = output->reason;
	for (unsigned int i = 0; i < nr_shards; i++) {
		const struct output_shard *queue = &output->shards[i];

		/* First what follows the submission, see stats.h. */
		stats->sent += counter_read(&queue->sent);
		stats->sent_bytes += counter_read(&queue->sent_bytes);
		stats->gso_refused += counter_read(&queue->gso_refused);
		/* The queues find out each for itself; what the most careful one does is told. */
		stats->gso_segments = least(stats->gso_segments, queue->gso_segments, i);
		stats->gso_max_size = least(stats->gso_max_size, queue->gso_max_size, i);
		for (unsigned int j = 0; j < SEND_ERRORS; j++)
			stats->errors[j] += counter_read(&queue->errors[j]);
		stats->submitted += counter_read(&queue->submitted);
		stats->rate_limited += counter_read(&queue->rate_limited);
	}
}

static void read_entry(const struct route *route, struct stats_rule *stats)
{
	const struct stream *stream = route->stream;

	stats->rule = route->rule;
	stats->state = "active";
	if (route->rule->disabled) {
		stats->state = "disabled";
	} else {
		stats->reason = route_reason(route);
		if (stats->reason)
			stats->state = "pending";
	}
	stats->latency = stream ? stream->latency : NULL;
	stats->nr_latency = stream ? stream->nr_shards : 0;
	for (unsigned int i = 0; i < route->rule->nr_outputs; i++) {
		stats->outputs[i].rule = &route->rule->outputs[i];
		if (stream)
			read_output(&stream->outputs[i], stream->nr_shards, &stats->outputs[i]);
	}
	/* After its outputs, see stats.h. */
	sum_received(stream, &stats->received, &stats->received_bytes);
}

static void read_port(const struct intake *intake, struct stats_interface *stats,
		      struct stats_worker *workers)
{
	stats->name = intake->name;
	stats->state = intake->failed ? "failed" : intake->impaired ? "impaired" : "active";
	stats->reason = intake->failed || intake->impaired ? intake->reason : NULL;
	stats->nr_workers = intake->nr_workers;
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		workers[i].iface = intake->name;
		workers[i].worker = intake->workers[i];
		workers[i].queue = worker_queue(intake->workers[i]);
		worker_read(intake->workers[i], &workers[i].state);
		stats->zero_copy = worker_zero_copy(intake->workers[i]);
	}
	/* After its workers, see stats.h. */
	if (intake->steer) {
		stats->mode = intake->mode == IFACE_MODE_NATIVE ? "native" : "skb";
		steer_verdicts(intake->steer, stats->verdicts);
	}
}

struct stats *relay_stats(const struct relay *relay)
{
	unsigned int outputs = 0;
	unsigned int workers = 0;
	uint64_t now = clock_ns();
	struct stats *stats;

	for (unsigned int i = 0; i < relay->config.nr_rules; i++)
		outputs += relay->routes[i]->rule->nr_outputs;
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		workers += relay->intakes[i]->nr_workers;
	stats = stats_new(relay->config.nr_rules, outputs, relay->nr_intakes, workers);
	if (!stats)
		return NULL;
	stats->generation = relay->generation;
	stats->retired = relay->retired;
	stats->uptime_seconds = (now - relay->started_ns) / NS_PER_SECOND;
	workers = 0;
	/* Rules before interfaces: from the last stage of a packet to the first, see stats.h. */
	outputs = 0;
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		stats->rules[i].outputs = &stats->outputs[outputs];
		outputs += relay->routes[i]->rule->nr_outputs;
		read_entry(relay->routes[i], &stats->rules[i]);
		meter_read(relay->routes[i]->meter, now, relay->config.events.silent_after,
			   &stats->rules[i]);
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		stats->interfaces[i].first_worker = workers;
		read_port(relay->intakes[i], &stats->interfaces[i], &stats->workers[workers]);
		workers += relay->intakes[i]->nr_workers;
	}
	return stats;
}

bool relay_attachment(const struct relay *relay, const char *iface,
		      struct relay_attachment *attachment)
{
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		const struct intake *intake = relay->intakes[i];
		const struct pins *pins;

		if (!intake->attached || strcmp(intake->name, iface) != 0)
			continue;
		pins = steer_pins(intake->steer);
		attachment->external = intake->external;
		attachment->pins = intake->external ? pins->folder : NULL;
		for (enum pin pin = 0; pin < NR_PINS; pin++)
			attachment->maps[pin] = pins_map_id(pins, pin);
		return true;
	}
	return false;
}

/* ---- rates ---- */

void relay_sample(struct relay *relay)
{
	struct stats *stats = relay_stats(relay);
	struct sampler sampler;

	if (!stats)
		return;
	sampler_begin(&sampler, clock_ns(), relay->config.events.silent_after);
	for (unsigned int i = 0; i < stats->nr_rules; i++)
		sampler_rule(&sampler, relay->routes[i]->meter, &stats->rules[i]);
	for (unsigned int i = 0; i < stats->nr_interfaces; i++)
		sampler_interface(&sampler, &relay->intakes[i]->meter, stats,
				  &stats->interfaces[i]);
	sampler_end(&sampler);
	stats_free(stats);
}

void relay_reset_peaks(struct relay *relay)
{
	for (unsigned int i = 0; i < relay->config.nr_rules; i++)
		meter_reset_peaks(relay->routes[i]->meter);
}

/* ---- what is no more ---- */

void relay_retire_entry(struct relay *relay, const struct route *route)
{
	relay_retire_stream(relay, route->stream);
}

void relay_retire_stream(struct relay *relay, const struct stream *stream)
{
	for (unsigned int i = 0; stream && i < stream->nr_outputs; i++) {
		struct stats_output output = {0};

		read_output(&stream->outputs[i], stream->nr_shards, &output);
		stats_sum_output(&output, &relay->retired);
	}
}

void relay_retire_port(struct relay *relay, const struct intake *intake)
{
	struct stats_interface interface = {0};

	if (intake->steer && !steer_verdicts(intake->steer, interface.verdicts))
		stats_sum_interface(&interface, &relay->retired);
	for (unsigned int i = 0; i < intake->nr_workers; i++) {
		struct worker_state state;

		worker_read(intake->workers[i], &state);
		stats_sum_worker(&state, &relay->retired);
	}
}
