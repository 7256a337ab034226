/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A feed takes datagrams from one ingress thread to the merger (merger.h), and their frames back to
 * the egress thread of the same worker, which alone fills the fill ring.
 *
 *     ingress thread   pushes the frames of a datagram into `queue`
 *     merger's thread  takes them, notes the datagram in a slot, and decides; a datagram that has
 *                      to wait is copied; pushes frames that it does not need any more into `done`
 *     egress thread    takes them from there, and returns them
 *
 * Slots and their memory are the merger's thread's. Free slots are used again in the reverse order,
 * so that only as much memory is touched as the most datagrams at once need.
 */
#ifndef XMCAST_DATAPLANE_FEED_H
#define XMCAST_DATAPLANE_FEED_H

#include <stdalign.h>

#include "dataplane/frame_queue.h"
#include "dataplane/merge.h"

#define FEED_SLOTS 16384

/* If more slots than these are taken, gaps are given up. */
#define FEED_MANY_TAKEN (FEED_SLOTS / 4 * 3)

/* In slot.frame: the datagram was copied. */
#define FEED_NO_FRAME UINT32_MAX

struct merged;

/* The frames of a worker. */
struct feed_frames {
	uint8_t *memory;
	size_t size;	   /* of a frame */
	uint32_t count;	   /* of frames */
	uint32_t capacity; /* bytes of the largest datagram, with headers */
	int wakeup_fd;	   /* of the egress thread */
};

/* What is said of an entry of the queue beside it. */
struct feed_note {
	uint64_t arrived_ns;
	struct merge_skipped skipped; /* of the stream and its kind, since the last one of both */
};

/* A datagram. */
struct slot {
	struct merge_item item; /* first, so that a decided item leads to its slot */
	struct merged *merged;
	struct stream *stream; /* by which it came */
	uint8_t *data;	       /* its frame, or the slot's memory */
	uint32_t index;	       /* of all feeds' slots */
	uint32_t frame;	       /* or FEED_NO_FRAME */
	uint32_t stamp;
	uint16_t ip;	 /* offset of the IP header in `data` */
	uint16_t udp;	 /* offset of the UDP header */
	uint16_t length; /* bytes of payload */
};

struct feed {
	struct frame_queue queue; /* ingress thread to merger's thread */
	struct frame_queue done;  /* merger's thread to egress thread */
	int wakeup_fd;		  /* of the merger's thread */
	unsigned int number;
	struct feed_frames frames;
	uint32_t most; /* frames that the merger may have, so that other rules have some */
	struct feed_note *notes; /* of the entries of `queue` */

	/* The ingress thread's. */
	alignas(CACHE_LINE) bool pushed; /* since the last publish */
	uint32_t seen_done;		 /* last value read of done.head */

	/* The merger's thread. */
	alignas(CACHE_LINE) struct slot *slots;
	uint8_t *memory;  /* of the slots */
	size_t slot_size; /* in `memory` */
	uint32_t *free;
	unsigned int nr_free;
	uint32_t settle_at;	/* position of the queue that has to be reached */
	struct merged *largest; /* of the rules: held most slots when looked for; or NULL */
	uint32_t largest_left;	/* how often it is used before it is looked for again */
};

/* NULL: no memory. */
struct feed *feed_new(unsigned int number, const struct feed_frames *frames);
void feed_free(struct feed *feed);

/* Frames in the feed, and with the merger's thread. Any thread; a snapshot. */
static inline uint32_t feed_frames_held(const struct feed *feed)
{
	/* Entries of both queues are frames, each of which passes both. */
	uint32_t returned = atomic_load_explicit(&feed->done.tail, memory_order_acquire);

	return atomic_load_explicit(&feed->queue.head, memory_order_relaxed) - returned;
}

/* ---- the ingress thread ---- */

/* The merger has half of the frames that it may have. A thread that goes on receiving then drops
 * most of it, and takes the CPU, if it is the same, from what would make room. */
static inline bool feed_is_behind(const struct feed *feed)
{
	return feed_frames_held(feed) > feed->most / 2;
}

/* A datagram of a stream, whose frames are `count` entries as those of a frame queue.
 * `arrived_ns`: never less than before. `skipped`: what unmerged_read() says of it. False: the
 * merger has too many frames, or it is too large; nothing was pushed. */
bool feed_push(struct feed *feed, const struct frame_entry *entries, unsigned int count,
	       uint64_t arrived_ns, struct merge_skipped skipped);

/* Show the merger what was pushed. 0 or -errno: it could not be woken. */
int feed_publish(struct feed *feed);

/* ---- the merger's thread ---- */

static inline unsigned int feed_taken(const struct feed *feed)
{
	return FEED_SLOTS - feed->nr_free;
}

/* Of the entry that frame_queue_peek() returns. */
static inline const struct feed_note *feed_note(const struct feed *feed)
{
	uint32_t tail = atomic_load_explicit(&feed->queue.tail, memory_order_relaxed);

	return &feed->notes[tail & feed->queue.mask];
}

/* Take the next datagram, which there is, and a slot for it, of which one is free. */
struct slot *feed_take(struct feed *feed);

/* The datagram has to wait: copy it, so that its frame is free. */
void feed_keep(struct feed *feed, struct slot *slot);

/* The slot is free, and so is its frame. */
void feed_return(struct feed *feed, struct slot *slot);

/* Show the egress thread the frames that are done. It is woken only for many, because each call of
 * its engine costs more than what a few frames are worth. */
void feed_publish_done(struct feed *feed);

#endif
