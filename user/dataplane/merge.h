/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Merging: a stream that arrives by several sides leaves once, from whichever side had each
 * datagram first (SMPTE ST 2022-7; arbitration of MoldUDP64 feeds). This is the decision alone: no
 * I/O, no clock, no bytes of datagrams.
 *
 *     merge_offer()      a datagram has arrived: its side, who sends it, its numbers
 *     merge_advance()    the time: what has waited for `skew` leaves
 *     merge_take()       what has been decided, in the order in which it leaves; to be called until
 *                        it returns NULL after each of the others
 *     merge_deadline()   when to call merge_advance()
 *
 * A datagram has `count` numbers from `first` on: one, or the messages of a MoldUDP64 packet. A
 * datagram without a number is a heartbeat, and `first` is the next number. Each number leaves once.
 * Of a packet whose first messages have left, the others leave (merge_item.cut, .kept).
 *
 * Ordered (the default): numbers leave in order. What follows a gap is held until the gap is filled,
 * or until the first of it has waited for `skew`; then the gap is given up, and what arrives of it
 * later is late. Not ordered: each datagram leaves at once if one of its numbers has not left; the
 * numbers between the first and the last of those leave with it.
 *
 *          closed            next            end
 *     ───────┼────────────────┼───────────────┼────────▶ numbers
 *      late  │  left, or given up; remembered │ held, with gaps     (ordered)
 *
 * A number is closed, and counted where it is missing, between one and two times `skew` after a
 * number behind it was seen. A side that lags by more than that is late with everything.
 *
 * Restarts: a datagram of another sender (SSRC, session), or one whose number is too far ahead or
 * behind, is a candidate. It is held, and the stream continues with the candidates
 *
 *     - as soon as two sides have some; or, if nothing new of the old stream has arrived since,
 *     - as soon as there are MERGE_CONFIRMED with different numbers, or after `skew`.
 *
 * Otherwise they are foreign after `skew`. A side that continues the old stream behind its
 * candidates takes its word back. A jump of the stream by MERGE_JUMP numbers, and by more than it
 * moved within `skew`, has candidates as well, which become a part of it; but `skew` alone does not
 * confirm them. What is held of the old stream leaves before the new one, and
 * what arrives of the old one within two times `skew` afterwards is late.
 *
 * Memory: for each number between `closed` and `end` 16 bytes, at most MERGE_MOST_NUMBERS of them;
 * of held datagrams the caller's.
 *
 * One thread; the counters may be read by any thread.
 */
/* clang-format on */
#ifndef XMCAST_DATAPLANE_MERGE_H
#define XMCAST_DATAPLANE_MERGE_H

#include "dataplane/merge_item.h"

struct merge;

/* 0 or -ENOMEM. */
int merge_new(struct merge **out, const struct merge_options *options);

/* Nothing is held: merge_flush(). Accepts NULL. */
void merge_free(struct merge *merge);

/* The time never goes back. Datagrams are offered in the order in which they arrived, as far as
 * that is known. */
void merge_offer(struct merge *merge, struct merge_item *item, unsigned int side,
		 const struct merge_datagram *datagram, uint64_t now_ns);
void merge_advance(struct merge *merge, uint64_t now_ns);

/* This number of datagrams of a side, all of senders of one kind, was dropped before its next one
 * is offered. If the stream is of another kind, they were not its own, and nothing changes.
 * Otherwise its numbers are at least that much further on, which with 16 bits they do not say
 * themselves. After more than MERGE_AHEAD (MERGE_AHEAD_16, if nothing of this stream has arrived by
 * the side) its place is not known, and its datagrams are late until something new arrives by
 * another side, or a restart if nothing does within `skew`: no number leaves again, or behind a
 * later one. */
void merge_skip(struct merge *merge, unsigned int side, struct merge_skipped skipped);

/* Where a stream stands, so that another process continues it: no number before `next` leaves there
 * again, unless the stream begins again. merge_place() is false if there is no stream. Nothing is
 * held: merge_flush(); and no datagram has been offered to the merge that resumes. */
struct merge_place {
	uint64_t sender[2];
	uint64_t next;
};
bool merge_place(const struct merge *merge, struct merge_place *place);
void merge_resume(struct merge *merge, const struct merge_place *place, uint64_t now_ns);

/* Give up all gaps: what is held leaves, in order. Candidates are decided as after `skew`: the
 * stream continues with them, or they are foreign. Nothing is held afterwards, but what was decided
 * has to be taken. */
void merge_flush(struct merge *merge);

/* Memory is short: give up the first gap, or drop the candidates as foreign if they are more than
 * what is held. */
void merge_give_up(struct merge *merge);

/* The next datagram that has been decided, or NULL. */
struct merge_item *merge_take(struct merge *merge);

/* When to call merge_advance(); UINT64_MAX: nothing waits. */
uint64_t merge_deadline(const struct merge *merge);

const struct merge_counters *merge_counters(const struct merge *merge);

#endif
