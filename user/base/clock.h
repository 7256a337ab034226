/* SPDX-License-Identifier: BSD-2-Clause */
/* Time since some moment in the past, which nobody sets (CLOCK_MONOTONIC). Any thread. */
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

#endif
