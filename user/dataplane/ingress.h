/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ingress thread's work: RX ring to frame queue.
 *
 * The thread takes frames out of the RX ring, several at a time, and validates their headers again,
 * because an administrator may have attached another program. It finds their streams in the ruleset
 * and pushes them into the frame queue, publishes once for all, and wakes the egress thread only if
 * that sleeps. Frames without a stream are queued as well, because only the egress thread returns
 * frames.
 *
 * Datagrams of rules that merge their inputs are pushed into a feed (merger.h) instead.
 *
 * Between two looks at the RX ring it replaces its ruleset if the main thread has left another one
 * in `next`, and pushes a marker: frames behind it were matched with the new ruleset (worker.h).
 */
#ifndef XMCAST_DATAPLANE_INGRESS_H
#define XMCAST_DATAPLANE_INGRESS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/counter.h"
#include "base/log.h"
#include "dataplane/capture.h"
#include "dataplane/feed.h"
#include "dataplane/frame_queue.h"
#include "dataplane/health_pace.h"
#include "dataplane/ruleset.h"
#include "dataplane/xsk.h"
#include "rules/config.h"

/* Why a received packet is not sent. */
enum ingress_drop {
	INGRESS_INVALID,   /* not a UDP datagram: another program steered it */
	INGRESS_NO_RULE,   /* no rule matches it any more */
	INGRESS_TOO_LARGE, /* it has more frames than are supported (XSK_MAX_PIECES) */
	INGRESS_DROPS,
};

#define INGRESS_DROP_NAMES                                                                         \
	{                                                                                          \
		[INGRESS_INVALID] = "invalid", [INGRESS_NO_RULE] = "no_rule",                      \
		[INGRESS_TOO_LARGE] = "too_large",                                                 \
	}

struct ingress_counters {
	counter_t received; /* packets taken out of the RX ring, each with its last frame */
	counter_t drops[INGRESS_DROPS];
	counter_t merge_full; /* datagrams that the feed did not accept, times their outputs */
	counter_t wakeups;    /* writes to the egress thread's eventfd */
	counter_t polls;      /* times that the thread slept */
	counter_t beats;      /* passes of the loop: the thread makes progress (watch.h) */
};

struct ingress {
	/* Set before the thread starts. */
	struct xsk *xsk;
	struct frame_queue *queue;
	unsigned int shard; /* of streams and outputs: the one that is ours */
	enum egress_wakeup wakeup;
	int egress_wakeup_fd; /* eventfd */
	int control_fd;	      /* eventfd: look at `next` and `stop` */

	/* Main thread to ingress: the next ruleset (NULL once it is in use) with the generation for
	 * its marker, and the order to end as soon as the RX ring is empty. */
	_Atomic(const struct ruleset *) next;
	_Atomic uint64_t next_generation;
	/* Written before `next`; atomic, because the first marker is not waited for. */
	_Atomic(struct capture_tap *) next_tap;
	_Atomic(struct feed *) next_feed; /* likewise */
	atomic_bool stop;
	atomic_bool flush; /* before the next ruleset is used: receive what has arrived */
	atomic_bool leave; /* with `stop`: end at once, and leave the RX ring to a successor */

	/* The thread's own. */
	const struct ruleset *ruleset;
	struct capture_tap *tap; /* NULL: nothing is captured */
	struct feed *feed;	 /* for datagrams that are merged; NULL: there are none */
	struct log_limit wakeup_limit;
	uint64_t pass_ns; /* the time of this look at the RX ring; 0: not read yet */
	struct health_pace pace;
	enum { TS_UNDECIDED, TS_CHECK, TS_SKIP } pass_ts; /* for this look, too */
	/* In the last frame whose transport stream was watched: where its packets began; 0: the
	 * last one was another, or not checked. */
	uint32_t ts_offset;
	/* A packet in several frames, of which the last has not been received yet. */
	struct xsk_frame pieces[XSK_MAX_PIECES];
	unsigned int nr_pieces;
	bool too_large; /* it had more, which have been returned */
	alignas(CACHE_LINE) struct ingress_counters counters;
};

/* Run until `stop` is set and the RX ring is empty, or `leave` is set. The ingress thread. */
void ingress_run(struct ingress *ingress);

#endif
