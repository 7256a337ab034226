/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sampler derives from successive readings of the counters (relay/books.h) what a single one
 * does not show: rates, and events when something changes: rules start or stop to flow, become
 * pending or active, change their path, outputs and devices drop packets, interfaces run out of
 * frames.
 *
 * Once a second it sees all rules in a sweep: in one or more parts, from the first rule to the
 * last, so that the main thread can do something else between two parts. Rules and interfaces that
 * a sweep did not see are gone, and what was going on with them has ended.
 *
 *     for each part of a sweep    sampler_take(sampler, books, silent_after);
 *     at any time                 sampler_fill(sampler, stats, silent_after);
 *
 * Pure except for the events: the books have the time. Main thread.
 */
#ifndef XMCAST_TELEMETRY_SAMPLER_H
#define XMCAST_TELEMETRY_SAMPLER_H

#include "telemetry/stats.h"

/* As METER_QUIET, of ICMP errors about an output. */
#define SAMPLER_ICMP_QUIET 10

struct sampler;

/* NULL: no memory. */
struct sampler *sampler_new(void);
void sampler_free(struct sampler *sampler); /* accepts NULL */

/* Take a sample of the rules of this part of a sweep; the part with the last rule samples the
 * interfaces as well. `silent_after`: seconds without a packet after which a rule is silent. 0;
 * -ENOMEM: something was left out until the next sweep. */
int sampler_take(struct sampler *sampler, const struct books *books, unsigned int silent_after);

/* Fill in the rates. A rule that no sweep has seen yet has none. */
void sampler_fill(const struct sampler *sampler, struct stats *stats, unsigned int silent_after);

/* rates_interval_us() of the rule with this id (rule_counts). */
uint64_t sampler_interval_us(const struct sampler *sampler, uint64_t id);

/* Restart the peaks of all rules and outputs. */
void sampler_reset_peaks(struct sampler *sampler);

#endif
