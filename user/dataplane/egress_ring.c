/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/egress_ring.h"

#include <errno.h>
#include <string.h>

/* Newer than the headers of Debian 12's liburing 2.3, were it not for these. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

#define CQSIZE IORING_SETUP_CQSIZE
#define SUBMIT IORING_SETUP_SUBMIT_ALL
#define COOP   IORING_SETUP_COOP_TASKRUN
#define SINGLE IORING_SETUP_SINGLE_ISSUER
#define DEFER  IORING_SETUP_DEFER_TASKRUN

/* From best to plain: Linux 6.1, 6.0, 5.19, 5.18, 5.5, 5.1. */
static const struct {
	unsigned int flags;
	const char *text;
} setups[] = {
	{DEFER | SINGLE | COOP | SUBMIT | CQSIZE,
	 "defer_taskrun,single_issuer,coop_taskrun,submit_all,cqsize"},
	{SINGLE | COOP | SUBMIT | CQSIZE, "single_issuer,coop_taskrun,submit_all,cqsize"},
	{COOP | SUBMIT | CQSIZE, "coop_taskrun,submit_all,cqsize"},
	{SUBMIT | CQSIZE, "submit_all,cqsize"},
	{CQSIZE, "cqsize"},
	{0, "none"},
};

int egress_ring_open(struct egress_ring *ring, unsigned int entries)
{
	int err = -EINVAL;

	for (unsigned int i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		struct io_uring_params params = {
			.flags = setups[i].flags,
			.cq_entries = setups[i].flags & CQSIZE ? 2 * entries : 0,
		};

		err = io_uring_queue_init_params(entries, &ring->uring, &params);
		if (!err)
			ring->flags = setups[i].text;
		/* EINVAL: the kernel does not know a flag. All else does not depend on flags. */
		if (err != -EINVAL)
			break;
	}
	return err;
}

void egress_ring_close(struct egress_ring *ring)
{
	if (!ring->flags)
		return;
	io_uring_queue_exit(&ring->uring);
	ring->flags = NULL;
}

struct io_uring_sqe *egress_ring_sqe(struct egress_ring *ring)
{
	struct io_uring_sqe *sqe;

	for (;;) {
		sqe = io_uring_get_sqe(&ring->uring);
		if (sqe)
			return sqe;
		io_uring_submit(&ring->uring);
	}
}

unsigned int egress_ring_prepared(const struct egress_ring *ring)
{
	return io_uring_sq_ready(&ring->uring);
}

int egress_ring_enter(struct egress_ring *ring, bool wait)
{
	int n = wait ? io_uring_submit_and_wait(&ring->uring, 1)
		     : io_uring_submit_and_get_events(&ring->uring);

	if (n >= 0 || n == -EINTR || n == -EAGAIN || n == -EBUSY)
		return 0;
	return n;
}

unsigned int egress_ring_overflows(const struct egress_ring *ring)
{
	return *ring->uring.cq.koverflow;
}
