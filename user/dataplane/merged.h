/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rule that merges its sides, as the merger (merger.h) and the streams of the sides know it.
 */
#ifndef XMCAST_DATAPLANE_MERGED_H
#define XMCAST_DATAPLANE_MERGED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dataplane/merge.h"
#include "rules/rule.h"

/* Most feeds (feed.h) of a process. */
#define MERGER_FEEDS 64

struct merger;
struct stream;

struct merged {
	struct merger *merger;
	unsigned int references; /* the main thread's */
	struct rule_merging {
		enum rule_merge by;
		unsigned int offset;
		unsigned int bits;
		bool unordered;
		uint32_t skew_ms;
		unsigned int nr_sides;
	} as; /* of the rule */
	struct merge *merge;

	/* The newest stream of each side; NULL: it has none. Written by the main thread. */
	_Atomic(struct stream *) streams[MERGE_MOST_SIDES];

	/* The merger's thread. */
	struct stream *out; /* by which datagrams leave, or NULL */
	struct merged *next_waiting;
	bool waits;			  /* in the list of those that hold something */
	uint32_t undecided[MERGER_FEEDS]; /* slots of each feed that it holds */
};

/* ---- main thread ---- */

/* One reference. NULL: no memory. */
struct merged *merged_new(struct merger *merger, const struct rule *rule);
struct merged *merged_hold(struct merged *merged);

/* Accepts NULL. The last one waits until the merger has settled (merger_settle()), and frees
 * nothing if its thread is stuck. */
void merged_put(struct merged *merged);

/* Is this what the rule asks for, so that it can go on with it? */
bool merged_fits(const struct merged *merged, const struct rule *rule);

/* The stream is the newest one of its side until it is closed, and holds a reference. Call it after
 * stream_open(), and before a ruleset with the stream is given to any thread: workers and merger
 * read stream->merged without a lock. The streams of a side may be closed in any order; the newest
 * one that is left is the side's. */
void merged_join(struct merged *merged, struct stream *stream);

/* ---- any thread ---- */

const struct merge_counters *merged_counters(const struct merged *merged);

/* ---- the merger's thread ---- */

/* The numbers of a datagram. False: it has none that can be read. */
bool merged_read(const struct merged *merged, const uint8_t *payload, uint32_t length,
		 struct merge_datagram *datagram);

/*
 * Leave only those messages in a MoldUDP64 packet that the merge has decided about. Returns where
 * its first byte is now, and changes *length.
 */
uint32_t merged_cut(uint8_t *payload, uint32_t *length, const struct merge_item *item);

#endif
