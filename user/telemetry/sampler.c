/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* What a timer's jitter must not turn into another second: samples are as far apart as that. */
#define JITTER_NS (NS_PER_SECOND / 20)

/* Why datagrams of an output are lost: the errors of sends, and what is over its limit. */
#define LOSS_RATE_LIMITED SEND_ERRORS
#define LOSSES		  (SEND_ERRORS + 1)

struct output_meter {
	struct rates rates; /* of what was sent */
	uint64_t nr_losses;
	uint32_t losses[LOSSES]; /* the counters' low halves: only differences matter */
	uint16_t quiet;		 /* samples without another loss */
	bool dropping;
};

struct meter {
	struct rates rates; /* of what was received */
	uint8_t flow;	    /* enum flow, as it was told */
	bool pending;	    /* as it was told */
	uint16_t nr_outputs;
	struct output_meter outputs[];
};

/* ---- meters ---- */

struct meter *meter_new(unsigned int nr_outputs, uint64_t now_ns)
{
	struct meter *meter = calloc(1, sizeof(*meter) + nr_outputs * sizeof(*meter->outputs));

	if (!meter)
		return NULL;
	meter->nr_outputs = (uint16_t)nr_outputs;
	rates_start(&meter->rates, now_ns);
	for (unsigned int i = 0; i < nr_outputs; i++)
		rates_start(&meter->outputs[i].rates, now_ns);
	return meter;
}

void meter_free(struct meter *meter)
{
	free(meter);
}

void meter_reset_peaks(struct meter *meter)
{
	rates_reset_peak(&meter->rates);
	for (unsigned int i = 0; i < meter->nr_outputs; i++)
		rates_reset_peak(&meter->outputs[i].rates);
}

static void read_rates(const struct rates *rates, uint64_t now_ns, uint64_t packets,
		       struct stats_rates *stats)
{
	uint64_t ago;

	stats->second = rates_second(rates);
	stats->window = rates_window(rates);
	stats->peak = (struct rate){.pps = rates->peak_pps, .bps = rates->peak_bps};
	stats->last_packet_seconds =
		rates_last_packet(rates, now_ns, packets, &ago) ? ago / NS_PER_SECOND : STATS_NEVER;
}

static enum flow flow_of(const struct meter *meter, uint64_t now_ns, unsigned int silent_after,
			 uint64_t received)
{
	return rates_flow(&meter->rates, now_ns, received,
			  silent_after * NS_PER_SECOND - JITTER_NS);
}

void meter_read(const struct meter *meter, uint64_t now_ns, unsigned int silent_after,
		struct stats_rule *stats)
{
	stats->flow = flow_of(meter, now_ns, silent_after, stats->received);
	read_rates(&meter->rates, now_ns, stats->received, &stats->rates);
	for (unsigned int i = 0; i < meter->nr_outputs; i++) {
		struct stats_output *output = &stats->outputs[i];

		read_rates(&meter->outputs[i].rates, now_ns, output->sent, &output->rates);
	}
}

/* ---- events ---- */

static void emit(struct sampler *sampler, const struct event *event)
{
	if (sampler->emitted == SAMPLER_EVENTS) {
		sampler->suppressed++;
		return;
	}
	sampler->emitted++;
	event_emit(sampler->events, event);
}

/* `bad`: it is what an admin would look into. */
static void emit_rule(struct sampler *sampler, const char *name, bool bad,
		      const struct stats_rule *stats, const char *reason)
{
	struct event event;

	event_init(&event, name, LOG_FACILITY_RULES, bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
	event_add_text(&event, "rule", stats->rule->name);
	event_add_text(&event, "reason", reason);
	emit(sampler, &event);
}

static void emit_output(struct sampler *sampler, const struct rule *rule,
			const struct rule_output *output, const struct event_number *errors,
			unsigned int nr_errors)
{
	char to[ENDPOINT_TEXT_SIZE];
	struct event event;

	event_init(&event, nr_errors ? "dropping" : "dropping-ended", LOG_FACILITY_EGRESS,
		   nr_errors ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
	event_add_text(&event, "rule", rule->name);
	event_add_text(&event, "output", output_format(output, to));
	if (nr_errors)
		event_add_numbers(&event, "errors", errors, nr_errors);
	emit(sampler, &event);
}

/* ---- samples ---- */

void sampler_begin(struct sampler *sampler, const struct events *events, uint64_t now_ns,
		   unsigned int silent_after)
{
	*sampler =
		(struct sampler){.events = events, .now_ns = now_ns, .silent_after = silent_after};
}

static uint64_t loss(const struct stats_output *stats, unsigned int reason)
{
	return reason == LOSS_RATE_LIMITED ? stats->rate_limited : stats->errors[reason];
}

static const char *loss_name(unsigned int reason)
{
	return reason == LOSS_RATE_LIMITED ? "rate_limited" : send_error_name(reason);
}

/* The losses since the last sample, by name. Returns how many names there are. */
static unsigned int new_losses(struct output_meter *meter, const struct stats_output *stats,
			       struct event_number numbers[LOSSES])
{
	unsigned int count = 0;
	uint64_t sum = 0;
	bool anew;

	for (unsigned int i = 0; i < LOSSES; i++)
		sum += loss(stats, i);
	anew = sum < meter->nr_losses; /* another stream: what it has counted is new */
	for (unsigned int i = 0; i < LOSSES; i++) {
		uint32_t before = anew ? 0 : meter->losses[i];
		uint32_t grown = (uint32_t)loss(stats, i) - before;

		meter->losses[i] = (uint32_t)loss(stats, i);
		if (grown)
			numbers[count++] = (struct event_number){loss_name(i), grown};
	}
	meter->nr_losses = sum;
	return count;
}

static void sample_output(struct sampler *sampler, struct output_meter *meter,
			  const struct stats_rule *rule, const struct stats_output *stats)
{
	struct event_number errors[LOSSES];
	unsigned int count = new_losses(meter, stats, errors);

	rates_sample(&meter->rates, sampler->now_ns, stats->sent, stats->sent_bytes);
	if (count) {
		if (!meter->dropping)
			emit_output(sampler, rule->rule, stats->rule, errors, count);
		meter->dropping = true;
		meter->quiet = 0;
	} else if (meter->dropping && ++meter->quiet >= SAMPLER_QUIET) {
		emit_output(sampler, rule->rule, stats->rule, NULL, 0);
		meter->dropping = false;
	}
}

void sampler_rule(struct sampler *sampler, struct meter *meter, const struct stats_rule *stats)
{
	bool pending = strcmp(stats->state, "pending") == 0;
	enum flow flow;

	if (pending != meter->pending)
		emit_rule(sampler, pending ? "pending" : "active", pending, stats, stats->reason);
	meter->pending = pending;
	rates_sample(&meter->rates, sampler->now_ns, stats->received, stats->received_bytes);
	flow = flow_of(meter, sampler->now_ns, sampler->silent_after, stats->received);
	/* To "never" only another stream can go back, and that one has not changed. */
	if (flow != meter->flow && flow != FLOW_NEVER)
		emit_rule(sampler, flow_name(flow), flow == FLOW_SILENT, stats, NULL);
	meter->flow = (uint8_t)flow;
	for (unsigned int i = 0; i < meter->nr_outputs; i++)
		sample_output(sampler, &meter->outputs[i], stats, &stats->outputs[i]);
}

void sampler_rule_gone(struct sampler *sampler, const struct meter *meter, const struct rule *rule)
{
	for (unsigned int i = 0; i < meter->nr_outputs; i++) {
		if (meter->outputs[i].dropping)
			emit_output(sampler, rule, &rule->outputs[i], NULL, 0);
	}
}

static void emit_interface(struct sampler *sampler, const char *iface, uint64_t packets)
{
	struct event event;

	event_init(&event, packets ? "buffer-exhausted" : "buffer-exhausted-ended",
		   LOG_FACILITY_INGRESS, packets ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO);
	event_add_text(&event, "interface", iface);
	if (packets)
		event_add_number(&event, "packets", packets);
	emit(sampler, &event);
}

void sampler_interface(struct sampler *sampler, struct interface_meter *meter,
		       const struct stats *stats, const struct stats_interface *iface)
{
	uint64_t exhausted = 0;
	uint64_t grown;

	for (unsigned int i = 0; i < iface->nr_workers; i++)
		exhausted += stats->workers[iface->first_worker + i].state.kernel.fill_ring_empty;
	/* Less than before: its sockets are other ones. */
	grown = exhausted < meter->exhausted ? exhausted : exhausted - meter->exhausted;
	meter->exhausted = exhausted;
	if (grown) {
		if (!meter->exhausting)
			emit_interface(sampler, iface->name, grown);
		meter->exhausting = true;
		meter->quiet = 0;
	} else if (meter->exhausting && ++meter->quiet >= SAMPLER_QUIET) {
		emit_interface(sampler, iface->name, 0);
		meter->exhausting = false;
	}
}

void sampler_interface_gone(struct sampler *sampler, const struct interface_meter *meter,
			    const char *iface)
{
	if (meter->exhausting)
		emit_interface(sampler, iface, 0);
}

void sampler_end(struct sampler *sampler)
{
	struct event event;

	if (!sampler->suppressed)
		return;
	event_init(&event, "events-suppressed", LOG_FACILITY_DAEMON, LOG_LEVEL_WARNING);
	event_add_number(&event, "count", sampler->suppressed);
	event_emit(sampler->events, &event);
}
