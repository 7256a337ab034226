/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ingress thread's work: RX ring to frame queue.
 *
 * Reads received frames in batches, validates their headers again (an admin may have attached
 * another program), finds their stream in the ruleset, pushes them, publishes once per batch, and
 * wakes the egress thread if, and only if, that sleeps. Frames of no use are queued as well: only
 * the egress thread gives frames back.
 */
#ifndef XMCAST_DATAPLANE_INGRESS_H
#define XMCAST_DATAPLANE_INGRESS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/counter.h"
#include "base/log.h"
#include "dataplane/frame_queue.h"
#include "dataplane/ruleset.h"
#include "dataplane/xsk.h"
#include "rules/config.h"

/* Why a received packet was not handed on. */
enum ingress_drop {
	INGRESS_INVALID, /* not a datagram: steered by somebody else's program */
	INGRESS_NO_RULE, /* no rule names it any more */
	INGRESS_DROPS,
};

#define INGRESS_DROP_NAMES                                                                         \
	{                                                                                          \
		[INGRESS_INVALID] = "invalid", [INGRESS_NO_RULE] = "no_rule",                      \
	}

struct ingress_counters {
	counter_t received; /* taken out of the RX ring */
	counter_t drops[INGRESS_DROPS];
	counter_t wakeups; /* writes to the egress thread's eventfd */
	counter_t polls;   /* times that the thread slept */
	counter_t beats;   /* passes of the loop: that it makes progress (watch.h) */
};

struct ingress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	unsigned int rx_queue; /* which of a stream's counters are ours */
	enum egress_wakeup wakeup;
	int egress_wakeup_fd; /* eventfd */
	int control_fd;	      /* eventfd: look at `next` and `stop` */

	/* Main thread to ingress: a ruleset to go over to (taken: NULL), or the order to end once
	 * the RX ring is empty. */
	_Atomic(const struct ruleset *) next;
	_Atomic uint64_t next_generation;
	atomic_bool stop;

	/* The thread's own. */
	const struct ruleset *ruleset;
	struct log_limit wakeup_limit;
	alignas(CACHE_LINE) struct ingress_counters counters;
};

/* Run until told to stop and the RX ring is empty. The ingress thread. */
void ingress_run(struct ingress *ingress);

#endif
