/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The egress thread's work: frame queue to UDP sockets, and frames back to the fill ring.
 *
 *     frame queue ─▶ outbox (outbox.h) ─▶ completion ─▶ fill ring (xsk.h)
 *
 * The thread creates and owns an engine, which waits for any event with one call: frames queued, a
 * send completed, a command, the end of the command stream. Nothing blocks on one kind of event,
 * and there are no timeouts. As long as the queue has frames, the thread does not wait.
 *
 * Frames of datagrams that were merged come back through a feed (feed.h), and are only returned.
 *
 * How others reach the thread: the ingress thread through the frame queue, whose wake-up eventfd
 * means "look at the queue"; the main thread through the command stream, whose end means shut down.
 * Only a change of the ruleset must keep its place among the frames, so it comes from the main
 * thread through ingress and the queue, as a marker (worker.h). The thread answers a marker with
 * `acknowledged` and a write to `notify_fd`, and everything else by incrementing `beats`.
 *
 * The sends are those of an outbox (outbox.h), which gathers batches and keeps the order: datagrams
 * are added in the order of their arrival, and flushed at the end of a pass; nothing waits for more
 * to come.
 *
 * Limits: a datagram over the limit of its output (rate_limit.h) is counted and ends here. An
 * output without a limit costs one comparison.
 *
 * Leases (lease.h): a datagram of a rule whose lease is not held ends here, as `standby`, when it
 * is taken from the queue; the outbox checks again.
 *
 * Selections (selection.h): a datagram of an input that is not selected ends here, as
 * `inactive_side`, when it is taken from the queue.
 *
 * Withheld: what the kernel would accept and then drop, what has no source, and what has no TTL
 * left (withheld.h), is counted and ends here, too.
 */
#ifndef XMCAST_DATAPLANE_EGRESS_H
#define XMCAST_DATAPLANE_EGRESS_H

#include <stdatomic.h>

#include "dataplane/outbox.h"

struct egress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	struct merger *merger;	     /* of its thread: instead of both; NULL: a worker's */
	_Atomic(struct feed *) feed; /* whose `done` it returns; NULL: nothing is merged yet */
	unsigned int shard;	     /* of streams and outputs: the one that is ours */
	enum egress_engine engine;
	enum egress_wakeup wakeup;
	int wakeup_fd;	/* eventfd, written by ingress */
	int command_fd; /* read end of the command stream: struct egress_command (engine.h) */
	int notify_fd;	/* eventfd, written by us: an acknowledgement, or the thread has failed */
	/* Of datagrams behind the next marker. NULL: none is captured. */
	_Atomic(struct capture_tap *) next_tap; /* as ingress.next_tap */

	/* Egress to the main thread. */
	_Atomic uint64_t acknowledged; /* generation of the ruleset that all later frames have */
	alignas(CACHE_LINE) struct egress_counters counters;
};

struct egress_loop;

/*
 * Create the engine and everything else that the loop needs, in the thread that then runs the loop
 * (IORING_SETUP_SINGLE_ISSUER). 0 or -errno.
 */
int egress_loop_open(struct egress_loop **out, struct egress *egress);

/* Name of the engine and what the kernel granted, for the start-up line; constant text. */
const char *egress_loop_engine(const struct egress_loop *loop);

/* Run until the command stream closes and every frame has been returned. 0, or -errno if the engine
 * cannot continue. */
int egress_loop_run(struct egress_loop *loop);

void egress_loop_close(struct egress_loop *loop); /* accepts NULL */

#endif
