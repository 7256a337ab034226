/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heartbeat of a thread: does it make progress?
 *
 * The thread increments a counter in each pass of its loop, and the main thread looks at the
 * counter about once a second. A thread that sleeps because it has no work does not increment it
 * either, so it is woken first, and is overdue if the counter still does not move. A thread that
 * was not woken is never overdue.
 *
 * Only time during which the main thread itself looked regularly counts. If it did not (the process
 * was stopped, the machine suspended or overloaded), the other threads did not run either, and
 * watching starts again.
 *
 * No threads, no clock, no I/O.
 */
#ifndef XMCAST_DATAPLANE_WATCH_H
#define XMCAST_DATAPLANE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Looks that are farther apart prove nothing: three times the regular interval. */
#define WATCH_LATE_NS (3 * NS_PER_SECOND)

/* Starts as all zero. */
struct watch {
	uint64_t beats;	    /* as last seen */
	uint64_t looked_ns; /* time of the last look; 0: none */
	uint64_t woken_ns;  /* when it was to be woken; 0: not since the counter moved */
};

/* Look. True: wake the thread now, so that its counter moves. */
bool watch_look(struct watch *watch, uint64_t beats, uint64_t now_ns);

/* For how long the thread has been overdue; 0: it is not. */
uint64_t watch_overdue_ns(const struct watch *watch);

#endif
