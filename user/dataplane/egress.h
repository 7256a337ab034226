/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The egress thread's work: frame queue to UDP sockets, and frames back to the fill ring.
 *
 * The thread owns an io_uring (it creates it) and waits for any event with one call,
 * submit_and_wait(1):
 *
 *   arrival    poll on the wake-up eventfd, multishot where the kernel has it, else re-armed
 *   send       a send completed: its frames' counts go down; at zero, back to the fill ring
 *   command    a read on the command stream: > 0 a command, 0 the stream is closed, < 0 an error
 *   shutdown   posted by the thread itself when the command stream has closed: drain, then end
 *
 * Nothing blocks on one kind of event, and there are no timeouts. While there is work it does not
 * wait at all.
 *
 * Order: the datagrams of one stream leave on each output in the order in which they came: entries
 * are taken in order, the sends of one output are submitted in order, and MSG_DONTWAIT keeps the
 * kernel from parking one of them.
 */
#ifndef XMCAST_DATAPLANE_EGRESS_H
#define XMCAST_DATAPLANE_EGRESS_H

#include <stdatomic.h>

#include "base/counter.h"
#include "dataplane/frame_queue.h"
#include "dataplane/xsk.h"
#include "rules/rule.h"

/* What the main thread may ask for; a record of this size in the command stream. */
struct egress_command {
	enum { EGRESS_PING } kind;
	uint32_t sequence; /* EGRESS_PING: comes back in `pong` */
};

struct egress_counters {
	counter_t sleeps;	/* calls that waited */
	counter_t submits;	/* calls that handed sends to the kernel */
	counter_t sends;	/* send requests: several datagrams each, with GSO */
	counter_t cq_overflows; /* completions that did not fit the ring; always 0 */
	counter_t in_flight;	/* frames now in flight: a gauge */
};

struct egress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	unsigned int rx_queue; /* which of an output's counters are ours */
	enum egress_wakeup wakeup;
	int wakeup_fd;	/* eventfd, written by ingress */
	int command_fd; /* read end of the command stream */
	int notify_fd;	/* eventfd, written by us: an acknowledgement, or the end */

	/* Egress to the main thread. */
	_Atomic uint64_t acknowledged; /* generation of the ruleset that all later frames have */
	_Atomic uint32_t pong;
	alignas(CACHE_LINE) struct egress_counters counters;
};

struct egress_loop;

/*
 * Create the ring and all that the loop needs. Must be called by the thread that then runs the loop
 * (IORING_SETUP_SINGLE_ISSUER). 0 or -errno.
 */
int egress_loop_open(struct egress_loop **out, struct egress *egress);

/* "defer_taskrun,single_issuer,…": what the kernel granted; constant text. */
const char *egress_loop_flags(const struct egress_loop *loop);

/* Run until the command stream closes and every frame has gone back. 0, or -errno if the ring
 * failed for good. */
int egress_loop_run(struct egress_loop *loop);

void egress_loop_close(struct egress_loop *loop); /* takes NULL */

#endif
