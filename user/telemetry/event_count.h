/* SPDX-License-Identifier: BSD-2-Clause */
/* A sink of events that counts them by name (event.h). Main thread. */
#ifndef XMCAST_TELEMETRY_EVENT_COUNT_H
#define XMCAST_TELEMETRY_EVENT_COUNT_H

#include <jansson.h>
#include <stdint.h>

#include "telemetry/event.h"

/* The names of docs/control-protocol.md, but for events-lost, which is one client's. They are told
 * from the start, as 0, because a counter that begins with 1 hides its first event from rates. */
#define EVENT_NAMES                                                                                \
	"flowing", "silent", "dropping", "dropping-ended", "active", "pending", "rules-changed",   \
		"interface-impaired", "interface-recovered", "interface-ready",                    \
		"interface-failed", "buffer-exhausted", "buffer-exhausted-ended", "reloaded",      \
		"reload-refused", "events-suppressed", "stopping", "worker-stuck"

#define EVENT_NAME_COUNT (sizeof((const char *const[]){EVENT_NAMES}) / sizeof(const char *))

/* Starts as all zero. */
struct event_counts {
	uint64_t counts[EVENT_NAME_COUNT];
	uint64_t others; /* of any other name, told as "other" */
};

/* The sink; its context is a struct event_counts. */
void event_count(void *context, const struct event *event);

/* {NAME: NUMBER…}. The caller's reference; NULL: no memory. */
json_t *event_counts_json(const struct event_counts *counts);

#endif
