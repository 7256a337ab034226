/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The egress thread's io_uring: set-up from the best flags that the kernel grants down to none, and
 * the one call that submits and, if asked, waits. Source: io_uring_setup(2), io_uring_enter(2).
 */
#ifndef XMCAST_DATAPLANE_EGRESS_RING_H
#define XMCAST_DATAPLANE_EGRESS_RING_H

#include <liburing.h>
#include <stdbool.h>

struct egress_ring {
	struct io_uring uring;
	const char *flags; /* what was granted, for the start-up line; NULL: not open */
};

/* `entries`: of the submission queue; the completion queue is at least twice as large. 0 or -errno
 * (-EPERM: io_uring is disabled, sysctl kernel.io_uring_disabled; -ENOSYS). */
int egress_ring_open(struct egress_ring *ring, unsigned int entries);
void egress_ring_close(struct egress_ring *ring);

/* An entry to prepare; if the submission queue is full, it is submitted first. Never NULL. */
struct io_uring_sqe *egress_ring_sqe(struct egress_ring *ring);

/* Entries prepared and not submitted. */
unsigned int egress_ring_prepared(const struct egress_ring *ring);

/*
 * Submit what is prepared and let the kernel post what has completed; `wait`: until there is at
 * least one completion. 0, or -errno if the ring cannot be used any more; what passes (EINTR,
 * EAGAIN, EBUSY) is 0, and the caller comes again.
 */
int egress_ring_enter(struct egress_ring *ring, bool wait);

/* Completions that the kernel could not post in time, since the ring was opened. */
unsigned int egress_ring_overflows(const struct egress_ring *ring);

#endif
