/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The merger carries the datagrams of all rules with `merge` from the workers of their sides to the
 * outputs. One thread decides (merge.h) and sends, because two threads that send by themselves
 * would reorder.
 *
 *     ingress thread of a side ──▶ feed ──┐
 *     ingress thread of a side ──▶ feed ──┴─▶ merger_take(): merge.h ─▶ egress loop ─▶ sockets
 *                                                                           │
 *     egress thread of its worker ◀── feed ◀────────── frames that are done ┘
 *
 * What has arrived first in any feed is decided first, and the time of the merge is that of the
 * arrival. So a thread that is behind decides as one that is not: it gives up no gap that a datagram
 * in a feed fills, and takes no old number for a new one.
 *
 * A feed belongs to one worker. What leaves at once is sent from its frame, and a duplicate costs
 * nothing but the look at its number. Only what is held behind a gap is copied with its headers, so
 * that it starves no other rule of frames. If the thread has most of the frames of a worker, further
 * datagrams are counted drops, of which the merge knows (merge_skip()). If most of the slots of a
 * feed are taken, the rule that holds most of them gives up gaps early, or its candidates.
 *
 * The thread runs the same loop as the egress thread of a worker (egress.h), which takes what the
 * merge has decided instead of a frame queue, and sleeps until the deadline of a gap if there is
 * one. It is started with the first rule that merges. Datagrams that are not sent are counted for
 * the outputs of the stream by which they came; the others leave by one of the rule's streams,
 * whichever side they came from, so that batches form.
 *
 * The main thread creates and frees everything; before it frees what the thread may use, it waits
 * until the thread has sent what it has (merger_settle()). The thread has a heartbeat as those of
 * workers have; if it is stuck, what it may use is left behind until the process ends.
 */
/* clang-format on */
#ifndef XMCAST_DATAPLANE_MERGER_H
#define XMCAST_DATAPLANE_MERGER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/feed.h"
#include "dataplane/merged.h"
#include "dataplane/stream.h"

#define MERGER_SLOTS (MERGER_FEEDS * FEED_SLOTS)

struct merger;

/* ---- the merger; main thread ---- */

/* The one of this process; NULL: no memory. */
struct merger *merger_get(void);

/* What its thread is. */
struct merger_thread_side {
	int wakeup_fd; /* the eventfd that it waits for */
	int notify_fd; /* the eventfd that it writes when it has acknowledged a marker */
	const _Atomic uint64_t *acknowledged; /* the last marker */
	const atomic_bool *failed;	      /* it has ended by itself */
	/* Look at its heartbeat; called about once a second while the main thread waits for it.
	 * `looks`: how often in this wait. False: it is stuck, and may use all that it has. */
	bool (*check)(unsigned int looks);
	/* Its sums of what was not sent because other sides had it, or because it has no number. */
	counter_t *unused;
	counter_t *withheld;
};

/* The thread is about to run; or it has ended (NULL). */
void merger_attach(struct merger *merger, const struct merger_thread_side *thread);
bool merger_runs(const struct merger *merger);

/* Wait until everything in the feeds has been decided, what this rule or this feed (NULL: none)
 * holds has left, and nothing is in flight. Accepts a merger that does not run. False: the thread
 * is stuck, so nothing that it may still use must be freed, and the process can only end. */
bool merger_settle(struct merger *merger, struct merged *merged, struct feed *feed);

/* ---- feeds ---- */

/* Main thread. NULL: no memory, or there are too many. */
struct feed *merger_add_feed(struct merger *merger, const struct feed_frames *frames);

/* The threads of its worker have ended. Accepts NULL. False: the merger's thread is stuck, and may
 * use the feed and its frames. */
bool merger_remove_feed(struct merger *merger, struct feed *feed);

/* Datagrams in the queues of the feeds; main thread. */
uint32_t merger_queued(const struct merger *merger);

/* ---- the merger's thread, in place of a frame queue and a UMEM ---- */

bool merger_take(struct merger *merger, struct frame_entry *entry);
uint8_t *merger_frame(const struct merger *merger, uint32_t slot);
void merger_return(struct merger *merger, const uint32_t *slots, unsigned int count);
bool merger_empty(const struct merger *merger);
bool merger_sleep(struct merger *merger); /* as frame_queue_sleep() */
void merger_awake(struct merger *merger);

/* When merger_take() has something to decide although nothing arrives; UINT64_MAX: never. */
uint64_t merger_deadline(const struct merger *merger);

#endif
