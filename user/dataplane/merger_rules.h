/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that merge their sides (merged.h), as the relay creates and ends them. Main thread.
 */
#ifndef XMCAST_DATAPLANE_MERGER_RULES_H
#define XMCAST_DATAPLANE_MERGER_RULES_H

#include "dataplane/merger.h"

/* One reference. NULL: no memory. */
struct merged *merged_new(struct merger *merger, const struct rule *rule);
struct merged *merged_hold(struct merged *merged);

/* Accepts NULL. The last one waits until the merger has settled (merger_settle()), and frees
 * nothing if its thread is stuck. */
void merged_put(struct merged *merged);

/* Is this what the rule asks for, so that it can go on with it? */
bool merged_fits(const struct merged *merged, const struct rule *rule);

/* While nothing is received; see merge.h. */
bool merged_place(const struct merged *merged, struct merge_place *place);
void merged_resume(struct merged *merged, const struct merge_place *place);

/* The stream is the newest one of its side until it is closed, and holds a reference. Call it after
 * stream_open(), and before a ruleset with the stream is given to any thread: workers and merger
 * read stream->merged without a lock. The streams of a side may be closed in any order; the newest
 * one that is left is the side's. */
void merged_join(struct merged *merged, struct stream *stream);

/* Any thread. */
const struct merge_counters *merged_counters(const struct merged *merged);

#endif
