/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/merger_rules.h"

#include <stdlib.h>

#include "base/clock.h"

static struct rule_merging describe_rule(const struct rule *rule)
{
	return (struct rule_merging){
		.by = (enum rule_merge)rule->merge,
		.offset = rule->merge_offset,
		.bits = rule->merge == MERGE_RTP      ? 16
			: rule->merge == MERGE_MOLD64 ? 64
						      : rule->merge_bits,
		.unordered = rule->unordered,
		.skew_ms = rule_skew_ms(rule),
		.nr_sides = rule->nr_sides,
	};
}

struct merged *merged_new(struct merger *merger, const struct rule *rule)
{
	struct merged *merged = calloc(1, sizeof(*merged));
	struct merge_options options;

	if (!merged)
		return NULL;
	merged->merger = merger;
	merged->references = 1;
	merged->as = describe_rule(rule);
	options = (struct merge_options){
		.nr_sides = rule->nr_sides,
		.bits = merged->as.bits,
		.ordered = !rule->unordered,
		.skew_ns = merged->as.skew_ms * NS_PER_MS,
		.most_held = FEED_MANY_TAKEN,
	};
	if (!merge_new(&merged->merge, &options))
		return merged;
	free(merged);
	return NULL;
}

struct merged *merged_hold(struct merged *merged)
{
	if (merged)
		merged->references++;
	return merged;
}

void merged_put(struct merged *merged)
{
	if (!merged || --merged->references)
		return;
	if (!merger_settle(merged->merger, merged, NULL))
		return;
	merge_free(merged->merge);
	free(merged);
}

bool merged_fits(const struct merged *merged, const struct rule *rule)
{
	const struct rule_merging as = describe_rule(rule);

	return merged->as.by == as.by && merged->as.offset == as.offset &&
	       merged->as.bits == as.bits && merged->as.unordered == as.unordered &&
	       merged->as.skew_ms == as.skew_ms && merged->as.nr_sides == as.nr_sides;
}

/* The stream is about to be closed. It is the side's newest one and replaced by the one before it,
 * which may live on because a change was rolled back; or a newer one must not fall back to it. */
static bool leave(struct stream *stream)
{
	struct merged *merged = stream->merged;
	_Atomic(struct stream *) *newest = &merged->streams[stream->rule.side];
	struct stream *newer = atomic_load(newest);

	if (newer == stream)
		atomic_store(newest, stream->merged_before);
	for (; newer; newer = newer->merged_before) {
		if (newer->merged_before == stream)
			newer->merged_before = stream->merged_before;
	}
	if (!merger_settle(merged->merger, merged, NULL))
		return false;
	merged_put(merged);
	return true;
}

void merged_join(struct merged *merged, struct stream *stream)
{
	stream->merged = merged_hold(merged);
	stream->leave = leave;
	stream->merged_before = atomic_load(&merged->streams[stream->rule.side]);
	atomic_store(&merged->streams[stream->rule.side], stream);
}

const struct merge_counters *merged_counters(const struct merged *merged)
{
	return merge_counters(merged->merge);
}

bool merged_place(const struct merged *merged, struct merge_place *place)
{
	return merge_place(merged->merge, place);
}

void merged_resume(struct merged *merged, const struct merge_place *place)
{
	merge_resume(merged->merge, place, clock_ns());
}
