/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rate limit of the log: for each event name, 100 lines in a burst and then 10 a second. A
 * table of fixed size, no allocation. The caller's lock; pure, the time is an argument.
 */
#ifndef XMCAST_BASE_LOG_LIMITER_H
#define XMCAST_BASE_LOG_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMITER_BURST     100
#define LOG_LIMITER_PERIOD_NS 100000000ULL

/* More names than the source has (docs/log-events.md). Names beyond these share one limit. */
#define LOG_LIMITER_EVENTS 256

/* Bytes of a name that are kept, with its NUL; names with the same beginning share a limit. */
#define LOG_LIMITER_NAME 32

struct log_limiter_event {
	char name[LOG_LIMITER_NAME]; /* empty: unused */
	uint64_t next;		     /* ns: when the event would be due at an even rate */
	uint64_t suppressed;	     /* lines held back since the last one that was written */
};

/* Starts as all zero. */
struct log_limiter {
	struct log_limiter_event events[LOG_LIMITER_EVENTS];
	struct log_limiter_event others;
};

/* Whether a line of this event may be written at `now` (ns, any epoch). If so, *suppressed is the
 * number of lines held back before it. */
bool log_limiter_pass(struct log_limiter *limiter, const char *event, uint64_t now,
		      uint64_t *suppressed);

/* The number of lines held back, which is then 0: for an event that is never limited. */
uint64_t log_limiter_take(struct log_limiter *limiter, const char *event);

/* Add lines of this event that were held back elsewhere. */
void log_limiter_add(struct log_limiter *limiter, const char *event, uint64_t suppressed);

#endif
