/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a thread make progress? It bumps a counter once in each pass of its loop; the main thread
 * looks at that about once a second. A thread that sleeps because there is nothing to do does not
 * bump it either: it is asked then, that is woken, and has to move the counter. Stuck is only who
 * was asked and did not.
 *
 * The time that counts is that in which the main thread itself came by regularly: if it was away
 * (the process stopped, the machine suspended or overloaded), the others were, too, and watching
 * begins anew.
 *
 * Pure; no thread of its own, no clock, no I/O.
 */
#ifndef XMCAST_DATAPLANE_WATCH_H
#define XMCAST_DATAPLANE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Looks that are farther apart prove nothing: three times what they should be. */
#define WATCH_LATE_NS (3 * NS_PER_SECOND)

/* Starts as all zero. */
struct watch {
	uint64_t beats;	      /* as last seen */
	uint64_t looked_ns;   /* when; 0: never */
	uint64_t progress_ns; /* when they were last seen to have moved */
	uint64_t asked_ns;    /* 0: not asked since */
};

/* Look. True: wake the thread now, to see whether it moves. */
bool watch_look(struct watch *watch, uint64_t beats, uint64_t now_ns);

/* For how long it has owed a sign of life; 0: it does not. */
uint64_t watch_owed_ns(const struct watch *watch);

#endif
