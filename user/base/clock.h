/* SPDX-License-Identifier: BSD-2-Clause */
/* The monotonic clock, and the time of day as text. Any thread. */
#ifndef XMCAST_BASE_CLOCK_H
#define XMCAST_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US     1000ull
#define NS_PER_MS     1000000ull
#define NS_PER_SECOND 1000000000ULL

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

/* CLOCK_MONOTONIC in ns. Through the vDSO: no system call, some tens of ns. */
static inline uint64_t clock_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

/* The same, as of the last timer tick: some ns. */
static inline uint64_t clock_coarse_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

/* Bytes of "2026-11-22T15:04:05.123Z" with its NUL; a year may have more digits. */
#define CLOCK_TEXT_SIZE 40

/* Format a CLOCK_REALTIME time as RFC 3339 text in UTC, in milliseconds. Returns `text`. */
const char *clock_format(const struct timespec *time, char text[CLOCK_TEXT_SIZE]);

#endif
