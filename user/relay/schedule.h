/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to look at the network again, and when to try again what failed. Pure: the time is an
 * argument (CLOCK_MONOTONIC in ns), and whoever asks does what is due. Any thread.
 */
#ifndef XMCAST_RELAY_SCHEDULE_H
#define XMCAST_RELAY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* No time: nothing is planned. */
#define NEVER_NS UINT64_MAX

/* ---- one thing that is tried until it succeeds ---- */

/* An RX queue stays busy for some tens of ms after its last socket was closed. For this many tries,
 * one every BUSY_NS, that is no news; after them the queue counts as taken by somebody else. */
#define BUSY_TRIES 20
#define BUSY_NS	   (50 * NS_PER_MS)

/* Back-off after other failures: doubled each time. */
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MOST_NS	 (10 * NS_PER_SECOND)

/* From one successful start to the next, of an interface that comes and goes: each takes the main
 * thread tens of ms. */
#define REST_NS (300 * NS_PER_MS)

/* Starts as all zero: due at once. */
struct backoff {
	uint64_t due_ns;   /* not to be tried before then */
	uint64_t rest_ns;  /* nor before then, whatever happens */
	uint64_t delay_ns; /* from the last failure to due_ns; 0: none yet */
	unsigned int busy; /* failures in a row because a queue was busy */
};

void backoff_failed(struct backoff *backoff, uint64_t now_ns, bool busy);
void backoff_succeeded(struct backoff *backoff, uint64_t now_ns);

/* Something has changed, so the next try may succeed: forget the failures. */
void backoff_forget(struct backoff *backoff);

uint64_t backoff_due(const struct backoff *backoff);

/* ---- looking at the network ---- */

/*
 * Changes come in bursts: an interface that is made anew announces itself five times. So looks are
 * LOOK_EVERY_NS apart at least. And not everything is announced (a bpf_link that another tool
 * detaches is not), so they are LOOK_AT_LEAST_NS apart at most: half of the second that a rule may
 * take to resume.
 */
#define LOOK_EVERY_NS	 (50 * NS_PER_MS)
#define LOOK_AT_LEAST_NS (500 * NS_PER_MS)

/* Addresses or routes changed: a round through all outputs, begun once a second at most, in turns.
 * A turn of ROUND_TURN outputs takes a millisecond; in between the main thread serves others. */
#define ROUND_EVERY_NS NS_PER_SECOND
#define ROUND_TURN_NS  (5 * NS_PER_MS)
#define ROUND_TURN     64

/* Between two tries of the rules that wait for something of their own, first and at most. */
#define RETRY_FIRST_NS (250 * NS_PER_MS)
#define RETRY_MOST_NS  (10 * NS_PER_SECOND)

/* Starts as all zero: everything is due. */
struct schedule {
	bool changed;		 /* something was announced since the last look */
	uint64_t looked_ns;	 /* when that was */
	bool routes_changed;	 /* addresses or routes, since the last round began */
	bool in_round;		 /* a round is under way */
	uint64_t round_ns;	 /* when the last one began */
	bool waiting;		 /* there are rules to try again */
	uint64_t retried_ns;	 /* when they were tried last */
	uint64_t retry_delay_ns; /* from then to the next time */
};

enum {
	DUE_LOOK = 1,  /* look at all interfaces */
	DUE_ROUND = 2, /* begin a round, or do its next turn */
};

/* What is due. `intakes_ns`: when the first intake that failed may be tried again, or NEVER_NS. */
unsigned int schedule_due(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns);

/* When something will be due next, if nothing is announced before. */
uint64_t schedule_next(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns);

/* With the look that is next after this: try waiting rules again, then call schedule_retried().
 * NEVER_NS: there are none. */
uint64_t schedule_retry_ns(const struct schedule *schedule);

/* What a rule waits for may be there now: try again soon, however often that failed. */
void schedule_expect(struct schedule *schedule);

void schedule_retried(struct schedule *schedule, uint64_t now_ns);

#endif
