/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

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

/* Whether this second may have another event. */
static bool may_emit(struct sampler *sampler)
{
	if (sampler->emitted == SAMPLER_EVENTS) {
		sampler->suppressed++;
		return false;
	}
	sampler->emitted++;
	return true;
}

/* `bad`: an administrator would look into it. */
static void emit_rule(struct sampler *sampler, const char *name, bool bad,
		      const struct stats_rule *stats, const char *reason)
{
	if (may_emit(sampler))
		log_write_event(LOG_FACILITY_RULES, bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, name,
				LOG_NAME("rule", stats->rule->name), LOG_TEXT("reason", reason));
}

static void emit_output(struct sampler *sampler, const struct rule *rule,
			const struct rule_output *output, const struct log_count *errors,
			unsigned int nr_errors)
{
	char to[ENDPOINT_TEXT_SIZE];

	if (may_emit(sampler))
		log_write_event(LOG_FACILITY_EGRESS, nr_errors ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
				nr_errors ? "dropping" : "dropping-ended",
				LOG_NAME("rule", rule->name),
				LOG_NAME("output", output_format(output, to)),
				nr_errors ? LOG_COUNTS("errors", errors, nr_errors) : LOG_NONE);
}

/* ---- samples ---- */

void sampler_begin(struct sampler *sampler, uint64_t now_ns, unsigned int silent_after)
{
	*sampler = (struct sampler){.now_ns = now_ns, .silent_after = silent_after};
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
			       struct log_count numbers[LOSSES])
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
			numbers[count++] = (struct log_count){loss_name(i), grown};
	}
	meter->nr_losses = sum;
	return count;
}

static void sample_output(struct sampler *sampler, struct output_meter *meter,
			  const struct stats_rule *rule, const struct stats_output *stats)
{
	struct log_count errors[LOSSES];
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
	if (may_emit(sampler))
		log_write_event(LOG_FACILITY_INGRESS, packets ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
				packets ? "buffer-exhausted" : "buffer-exhausted-ended",
				LOG_NAME("interface", iface),
				packets ? LOG_UINT("packets", packets) : LOG_NONE);
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
	if (sampler->suppressed)
		log_write_event(LOG_FACILITY_DAEMON, LOG_LEVEL_WARNING, "events-suppressed",
				LOG_UINT("count", sampler->suppressed));
}
