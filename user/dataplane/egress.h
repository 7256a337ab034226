/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The egress thread's work: frame queue to UDP sockets, and frames back to the fill ring.
 *
 * The thread owns an engine (it creates it), which waits for any event with one call: packets
 * queued, a send completed, a command, the end of the command stream (engine.h). Nothing blocks on
 * one kind of event, and there are no timeouts. While there is work it does not wait at all.
 *
 * Order: the datagrams of one stream leave on each output in the order in which they came: entries
 * are taken in order, the sends of one output are submitted in order, and MSG_DONTWAIT keeps the
 * kernel from parking one of them. A batch (GSO) that the kernel refuses, because the path MTU has
 * shrunk or the device does not segment any more, is sent anew, datagram by datagram, when its
 * completion says so; therefore nothing that the kernel may take where it refuses that batch is
 * handed over before: neither a single datagram nor a batch of smaller segments. Batches of equal
 * segments follow each other without that; the kernel refuses them alike. (What remains: a refusal
 * that comes and goes between two sends of one submission, within tens of microseconds.)
 *
 * Limits: what is over an output's limit (rate_limit.h) is counted and let go before a batch is
 * gathered; an output without one costs a comparison of a pointer that lies beside what is used
 * anyway.
 */
#ifndef XMCAST_DATAPLANE_EGRESS_H
#define XMCAST_DATAPLANE_EGRESS_H

#include <stdatomic.h>

#include "base/counter.h"
#include "dataplane/engine.h"
#include "dataplane/frame_queue.h"
#include "dataplane/xsk.h"
#include "rules/config.h"

struct egress_counters {
	counter_t sleeps;	/* calls that waited */
	counter_t submits;	/* calls that handed sends to the kernel */
	counter_t sends;	/* send requests: several datagrams each, with GSO */
	counter_t cq_overflows; /* completions that did not fit the ring; always 0 */
	counter_t in_flight;	/* frames now in flight: a gauge */
	counter_t beats;	/* calls of the engine: that it makes progress (watch.h) */
};

struct egress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	unsigned int rx_queue; /* which of an output's counters are ours */
	enum egress_engine engine;
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
 * Create the engine and all that the loop needs. Must be called by the thread that then runs the
 * loop (IORING_SETUP_SINGLE_ISSUER). 0 or -errno.
 */
int egress_loop_open(struct egress_loop **out, struct egress *egress);

/* Name of the engine and what the kernel granted it, for the start-up line; constant text. */
const char *egress_loop_engine(const struct egress_loop *loop);

/* Run until the command stream closes and every frame has gone back. 0, or -errno if the ring
 * failed for good. */
int egress_loop_run(struct egress_loop *loop);

void egress_loop_close(struct egress_loop *loop); /* takes NULL */

#endif
