/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How often each event may be logged: bursts of 100 lines, then 10 a second, by event name. A table
 * of fixed size, no allocation; the caller's lock. Pure: the time is an argument.
 */
#ifndef XMCAST_BASE_LOG_LIMITER_H
#define XMCAST_BASE_LOG_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LIMITER_BURST     100
#define LOG_LIMITER_PERIOD_NS 100000000ULL

/* More names than the source has (docs/log-events.md). Names past it share one limit. */
#define LOG_LIMITER_EVENTS 256

/* Bytes of a name that are kept, with its NUL; names that agree in them share a limit. */
#define LOG_LIMITER_NAME 32

struct log_limiter_event {
	char name[LOG_LIMITER_NAME]; /* empty: unused */
	uint64_t next;		     /* ns: when the event would be due at an even rate */
	uint64_t suppressed;	     /* lines held back since the last that came through */
};

/* Starts as all zero. */
struct log_limiter {
	struct log_limiter_event events[LOG_LIMITER_EVENTS];
	struct log_limiter_event others;
};

/* May a line of this event be written at `now` (ns, any epoch)? If so,
 * *suppressed is the number held back before it. */
bool log_limiter_pass(struct log_limiter *limiter, const char *event, uint64_t now,
		      uint64_t *suppressed);

/* As log_limiter_pass() for an event that is never held back. */
uint64_t log_limiter_take(struct log_limiter *limiter, const char *event);

/* So many lines of this event were held back elsewhere. */
void log_limiter_add(struct log_limiter *limiter, const char *event, uint64_t suppressed);

#endif
