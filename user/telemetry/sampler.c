/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/sampler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "telemetry/device_meters.h"
#include "telemetry/stream_meter.h"

/* Samples may come this much early by a timer's jitter: silence is not a second longer for that. */
#define JITTER_NS (NS_PER_SECOND / 20)

/* Why datagrams of an output are lost: an error of the send, the output's limit, a copy that the
 * kernel did not make, or why it is withheld. */
#define LOSS_RATE_LIMITED SEND_ERRORS
#define LOSS_NOT_COPIED	  (SEND_ERRORS + 1)
#define LOSS_WITHHELD	  (SEND_ERRORS + 2)
#define LOSSES		  (LOSS_WITHHELD + WITHHELD_REASONS)

/* What an output is called in events, also once its rule is gone. */
struct output_name {
	char rule[RULE_NAME_SIZE];
	char output[ENDPOINT_TEXT_SIZE];
};

/* Something about an output that begins with an event and ends with another one. */
struct trouble {
	struct output_name *output; /* NULL: it has none */
	uint32_t quiet;		    /* samples without more of it */
};

/* What the events of a trouble are called. */
struct trouble_events {
	const char *begun, *ended;
	unsigned int quiet; /* samples without more of it after which it has ended */
};

static const struct trouble_events dropping_events = {
	"dropping",
	"dropping-ended",
	METER_QUIET,
};

/* A host reports one in many packets, a second apart or more. */
static const struct trouble_events icmp_events = {
	"icmp-errors",
	"icmp-errors-ended",
	SAMPLER_ICMP_QUIET,
};

/* What is remembered of an output: about 400 bytes. */
struct output_meter {
	struct rates rates; /* of what was sent */
	uint64_t nr_losses;
	uint32_t losses[LOSSES]; /* the counters' low halves: only differences matter */
	uint32_t icmp[ICMP_KINDS];
	struct trouble dropping;
	struct trouble reported; /* by ICMP */
};

/* Which path an active rule uses. */
enum carrier {
	CARRIER_UNKNOWN, /* it has not been active yet */
	CARRIER_USER,
	CARRIER_FALLBACK, /* the user path, because the kernel path cannot carry it now */
	CARRIER_KERNEL,
};

/* What is remembered of a rule: 240 bytes. */
struct meter {
	uint64_t id;	      /* see rule_counts */
	struct rates rates;   /* of what was received */
	enum flow flow;	      /* as it was reported */
	enum carrier carrier; /* as it was reported */
	uint32_t sweep;	      /* the last one that has seen the rule */
	uint16_t nr_outputs;
	bool pending, idle;	     /* as it was reported */
	struct stream_meter *stream; /* of a rule with `watch`; otherwise NULL */
	struct output_meter outputs[];
};

struct sampler {
	struct event_quota quota;
	uint32_t sweep;
	uint64_t generation; /* of the configuration when this sweep began */
	unsigned int nr_meters;
	unsigned int room;
	struct meter **meters; /* sorted by id */
	struct device_meters devices;
};

/* ---- events ---- */

/* `bad`: an administrator would look into it. */
static void emit_rule(struct sampler *sampler, const char *name, bool bad,
		      const struct rule_counts *counts, const char *reason)
{
	if (event_quota_take(&sampler->quota))
		log_write_event(LOG_FACILITY_RULES, bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, name,
				LOG_NAME("rule", counts->rule->name), LOG_TEXT("reason", reason));
}

static void emit_path(struct sampler *sampler, bool bad, const struct rule_counts *counts)
{
	if (event_quota_take(&sampler->quota))
		log_write_event(LOG_FACILITY_RULES, bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
				"path-changed", LOG_NAME("rule", counts->rule->name),
				LOG_TEXT("path", counts->path),
				LOG_TEXT("reason", counts->path_reason));
}

/* No errors: it has ended. */
static void emit_output(struct sampler *sampler, const struct trouble_events *events,
			const struct output_name *name, const struct log_count *errors,
			unsigned int nr_errors)
{
	if (event_quota_take(&sampler->quota))
		log_write_event(LOG_FACILITY_EGRESS, nr_errors ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
				nr_errors ? events->begun : events->ended,
				LOG_NAME("rule", name->rule), LOG_NAME("output", name->output),
				nr_errors ? LOG_COUNTS("errors", errors, nr_errors) : LOG_NONE);
}

/* ---- meters ---- */

static struct meter *meter_new(const struct rule_counts *counts)
{
	unsigned int nr_outputs = counts->rule->nr_outputs;
	struct meter *meter = calloc(1, sizeof(*meter) + nr_outputs * sizeof(*meter->outputs));

	if (!meter)
		return NULL;
	/* Without memory, what breaks the stream is counted, and not reported. */
	if (counts->rule->watch)
		meter->stream = stream_meter_new(counts);
	meter->id = counts->id;
	meter->nr_outputs = (uint16_t)nr_outputs;
	rates_start(&meter->rates, counts->since_ns);
	for (unsigned int i = 0; i < nr_outputs; i++)
		rates_start(&meter->outputs[i].rates, counts->since_ns);
	return meter;
}

static void meter_free(struct meter *meter)
{
	for (unsigned int i = 0; meter && i < meter->nr_outputs; i++) {
		free(meter->outputs[i].dropping.output);
		free(meter->outputs[i].reported.output);
	}
	if (meter)
		stream_meter_free(meter->stream);
	free(meter);
}

/* Where the meter of this id is, or would be. `hint`: where it is if the rules are in the order in
 * which they were defined, as they mostly are. */
static unsigned int find_place(const struct sampler *sampler, uint64_t id, unsigned int hint)
{
	unsigned int low = 0;
	unsigned int high = sampler->nr_meters;

	if (hint < high && sampler->meters[hint]->id == id)
		return hint;
	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (sampler->meters[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct meter *meter_at(const struct sampler *sampler, unsigned int place, uint64_t id)
{
	if (place < sampler->nr_meters && sampler->meters[place]->id == id)
		return sampler->meters[place];
	return NULL;
}

/* A new meter at this place. NULL: no memory. */
static struct meter *add_meter(struct sampler *sampler, unsigned int place,
			       const struct rule_counts *counts)
{
	struct meter *meter;

	if (sampler->nr_meters == sampler->room) {
		unsigned int room = sampler->room ? 2 * sampler->room : 64;
		struct meter **larger = realloc(sampler->meters, room * sizeof(*larger));

		if (!larger)
			return NULL;
		sampler->meters = larger;
		sampler->room = room;
	}
	meter = meter_new(counts);
	if (!meter)
		return NULL;
	memmove(&sampler->meters[place + 1], &sampler->meters[place],
		(sampler->nr_meters - place) * sizeof(*sampler->meters));
	sampler->meters[place] = meter;
	sampler->nr_meters++;
	return meter;
}

static void end_trouble(struct sampler *sampler, const struct trouble_events *events,
			struct trouble *trouble)
{
	if (!trouble->output)
		return;
	emit_output(sampler, events, trouble->output, NULL, 0);
	free(trouble->output);
	trouble->output = NULL;
}

static void end_rule(struct sampler *sampler, struct meter *meter)
{
	for (unsigned int i = 0; i < meter->nr_outputs; i++) {
		end_trouble(sampler, &dropping_events, &meter->outputs[i].dropping);
		end_trouble(sampler, &icmp_events, &meter->outputs[i].reported);
	}
	stream_meter_end(meter->stream, &sampler->quota);
	meter_free(meter);
}

/* End the rules that this sweep has not seen. */
static void end_missing_rules(struct sampler *sampler)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < sampler->nr_meters; i++) {
		if (sampler->meters[i]->sweep == sampler->sweep)
			sampler->meters[left++] = sampler->meters[i];
		else
			end_rule(sampler, sampler->meters[i]);
	}
	sampler->nr_meters = left;
}

/* ---- samples ---- */

static uint64_t loss(const struct output_counts *counts, unsigned int reason)
{
	switch (reason) {
	case LOSS_RATE_LIMITED:
		return counts->rate_limited;
	case LOSS_NOT_COPIED:
		return counts->not_copied;
	case LOSS_WITHHELD + WITHHELD_STANDBY:	     /* another host sends them */
	case LOSS_WITHHELD + WITHHELD_NOT_JOINED:    /* nobody wants them */
	case LOSS_WITHHELD + WITHHELD_INACTIVE_SIDE: /* another input has them */
	case LOSS_WITHHELD + WITHHELD_DUPLICATE:     /* likewise */
	case LOSS_WITHHELD + WITHHELD_LATE:
	case LOSS_WITHHELD + WITHHELD_FOREIGN:
		return 0;
	default:
		return reason < SEND_ERRORS ? counts->errors[reason]
					    : counts->withheld[reason - LOSS_WITHHELD];
	}
}

static const char *loss_name(unsigned int reason)
{
	static const char *const withheld[] = WITHHELD_NAMES;

	switch (reason) {
	case LOSS_RATE_LIMITED:
		return "rate_limited";
	case LOSS_NOT_COPIED:
		return "not_copied";
	default:
		return reason < SEND_ERRORS ? send_error_name(reason)
					    : withheld[reason - LOSS_WITHHELD];
	}
}

/* The losses since the last sample, by name. Returns how many names there are. */
static unsigned int new_losses(struct output_meter *meter, const struct output_counts *counts,
			       struct log_count numbers[LOSSES])
{
	unsigned int count = 0;
	uint64_t sum = 0;
	bool reset;

	for (unsigned int i = 0; i < LOSSES; i++)
		sum += loss(counts, i);
	reset = sum < meter->nr_losses; /* the counters started from 0 again */
	for (unsigned int i = 0; i < LOSSES; i++) {
		uint32_t before = reset ? 0 : meter->losses[i];
		uint32_t grown = (uint32_t)loss(counts, i) - before;

		meter->losses[i] = (uint32_t)loss(counts, i);
		if (grown)
			numbers[count++] = (struct log_count){loss_name(i), grown};
	}
	meter->nr_losses = sum;
	return count;
}

/* The ICMP errors since the last sample, by name. Returns how many names there are. */
static unsigned int new_reports(struct output_meter *meter, const struct output_counts *counts,
				struct log_count numbers[ICMP_KINDS])
{
	static const char *const names[] = ICMP_KIND_NAMES;
	unsigned int count = 0;

	for (unsigned int i = 0; i < ICMP_KINDS; i++) {
		uint32_t now = (uint32_t)counts->icmp[i];
		/* Less than before: the path is a new one. */
		uint32_t grown = now < meter->icmp[i] ? now : now - meter->icmp[i];

		meter->icmp[i] = now;
		if (grown)
			numbers[count++] = (struct log_count){names[i], grown};
	}
	return count;
}

static void begin_trouble(struct sampler *sampler, const struct trouble_events *events,
			  struct trouble *trouble, const char *rule,
			  const struct output_counts *counts, const struct log_count *errors,
			  unsigned int nr_errors)
{
	/* Without memory it is not reported now, but as soon as there is more of it. */
	trouble->output = calloc(1, sizeof(*trouble->output));
	if (!trouble->output)
		return;
	snprintf(trouble->output->rule, sizeof(trouble->output->rule), "%s", rule);
	output_format(counts->rule, trouble->output->output);
	emit_output(sampler, events, trouble->output, errors, nr_errors);
}

static void sample_trouble(struct sampler *sampler, const struct trouble_events *events,
			   struct trouble *trouble, const char *rule,
			   const struct output_counts *counts, const struct log_count *errors,
			   unsigned int nr_errors)
{
	if (nr_errors) {
		if (!trouble->output)
			begin_trouble(sampler, events, trouble, rule, counts, errors, nr_errors);
		trouble->quiet = 0;
	} else if (trouble->output && ++trouble->quiet >= events->quiet) {
		end_trouble(sampler, events, trouble);
	}
}

/* Returns how many datagrams the output has lost since the last sample. */
static uint64_t sample_output(struct sampler *sampler, struct output_meter *meter, uint64_t now_ns,
			      const char *rule, const struct output_counts *counts)
{
	struct log_count losses[LOSSES], reports[ICMP_KINDS];
	unsigned int nr_losses = new_losses(meter, counts, losses);
	unsigned int nr_reports = new_reports(meter, counts, reports);
	uint64_t lost = 0;

	rates_sample(&meter->rates, now_ns, counts->sent, counts->sent_bytes);
	sample_trouble(sampler, &dropping_events, &meter->dropping, rule, counts, losses,
		       nr_losses);
	sample_trouble(sampler, &icmp_events, &meter->reported, rule, counts, reports, nr_reports);
	for (unsigned int i = 0; i < nr_losses; i++)
		lost += losses[i].count;
	return lost;
}

static enum flow flow_of(const struct rates *rates, uint64_t now_ns, unsigned int silent_after,
			 uint64_t packets)
{
	return rates_flow(rates, now_ns, packets, silent_after * NS_PER_SECOND - JITTER_NS);
}

/* Report a change of path. The path on which a rule starts is reported only if it is a fallback. */
static void sample_path(struct sampler *sampler, struct meter *meter,
			const struct rule_counts *counts)
{
	enum carrier before = meter->carrier;

	if (strcmp(counts->state, "active") != 0)
		return;
	if (strcmp(counts->path, "kernel") == 0)
		meter->carrier = CARRIER_KERNEL;
	else
		meter->carrier = counts->path_reason ? CARRIER_FALLBACK : CARRIER_USER;
	if (meter->carrier != before &&
	    (meter->carrier == CARRIER_FALLBACK || before == CARRIER_KERNEL ||
	     (meter->carrier == CARRIER_KERNEL && before != CARRIER_UNKNOWN)))
		emit_path(sampler, before == CARRIER_KERNEL, counts);
}

static void sample_rule(struct sampler *sampler, struct meter *meter, const struct books *books,
			const struct rule_counts *counts, unsigned int silent_after)
{
	bool pending = strcmp(counts->state, "pending") == 0;
	bool idle = strcmp(counts->state, "idle") == 0;
	uint64_t now_ns = books->taken_ns;
	uint64_t lost = 0;
	enum flow flow;

	if (pending != meter->pending || idle != meter->idle)
		emit_rule(sampler,
			  pending ? "pending"
			  : idle  ? "idle"
				  : "active",
			  pending, counts, counts->reason);
	meter->pending = pending;
	meter->idle = idle;
	sample_path(sampler, meter, counts);
	rates_sample(&meter->rates, now_ns, counts->received, counts->received_bytes);
	flow = flow_of(&meter->rates, now_ns, silent_after, counts->received);
	/* It is "never" again only if its counters started from 0 again, which is no event. */
	if (flow != meter->flow && flow != FLOW_NEVER && !(idle && flow == FLOW_SILENT))
		emit_rule(sampler, flow_name(flow), flow == FLOW_SILENT, counts, NULL);
	meter->flow = flow;
	for (unsigned int i = 0; i < meter->nr_outputs; i++)
		lost += sample_output(sampler, &meter->outputs[i], now_ns, counts->rule->name,
				      &books->outputs[counts->first_output + i]);
	if (meter->stream)
		stream_meter_sample(meter->stream, books, counts, lost, &sampler->quota);
}

static void begin_sweep(struct sampler *sampler, const struct books *books)
{
	sampler->sweep++;
	sampler->generation = books->generation;
	sampler->quota = (struct event_quota){0};
}

static int end_sweep(struct sampler *sampler, const struct books *books)
{
	int err;

	/* Where rules were added or removed meanwhile, others may have moved out of its way. */
	if (sampler->generation == books->generation)
		end_missing_rules(sampler);
	err = device_meters_sample(&sampler->devices, books, &sampler->quota);
	if (sampler->quota.suppressed)
		log_write_event(LOG_FACILITY_DAEMON, LOG_LEVEL_WARNING, "events-suppressed",
				LOG_UINT("count", sampler->quota.suppressed));
	return err;
}

int sampler_take(struct sampler *sampler, const struct books *books, unsigned int silent_after)
{
	unsigned int place = 0;
	int err = 0;

	if (!books->first_rule)
		begin_sweep(sampler, books);
	for (unsigned int i = 0; i < books->nr_rules; i++) {
		const struct rule_counts *counts = &books->rules[i];
		struct meter *meter;

		place = find_place(sampler, counts->id, place);
		meter = meter_at(sampler, place, counts->id);
		if (!meter)
			meter = add_meter(sampler, place, counts);
		if (meter) {
			meter->sweep = sampler->sweep;
			sample_rule(sampler, meter, books, counts, silent_after);
		} else {
			err = -ENOMEM;
		}
		place++;
	}
	if (books->first_rule + books->nr_rules >= books->all_rules && end_sweep(sampler, books))
		err = -ENOMEM;
	return err;
}

/* ---- reading ---- */

static void read_rates(const struct rates *rates, uint64_t now_ns, unsigned int silent_after,
		       uint64_t packets, struct stats_rates *stats)
{
	uint64_t ago = 0;

	stats->flow = flow_of(rates, now_ns, silent_after, packets);
	stats->second = rates_second(rates);
	stats->window = rates_window(rates);
	stats->peak = (struct rate){.pps = rates->peak_pps, .bps = rates->peak_bps};
	stats->last_packet_seconds =
		rates_last_packet(rates, now_ns, packets, &ago) ? ago / NS_PER_SECOND : STATS_NEVER;
	stats->last_packet_time =
		(clock_read_ns(CLOCK_REALTIME) - (clock_ns() - now_ns) - ago) / NS_PER_SECOND;
}

void sampler_fill(const struct sampler *sampler, struct stats *stats, unsigned int silent_after)
{
	static const struct rates none;
	const struct books *books = stats->books;
	unsigned int next = 0;

	for (unsigned int i = 0; i < books->nr_rules; i++) {
		const struct rule_counts *counts = &books->rules[i];
		unsigned int place = find_place(sampler, counts->id, next);
		const struct meter *meter = meter_at(sampler, place, counts->id);

		next = place + 1;
		read_rates(meter ? &meter->rates : &none, books->taken_ns, silent_after,
			   counts->received, &stats->rules[i]);
		for (unsigned int j = 0; meter && j < STREAM_WHERES; j++)
			stats->rules[i].stream[j] =
				stream_meter_state(meter->stream, (enum stream_where)j);
		for (unsigned int j = 0; j < counts->rule->nr_outputs; j++) {
			unsigned int k = counts->first_output + j;

			read_rates(meter ? &meter->outputs[j].rates : &none, books->taken_ns,
				   silent_after, books->outputs[k].sent, &stats->outputs[k]);
		}
	}
}

uint64_t sampler_interval_us(const struct sampler *sampler, uint64_t id)
{
	const struct meter *meter = meter_at(sampler, find_place(sampler, id, 0), id);

	return meter ? rates_interval_us(&meter->rates) : 0;
}

void sampler_reset_peaks(struct sampler *sampler)
{
	for (unsigned int i = 0; i < sampler->nr_meters; i++) {
		struct meter *meter = sampler->meters[i];

		rates_reset_peak(&meter->rates);
		for (unsigned int j = 0; j < meter->nr_outputs; j++)
			rates_reset_peak(&meter->outputs[j].rates);
	}
}

/* ---- life ---- */

struct sampler *sampler_new(void)
{
	return calloc(1, sizeof(struct sampler));
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	for (unsigned int i = 0; i < sampler->nr_meters; i++)
		meter_free(sampler->meters[i]);
	free(sampler->meters);
	device_meters_free(&sampler->devices);
	free(sampler);
}
