/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to look at the network again, and when to try again what failed. Pure: the time is an
 * argument (CLOCK_MONOTONIC in ns), and the caller does what is due. Any thread.
 */
#ifndef XMCAST_RELAY_SCHEDULE_H
#define XMCAST_RELAY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* A time that never comes. */
#define NEVER_NS UINT64_MAX

/* ---- back-off ---- */

/* An RX queue stays busy for some tens of ms after its last socket was closed. It is tried every
 * BUSY_NS, BUSY_TRIES times without a log line; then the queue must belong to another program. */
#define BUSY_TRIES 20
#define BUSY_NS	   (50 * NS_PER_MS)

/* Delays after other failures: the first one, doubled each time, up to the longest. */
#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MOST_NS	 (10 * NS_PER_SECOND)

/* From a success to the next try. Bringing up an interface keeps the main thread busy for tens of
 * ms, and a flapping one must not do so all the time. */
#define REST_NS (300 * NS_PER_MS)

/* Starts as all zero: due at once. */
struct backoff {
	uint64_t due_ns;   /* when to try again after the last failure */
	uint64_t rest_ns;  /* not before then, after a success */
	uint64_t delay_ns; /* the last delay; 0: none yet */
	unsigned int busy; /* failures because a queue was busy */
};

void backoff_failed(struct backoff *backoff, uint64_t now_ns, bool busy);
void backoff_succeeded(struct backoff *backoff, uint64_t now_ns);

/* Something has changed, so the next try may succeed: forget all failures. */
void backoff_forget(struct backoff *backoff);

uint64_t backoff_due(const struct backoff *backoff);

/* ---- looking at the network ---- */

/*
 * Changes come in bursts (an interface that is recreated is announced five times), so looks are at
 * least LOOK_EVERY_NS apart. Some changes are not announced (another tool detaches a bpf_link), so
 * looks are at most LOOK_AT_LEAST_NS apart: half of the second within which a rule resumes.
 */
#define LOOK_EVERY_NS	 (50 * NS_PER_MS)
#define LOOK_AT_LEAST_NS (500 * NS_PER_MS)

/* After a change of addresses or routes there is a round through all outputs, at most one a second.
 * It is done in turns of ROUND_TURN outputs, which take a millisecond each, so that the main thread
 * can do other work in between. */
#define ROUND_EVERY_NS NS_PER_SECOND
#define ROUND_TURN_NS  (5 * NS_PER_MS)
#define ROUND_TURN     64

/* Delays between two tries of waiting rules: the first one, doubled each time, up to the longest.
 */
#define RETRY_FIRST_NS (250 * NS_PER_MS)
#define RETRY_MOST_NS  (10 * NS_PER_SECOND)

/* Starts as all zero: everything is due. */
struct schedule {
	bool changed;		 /* something was announced since the last look */
	uint64_t looked_ns;	 /* time of the last look */
	bool routes_changed;	 /* addresses or routes have changed since the last round began */
	bool in_round;		 /* a round has not ended yet */
	uint64_t round_ns;	 /* when the last round began */
	bool in_pass;		 /* kernel paths are left that have to be updated */
	bool waiting;		 /* some rules are pending for reasons of their own (route.h) */
	uint64_t retried_ns;	 /* when they were last tried */
	uint64_t retry_delay_ns; /* from then to the next try */
};

enum {
	DUE_LOOK = 1,  /* look at all interfaces */
	DUE_ROUND = 2, /* start a round, or do its next turn */
	DUE_PASS = 4,  /* update the next kernel paths */
};

/* What is due. `intakes_ns`: when the first of the failed intakes may be tried again, or NEVER_NS.
 */
unsigned int schedule_due(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns);

/* When something will be due if nothing is announced before. */
uint64_t schedule_next(const struct schedule *schedule, uint64_t now_ns, uint64_t intakes_ns);

/* The first look from then on tries the waiting rules again, and calls schedule_retried().
 * NEVER_NS: no rule waits. */
uint64_t schedule_retry_ns(const struct schedule *schedule);

/* What the rules wait for may have happened: try again soon, however often it has failed. */
void schedule_expect(struct schedule *schedule);

void schedule_retried(struct schedule *schedule, uint64_t now_ns);

#endif
