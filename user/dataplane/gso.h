/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GSO state: what an egress thread has learned about the batches that an output's route accepts.
 *
 * The kernel refuses a batch (UDP_SEGMENT, udp(7)) as a whole. Its datagrams are then sent one by
 * one, and if the kernel accepts any of them, the refusal was about the batch:
 *
 *     EIO, EOPNOTSUPP     the device or route cannot segment       no more batches
 *     EINVAL, EMSGSIZE    the segments do not fit the MTU          only smaller segments
 *
 * A limit is temporary: it is forgotten when the route changes, and otherwise after half a second.
 * That time doubles whenever the kernel confirms the limit, up to about a minute. So a lasting
 * limit costs one refused batch a minute.
 *
 * Order: while a batch that may be refused is unfinished, the egress thread must not hand over
 * anything that the kernel could accept at the same time, because the datagrams of the refused
 * batch would leave behind it: see gso_must_wait().
 *
 * Threads: the state is the egress thread's, which alone writes it. gso_route_changed() is the main
 * thread's and only marks the state as stale; gso_limits() may be called by any thread. No clock,
 * no system calls.
 */
#ifndef XMCAST_DATAPLANE_GSO_H
#define XMCAST_DATAPLANE_GSO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gso {
	/* In force now; read by any thread. */
	atomic_uint segments; /* most datagrams in one send; 1: no batches */
	atomic_uint max_size; /* largest segment of a batch */

	atomic_uint route;	/* counts changes of the route; written by the main thread */
	atomic_uint seen_route; /* value of `route` when the state was last forgotten */

	unsigned int most_segments; /* as configured */
	uint32_t proven;	    /* largest segment that the kernel has accepted in a batch */
	uint32_t refused;	    /* smallest segment that it has refused */
	uint64_t expires_ns;	    /* when the limit is forgotten; 0: there is none */
	uint64_t keep_ns;	    /* how long the last limit is kept; then it doubles */
	unsigned int unfinished;    /* batches handed over and not completed */
	uint32_t unfinished_max;    /* largest segment among them */
};

/* Nothing is known; at most `segments` datagrams in one send, 1: no batches. */
void gso_init(struct gso *gso, unsigned int segments);

/* The route of the output has changed: forget everything. Takes effect with the next request. */
void gso_route_changed(struct gso *gso);

/* The limits in force. */
void gso_limits(const struct gso *gso, unsigned int *segments, unsigned int *max_size);

/* Forget the limits. */
void gso_forget(struct gso *gso);

/* Is there a limit that may expire? */
static inline bool gso_is_limited(const struct gso *gso)
{
	return gso->expires_ns != 0;
}

/* Before a request is begun: forget what does not hold any more. `now_ns` (clock_ns()) may be 0
 * unless gso_is_limited(). */
static inline void gso_refresh(struct gso *gso, uint64_t now_ns)
{
	if (atomic_load_explicit(&gso->route, memory_order_relaxed) !=
		    atomic_load_explicit(&gso->seen_route, memory_order_relaxed) ||
	    (gso->expires_ns && now_ns >= gso->expires_ns))
		gso_forget(gso);
}

/* May another datagram join `count` others whose segment size is this? */
static inline bool gso_has_room(const struct gso *gso, unsigned int count, uint32_t segment)
{
	return segment <= atomic_load_explicit(&gso->max_size, memory_order_relaxed) &&
	       count < atomic_load_explicit(&gso->segments, memory_order_relaxed);
}

/* Must these `count` datagrams wait until no batch is unfinished? */
static inline bool gso_must_wait(const struct gso *gso, unsigned int count, uint32_t segment)
{
	return gso->unfinished && (count < 2 || segment < gso->unfinished_max);
}

/* Should nothing be handed over behind these `count` datagrams before they have completed? The
 * first batch of a size shows whether the route accepts it: then one batch is refused instead of
 * all that were prepared. */
static inline bool gso_is_trial(const struct gso *gso, unsigned int count, uint32_t segment)
{
	return count > 1 && segment > gso->proven;
}

/* `count` datagrams are handed over to the kernel as one send. */
void gso_begin(struct gso *gso, unsigned int count, uint32_t segment);

/* A send of `count` datagrams has completed. */
void gso_end(struct gso *gso, unsigned int count);

/* The kernel has accepted a batch. */
void gso_accepted(struct gso *gso, uint32_t segment);

/* Can this errno mean that the kernel refuses a batch as such? */
bool gso_is_refusal(int error);

/* The kernel refused a batch with this errno, but accepted datagrams of it singly: learn the limit.
 */
void gso_refused(struct gso *gso, uint32_t segment, int error, uint64_t now_ns);

#endif
