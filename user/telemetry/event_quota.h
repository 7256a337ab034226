/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many events a sweep of the sampler may still emit. Starts as all zero. Main thread.
 */
#ifndef XMCAST_TELEMETRY_EVENT_QUOTA_H
#define XMCAST_TELEMETRY_EVENT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/* Events of one sweep; the number of further ones is reported in one `events-suppressed`. An
 * interface that fails may silence ten thousand rules at once, and nobody reads as many events. */
#define EVENT_QUOTA 100

struct event_quota {
	unsigned int emitted; /* in this sweep */
	uint64_t suppressed;
};

static inline bool event_quota_take(struct event_quota *quota)
{
	if (quota->emitted == EVENT_QUOTA) {
		quota->suppressed++;
		return false;
	}
	quota->emitted++;
	return true;
}

#endif
