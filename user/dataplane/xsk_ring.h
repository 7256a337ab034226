/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rings that an AF_XDP socket shares with the kernel. Each has one producer and one consumer:
 *
 *     RX ring     struct xdp_desc   the kernel produces, the ingress thread consumes
 *     fill ring   uint64_t          the egress thread produces, the kernel consumes
 *
 * The positions of both sides are in the shared memory, so a process that maps the rings of a
 * socket which another process has used continues where that one has stopped: xsk_ring_map() makes
 * no difference between a new socket and a used one. A position counts entries modulo 2^32, and
 * `position & mask` is the entry.
 *
 * Source: Documentation/networking/af_xdp.rst; net/xdp/xsk_queue.h for the order of memory
 * accesses.
 */
#ifndef XMCAST_DATAPLANE_XSK_RING_H
#define XMCAST_DATAPLANE_XSK_RING_H

#include <linux/if_xdp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xsk_ring {
	/* Shared with the kernel. */
	_Atomic uint32_t *producer;
	_Atomic uint32_t *consumer;
	_Atomic uint32_t *flags; /* XDP_RING_NEED_WAKEUP */
	void *entries;

	uint32_t size; /* entries, a power of two */
	uint32_t mask;
	/* Positions as this side knows them; that of the other side may have moved on. Refreshing
	 * it only when necessary saves most transfers of its cache line. */
	uint32_t own;
	uint32_t other;

	void *mapping; /* NULL: not mapped */
	size_t mapped;
};

enum xsk_ring_kind { XSK_RING_RX, XSK_RING_FILL, XSK_RING_COMPLETION };

/* Create a ring of a socket that is not bound, once. `size`: entries, a power of two. 0 or -errno.
 */
int xsk_ring_create(int fd, enum xsk_ring_kind kind, uint32_t size);

/* Map the RX or the fill ring of a socket: `size` is that of its creation. 0 or -errno (-EINVAL:
 * the ring is smaller, or `fd` is no AF_XDP socket). */
int xsk_ring_map(struct xsk_ring *ring, int fd, enum xsk_ring_kind kind, uint32_t size);

/* Read the positions of a mapped ring again, because another process has used it meanwhile. */
static inline void xsk_ring_refresh(struct xsk_ring *ring, enum xsk_ring_kind kind)
{
	ring->own = atomic_load(kind == XSK_RING_RX ? ring->consumer : ring->producer);
	ring->other = atomic_load(kind == XSK_RING_RX ? ring->producer : ring->consumer);
}

/* A mapped ring keeps its socket, and with it the queue, even after close(2). Accepts a ring that
 * is all zero. */
void xsk_ring_unmap(struct xsk_ring *ring);

/* ---- the consumer ---- */

/* Entries that can be read from `ring->own` on, at most `max`. */
static inline uint32_t xsk_ring_available(struct xsk_ring *ring, uint32_t max)
{
	if (ring->other == ring->own)
		ring->other = atomic_load_explicit(ring->producer, memory_order_acquire);
	return ring->other - ring->own < max ? ring->other - ring->own : max;
}

/* The i-th of them. */
static inline const struct xdp_desc *xsk_ring_packet(const struct xsk_ring *ring, uint32_t i)
{
	return &((const struct xdp_desc *)ring->entries)[(ring->own + i) & ring->mask];
}

/* `count` entries have been read: the producer may overwrite them. */
static inline void xsk_ring_release(struct xsk_ring *ring, uint32_t count)
{
	ring->own += count;
	atomic_store_explicit(ring->consumer, ring->own, memory_order_release);
}

/* Entries that wait for the consumer. Any thread; a snapshot. */
static inline uint32_t xsk_ring_waiting(const struct xsk_ring *ring)
{
	/* The consumer first: it never overtakes the producer. */
	uint32_t consumer = atomic_load_explicit(ring->consumer, memory_order_acquire);

	return atomic_load_explicit(ring->producer, memory_order_acquire) - consumer;
}

/* ---- the producer ---- */

/* Whether `count` entries can be written from `ring->own` on. */
static inline bool xsk_ring_has_room(struct xsk_ring *ring, uint32_t count)
{
	if (ring->size - (ring->own - ring->other) < count)
		ring->other = atomic_load_explicit(ring->consumer, memory_order_acquire);
	return ring->size - (ring->own - ring->other) >= count;
}

/* The i-th of them. */
static inline uint64_t *xsk_ring_address(const struct xsk_ring *ring, uint32_t i)
{
	return &((uint64_t *)ring->entries)[(ring->own + i) & ring->mask];
}

/* `count` entries have been written: the consumer may read them. */
static inline void xsk_ring_publish(struct xsk_ring *ring, uint32_t count)
{
	ring->own += count;
	atomic_store_explicit(ring->producer, ring->own, memory_order_release);
}

/* Whether the kernel waits for a system call before it looks at the ring again. */
static inline bool xsk_ring_needs_wakeup(const struct xsk_ring *ring)
{
	return atomic_load_explicit(ring->flags, memory_order_relaxed) & XDP_RING_NEED_WAKEUP;
}

#endif
