/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sampler derives from successive snapshots of all counters (relay/books.h) what none of them
 * says alone: rates, and events when something changes: rules that begin or stop to flow, that
 * become pending or active, outputs that drop, interfaces that run out of frames. Rules and
 * interfaces that are in one snapshot and missing from the next are gone; what was reported of them
 * as going on has then ended.
 *
 *     sampler_take(sampler, books, silent_after);    once a second
 *     sampler_fill(sampler, stats, silent_after);    whenever somebody asks
 *
 * Pure but for the events: the snapshot says what time it is. Main thread.
 */
#ifndef XMCAST_TELEMETRY_SAMPLER_H
#define XMCAST_TELEMETRY_SAMPLER_H

#include "telemetry/stats.h"

/* Events of one sample; the number of those beyond is reported in one `events-suppressed`. An
 * interface that fails may silence ten thousand rules at once, and nobody reads so many. */
#define SAMPLER_EVENTS 100

/* Samples without a new drop after which dropping counts as over. */
#define SAMPLER_QUIET 3

struct sampler;

/* NULL: no memory. */
struct sampler *sampler_new(void);
void sampler_free(struct sampler *sampler); /* takes NULL */

/*
 * Take a sample. `silent_after`: seconds without a packet after which a rule is silent. 0, or
 * -ENOMEM: then this snapshot is left out.
 */
int sampler_take(struct sampler *sampler, const struct books *books, unsigned int silent_after);

/* Fill in the rates of a snapshot. A rule that no sample has seen yet has none. */
void sampler_fill(const struct sampler *sampler, struct stats *stats, unsigned int silent_after);

/* Peaks of all rules and outputs begin anew. */
void sampler_reset_peaks(struct sampler *sampler);

#endif
