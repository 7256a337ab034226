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

/* Datagrams of a stream that the feed did not accept (feed_push()), by the kind of their senders:
 * since the last one of that kind that it accepted. So what a stranger sends does not count as
 * numbers of the stream, and if a stranger's is the next that is accepted, the count of the stream
 * is kept. One thread. */
struct unmerged {
	uint32_t counts[MERGE_KINDS];
	uint8_t kinds; /* whose count is not 0: bits */
};

/* What was refused of the kind of a datagram, of whose payload this many bytes can be read; nothing
 * if they do not say the sender. Reads nothing if nothing was refused. */
struct merge_skipped unmerged_read(const struct unmerged *unmerged, const struct merged *merged,
				   const uint8_t *payload, uint32_t readable);

/* It was accepted, with what unmerged_read() has returned. */
static inline void unmerged_clear(struct unmerged *unmerged, struct merge_skipped skipped)
{
	if (!skipped.count)
		return;
	unmerged->counts[skipped.kind] = 0;
	unmerged->kinds &= (uint8_t) ~(1U << skipped.kind);
}

/* It was not accepted. */
void unmerged_add(struct unmerged *unmerged, const struct merged *merged, const uint8_t *payload,
		  uint32_t readable);

/* The numbers of a datagram. False: it has none that can be read. */
bool merged_read(const struct merged *merged, const uint8_t *payload, uint32_t length,
		 struct merge_datagram *datagram);

/*
 * Leave only those messages in a MoldUDP64 packet that the merge has decided about. Returns where
 * its first byte is now, and changes *length.
 */
uint32_t merged_cut(uint8_t *payload, uint32_t *length, const struct merge_item *item);

#endif
