/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The egress thread's work: frame queue to UDP sockets, and frames back to the fill ring.
 *
 *     frame queue ─▶ request per output ─▶ engine (engine.h) ─▶ completion ─▶ fill ring (xsk.h)
 *
 * The thread creates and owns an engine, which waits for any event with one call: frames queued, a
 * send completed, a command, the end of the command stream. Nothing blocks on one kind of event,
 * and there are no timeouts. As long as the queue has frames, the thread does not wait.
 *
 * How others reach the thread: the ingress thread through the frame queue, whose wake-up eventfd
 * means "look at the queue"; the main thread through the command stream, whose end means shut down.
 * Only a change of the ruleset must keep its place among the frames, so it comes from the main
 * thread through ingress and the queue, as a marker (worker.h). The thread answers a marker with
 * `acknowledged` and a write to `notify_fd`, and everything else by incrementing `beats`.
 *
 * Batches: what the queue holds for one output leaves with one send, if GSO is on (gso.h) and the
 * headers are the same (send_request.h); nothing waits for more to come. An output of `from keep`
 * gathers for each source by itself.
 *
 * Order: the datagrams of a stream leave on each output in the order of their arrival; with `from
 * keep`, those of one source do. Entries are taken in order, the sends of one output are submitted
 * in order, and MSG_DONTWAIT keeps the kernel from parking one of them. The datagrams of a refused
 * batch are sent one by one when its completion reports the refusal, so until then nothing is
 * handed over that could be accepted (gso_must_wait()). One case remains: the route changes between
 * two sends of one submission, within tens of microseconds, so that the kernel refuses a batch and
 * accepts the datagrams behind it.
 *
 * Limits: a datagram over the limit of its output (rate_limit.h) is counted and ends here. An
 * output without a limit costs one comparison.
 *
 * Leases (lease.h): a datagram of a rule whose lease is not held ends here, as `standby`: when it
 * is taken from the queue, in front of its send, and when the kernel's own check has refused the
 * send.
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

#include "base/counter.h"
#include "dataplane/engine.h"
#include "dataplane/frame_queue.h"
#include "dataplane/merger.h"
#include "dataplane/stream.h"
#include "dataplane/xsk.h"
#include "rules/config.h"

struct egress_counters {
	counter_t sleeps;	/* calls of the engine that waited */
	counter_t submits;	/* calls of the engine that handed over sends */
	counter_t sends;	/* requests sent: several datagrams each, with GSO */
	counter_t cq_overflows; /* completions that did not fit the ring; always 0 */
	counter_t in_flight;	/* frames with unfinished sends: a gauge */
	counter_t beats;	/* calls of the engine: the thread makes progress (watch.h) */

	/* Sums of the same counters of all output shards, also of those that are gone, so that
	 * totals need no walk over all rules. */
	counter_t submitted;
	counter_t sent;
	counter_t sent_bytes;
	counter_t send_errors;
	counter_t rate_limited;
	counter_t withheld;
	counter_t unwanted;
	counter_t inactive_side;
};

struct egress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	struct merger *merger; /* of its thread: instead of both; NULL: a worker's */
	unsigned int shard;    /* of streams and outputs: the one that is ours */
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
