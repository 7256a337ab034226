/* SPDX-License-Identifier: BSD-2-Clause */
/* Time since some moment in the past, which nobody sets (CLOCK_MONOTONIC), and the time of day as
 * text. Any thread. */
#ifndef XMCAST_BASE_CLOCK_H
#define XMCAST_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND 1000000000ULL

/* Nanoseconds. Through the vDSO: no system call, some tens of ns. */
static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

/* "2026-11-22T15:04:05.123Z" and its NUL; years of any length. */
#define CLOCK_TEXT_SIZE 40

/* A moment (CLOCK_REALTIME) in UTC as RFC 3339 has it, to the millisecond. Returns `text`. */
const char *clock_format(const struct timespec *time, char text[CLOCK_TEXT_SIZE]);

#endif
