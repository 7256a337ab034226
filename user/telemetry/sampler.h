/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sampler looks at all counters once a second, keeps what rates are made from, and tells what
 * has changed as events: rules that begin or cease to flow, that wait or work again, outputs that
 * drop, interfaces that run out of frames. Pure but for the events: counters come as a snapshot
 * (stats.h), time as an argument. Main thread.
 *
 *     sampler_begin(&sampler, now_ns, config->events.silent_after);
 *     for each rule:       sampler_rule(&sampler, meter, &stats->rules[i]);
 *     for each interface:  sampler_interface(&sampler, &meter, stats, &stats->interfaces[i]);
 *     sampler_end(&sampler);
 */
#ifndef XMCAST_TELEMETRY_SAMPLER_H
#define XMCAST_TELEMETRY_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "telemetry/stats.h"

/* Events of one second; the number of those beyond is told in one `events-suppressed`. An interface
 * that fails may silence ten thousand rules at once, and nobody reads so many. */
#define SAMPLER_EVENTS 100

/* Samples without a new drop after which it counts as over. */
#define SAMPLER_QUIET 3

/* What the sampler remembers of a rule and its outputs: 224 bytes, and 304 for each output. */
struct meter;

/* What it remembers of an interface. Starts as all zero. */
struct interface_meter {
	uint64_t exhausted; /* packets lost for want of a frame, so far */
	unsigned int quiet; /* samples without another one */
	bool exhausting;
};

struct sampler {
	uint64_t now_ns;
	unsigned int silent_after;
	unsigned int emitted; /* since sampler_begin() */
	uint64_t suppressed;
};

/* A rule with so many outputs has come, with all its counters at 0. NULL: no memory. */
struct meter *meter_new(unsigned int nr_outputs, uint64_t now_ns);
void meter_free(struct meter *meter); /* takes NULL */
void meter_reset_peaks(struct meter *meter);

/*
 * Fill in a rule's flow, and its and its outputs' rates; `stats` holds the counters as they are
 * now, of the same rule. `silent_after`: seconds without a packet.
 */
void meter_read(const struct meter *meter, uint64_t now_ns, unsigned int silent_after,
		struct stats_rule *stats);

void sampler_begin(struct sampler *sampler, uint64_t now_ns, unsigned int silent_after);
void sampler_rule(struct sampler *sampler, struct meter *meter, const struct stats_rule *stats);
void sampler_interface(struct sampler *sampler, struct interface_meter *meter,
		       const struct stats *stats, const struct stats_interface *iface);

/* They are removed, or become others under the same name: what was told of them as under way has
 * ended, because nobody will look again. */
void sampler_rule_gone(struct sampler *sampler, const struct meter *meter, const struct rule *rule);
void sampler_interface_gone(struct sampler *sampler, const struct interface_meter *meter,
			    const char *iface);

void sampler_end(struct sampler *sampler);

#endif
