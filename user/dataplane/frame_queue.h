/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of received datagrams from the ingress thread to the egress thread: a ring with one
 * producer and one consumer, without locks, and the sleep handshake between the two.
 *
 * Ownership: the frame of an entry belongs to the queue from frame_queue_publish() until
 * frame_queue_take(). The queue never overflows, because it has an entry for each frame and each
 * marker.
 *
 * Threads: _push, _publish and _must_wake are the producer's; _peek, _seen, _take, _empty, _sleep,
 * _awake the consumer's.
 */
#ifndef XMCAST_DATAPLANE_FRAME_QUEUE_H
#define XMCAST_DATAPLANE_FRAME_QUEUE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"

struct stream;

enum frame_kind {
	FRAME_DATA,
	/* A further frame of the packet of the entry before: `udp` is the offset of its first byte
	 * in the frame, `length` the bytes of payload in it, maybe 0. */
	FRAME_PIECE,
	/* No frame: entries before it were matched with an older ruleset, entries behind it with
	 * that of `generation`. */
	FRAME_MARKER,
};

/* A received datagram, or a marker. */
struct frame_entry {
	union {
		struct stream *stream; /* NULL: nothing to send, only the frame to return */
		uint64_t generation;   /* of a marker */
	};
	uint32_t frame;	 /* its index in the UMEM */
	uint16_t ip;	 /* offset of the IP header in the frame */
	uint16_t udp;	 /* offset of the UDP header in the frame; the payload is behind it */
	uint16_t length; /* bytes of payload, in all frames of the packet */
	uint8_t kind;	 /* enum frame_kind */
	uint8_t pieces;	 /* entries of FRAME_PIECE that follow */
	uint32_t stamp;	 /* when it was received (stamp.h); 0: not timed */
};

_Static_assert(sizeof(struct frame_entry) == 24, "the size that the measured costs are about");

struct frame_queue {
	/* The producer's. */
	alignas(CACHE_LINE) _Atomic uint32_t head; /* entries published */
	uint32_t pushed;			   /* entries written, not all published yet */
	uint32_t seen_tail;			   /* last value read of tail */

	/* The consumer's. */
	alignas(CACHE_LINE) _Atomic uint32_t tail; /* entries taken */
	uint32_t seen_head;			   /* last value read of head */
	alignas(CACHE_LINE) atomic_bool sleeping;  /* written by both: see frame_queue_sleep() */

	/* Constant. */
	alignas(CACHE_LINE) struct frame_entry *entries;
	uint32_t mask;
};

/* Room for at least `entries` entries, rounded up to a power of two. 0 or -ENOMEM. */
int frame_queue_init(struct frame_queue *queue, uint32_t entries);
void frame_queue_destroy(struct frame_queue *queue);

/* Append an entry, which the consumer does not see yet. False: the queue is full. */
static inline bool frame_queue_push(struct frame_queue *queue, const struct frame_entry *entry)
{
	if (queue->pushed - queue->seen_tail > queue->mask) {
		queue->seen_tail = atomic_load_explicit(&queue->tail, memory_order_acquire);
		if (queue->pushed - queue->seen_tail > queue->mask)
			return false;
	}
	queue->entries[queue->pushed++ & queue->mask] = *entry;
	return true;
}

/* Show the consumer all pushed entries, once for several; only whole packets. (seq_cst: see
 * frame_queue_must_wake().)
 */
static inline void frame_queue_publish(struct frame_queue *queue)
{
	atomic_store_explicit(&queue->head, queue->pushed, memory_order_seq_cst);
}

/*
 * After a publish: must the consumer be woken? True at most once per sleep.
 *
 * Producer: store head, load sleeping. Consumer: store sleeping, load head. All four are seq_cst
 * and so have one total order, in which the load of at least one side comes after the store of the
 * other: no wake-up is lost (Dekker's algorithm). On x86 such a store is one xchg, a full fence;
 * the loads are plain.
 */
static inline bool frame_queue_must_wake(struct frame_queue *queue)
{
	if (!atomic_load_explicit(&queue->sleeping, memory_order_seq_cst))
		return false;
	return atomic_exchange_explicit(&queue->sleeping, false, memory_order_relaxed);
}

/* Consumer: the entry that frame_queue_take() returns next, or NULL. */
static inline const struct frame_entry *frame_queue_peek(struct frame_queue *queue)
{
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	if (tail == queue->seen_head)
		queue->seen_head = atomic_load_explicit(&queue->head, memory_order_acquire);
	return tail == queue->seen_head ? NULL : &queue->entries[tail & queue->mask];
}

/* Consumer: the entry this number of places behind that one, or NULL if it was not there when one
 * of these functions looked last. */
static inline const struct frame_entry *frame_queue_ahead(const struct frame_queue *queue,
							  uint32_t places)
{
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	return queue->seen_head - tail <= places ? NULL
						 : &queue->entries[(tail + places) & queue->mask];
}

/* Consumer: how many entries there were when one of these functions looked last. */
static inline uint32_t frame_queue_seen(const struct frame_queue *queue)
{
	return queue->seen_head - atomic_load_explicit(&queue->tail, memory_order_relaxed);
}

/* Take one entry. False: the queue is empty. */
static inline bool frame_queue_take(struct frame_queue *queue, struct frame_entry *entry)
{
	const struct frame_entry *first = frame_queue_peek(queue);
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	if (!first)
		return false;
	*entry = *first;
	atomic_store_explicit(&queue->tail, tail + 1, memory_order_release);
	return true;
}

/* Consumer: is there nothing to take? */
static inline bool frame_queue_empty(const struct frame_queue *queue)
{
	return atomic_load_explicit(&queue->tail, memory_order_relaxed) ==
	       atomic_load_explicit(&queue->head, memory_order_acquire);
}

/* Entries published and not taken yet. Any thread; a snapshot. */
static inline uint32_t frame_queue_length(const struct frame_queue *queue)
{
	uint32_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	return atomic_load_explicit(&queue->head, memory_order_relaxed) - tail;
}

/*
 * Consumer: announce that it will wait for a wake-up. True: it may wait, and the producer wakes it.
 * False: entries were published in the meantime, it must not wait.
 */
static inline bool frame_queue_sleep(struct frame_queue *queue)
{
	atomic_store_explicit(&queue->sleeping, true, memory_order_seq_cst);
	if (atomic_load_explicit(&queue->tail, memory_order_relaxed) ==
	    atomic_load_explicit(&queue->head, memory_order_seq_cst))
		return true;
	atomic_store_explicit(&queue->sleeping, false, memory_order_relaxed);
	return false;
}

/* Consumer: it runs again, whatever woke it. */
static inline void frame_queue_awake(struct frame_queue *queue)
{
	atomic_store_explicit(&queue->sleeping, false, memory_order_relaxed);
}

#endif
