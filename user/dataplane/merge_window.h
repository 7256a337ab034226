/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of a stream that is merged (merge.h): which have left, by which sides they have
 * arrived, and which datagrams are held. Numbers on the wire are positions here, which never wrap.
 *
 * Part of the merge (merge.h), which alone uses it.
 */
#ifndef XMCAST_DATAPLANE_MERGE_WINDOW_H
#define XMCAST_DATAPLANE_MERGE_WINDOW_H

#include "dataplane/merge_item.h"

/* Where a stream begins. */
#define MERGE_FIRST_POSITION (1ULL << 62)

/* What is remembered of a number. */
struct merge_number {
	struct merge_item *holder; /* the held datagram with which it will leave, or NULL */
	uint32_t tick;		   /* when the first copy arrived */
	uint8_t sides;		   /* by which it has arrived: bits */
	uint8_t first_side;
	bool sent;
};

struct merge_window {
	struct merge_options options;
	struct merge_number *numbers;
	uint64_t mask;

	uint64_t closed; /* see merge.h */
	uint64_t next;
	uint64_t end;

	struct merge_item *oldest; /* held, by arrival */
	struct merge_item *newest;
	struct merge_item *waiting; /* the held heartbeat, or NULL */
	struct {
		uint64_t position;
		uint64_t at_ns;
		unsigned int side;
		bool known;
	} heartbeat; /* the last one that left */

	struct merge_item *decided;
	struct merge_item **decided_end;
	struct merge_counters counters;
};

/* Does `a` come behind `b`? */
static inline bool merge_is_ahead(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0;
}

int merge_window_init(struct merge_window *window, const struct merge_options *options);
void merge_window_destroy(struct merge_window *window);

/* Another stream begins: nothing is held, and all numbers are closed. */
void merge_window_begin(struct merge_window *window);

void merge_window_decide(struct merge_window *window, struct merge_item *item,
			 enum merge_verdict verdict);

/* A datagram with its position. True: a number of it is new. */
bool merge_window_accept(struct merge_window *window, struct merge_item *item);

/* Give up the gaps in front of a position, or the first one because too much is held. */
void merge_window_give_up(struct merge_window *window, uint64_t position);
void merge_window_give_up_first(struct merge_window *window);

/* Forget the numbers before a position, which have been decided, and count what is missing;
 * `sides`: also by each side. */
void merge_window_close(struct merge_window *window, uint64_t position, bool sides);

/* Return memory if the window is much smaller than what it has grown to. A system call at most. */
void merge_window_shrink(struct merge_window *window);

#endif
