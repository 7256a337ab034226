/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A feed takes copies of datagrams from one ingress thread to the merger (merger.h).
 *
 *     ingress thread   pops a free slot, fills it, pushes it into the queue
 *     merger's thread  takes it from the queue, and pushes it into the ring of free slots
 *
 * Free slots are used again in the reverse order, so that only as much memory is touched as the
 * most datagrams at once need.
 */
#ifndef XMCAST_DATAPLANE_FEED_H
#define XMCAST_DATAPLANE_FEED_H

#include <stdalign.h>
#include <sys/uio.h>

#include "dataplane/frame_queue.h"
#include "dataplane/merge.h"

#define FEED_SLOTS 16384

/* If more slots than these are taken, gaps are given up. */
#define FEED_MANY_TAKEN (FEED_SLOTS / 4 * 3)

struct merged;

/* A datagram. `data` begins with its IP header. */
struct slot {
	struct merge_item item; /* first, so that a decided item leads to its slot */
	struct merged *merged;
	struct stream *stream; /* by which it came */
	uint32_t index;	       /* of all feeds' slots */
	uint32_t stamp;
	struct merge_skipped skipped; /* of the stream and its kind, since the last one of both */
	uint16_t udp;		      /* offset of the UDP header in `data` */
	uint16_t length;
	alignas(8) uint8_t data[];
};

struct feed {
	struct frame_queue queue;
	int wakeup_fd; /* of the merger's thread */
	unsigned int number;
	size_t slot_size;
	uint32_t capacity; /* bytes of the largest datagram, with headers */
	uint8_t *memory;

	/* The ingress thread's. */
	uint32_t *free;
	unsigned int nr_free;
	bool pushed; /* since the last publish */

	/* The merger's thread. */
	alignas(CACHE_LINE) _Atomic uint32_t returned; /* slots pushed into the ring, so far */
	unsigned int taken;			       /* slots that it has */
	uint32_t settle_at;	/* position of the queue that has to be reached */
	struct merged *largest; /* of the rules: held most slots when looked for; or NULL */
	uint32_t largest_left;	/* how often it is used before it is looked for again */

	uint32_t *ring;				/* of returned slots */
	alignas(CACHE_LINE) uint32_t reclaimed; /* of these: taken out; ingress */
};

/* NULL: no memory. */
struct feed *feed_new(unsigned int number, uint32_t capacity);
void feed_free(struct feed *feed);

static inline struct slot *feed_slot(const struct feed *feed, uint32_t i)
{
	return (struct slot *)(feed->memory + i * feed->slot_size);
}

/* The parts of a slot that each thread uses, because slots do not stay in the cache if many are
 * taken. */
static inline void feed_prefetch(const struct feed *feed, uint32_t i)
{
	const char *slot = (const char *)feed_slot(feed, i);

	for (size_t offset = 0; offset < sizeof(struct slot) + 64; offset += 64)
		__builtin_prefetch(slot + offset, 1);
}

/* The ingress thread. Copy a datagram of a stream, of which `entry` says the offsets in the first
 * part. `arrived_ns`: never less than before. `skipped`: what unmerged_read() says of it.
 * False: no slot is free, or it is too large. */
bool feed_push(struct feed *feed, const struct frame_entry *entry, uint64_t arrived_ns,
	       struct merge_skipped skipped, const uint8_t *frame, const struct iovec *parts,
	       unsigned int count);

/* Show the merger what was pushed. 0 or -errno: it could not be woken. */
int feed_publish(struct feed *feed);

/* The merger's thread: the slot is free. */
static inline void feed_return(struct feed *feed, uint32_t i)
{
	uint32_t returned = atomic_load_explicit(&feed->returned, memory_order_relaxed);

	feed->ring[returned % FEED_SLOTS] = i;
	feed->taken--;
	atomic_store_explicit(&feed->returned, returned + 1, memory_order_release);
}

#endif
