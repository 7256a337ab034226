/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events (records that log_event() gives to the watcher) as JSON, and how many there have been of
 * each name. Names and keys are a contract (docs/control-protocol.md), never renamed. Main thread.
 */
#ifndef XMCAST_TELEMETRY_EVENT_H
#define XMCAST_TELEMETRY_EVENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/log_record.h"

/* {"time": "2026-11-22T15:04:05.123Z", "event": NAME, KEY: VALUE…}; counts are an object. The
 * caller's reference; NULL: no memory. */
json_t *event_json(const struct log_record *record);

/* All names of docs/control-protocol.md except events-lost, which concerns one client only. They
 * are counted from 0 on, because rates would miss the first event of a counter that starts at 1. */
#define EVENT_NAMES                                                                                \
	"flowing", "silent", "dropping", "dropping-ended", "icmp-errors", "icmp-errors-ended",     \
		"active", "idle", "pending", "path-changed", "rules-changed", "device-dropping",   \
		"device-dropping-ended", "interface-dropping", "interface-dropping-ended",         \
		"interface-impaired", "interface-recovered", "interface-ready",                    \
		"interface-failed", "buffer-exhausted", "buffer-exhausted-ended", "reloaded",      \
		"reload-refused", "events-suppressed", "stopping", "worker-stuck",                 \
		"packets-missing", "packets-missing-ended", "taken-over", "handed-over",           \
		"hand-over-failed", "config-applied", "config-confirmed", "config-rolled-back",    \
		"rollback-failed", "lease-held", "lease-standby", "lease-expired", "lease-unheld", \
		"double-source", "double-source-ended", "stream-broken", "stream-whole"

#define EVENT_NAME_COUNT (sizeof((const char *const[]){EVENT_NAMES}) / sizeof(const char *))

/* Starts as all zero. */
struct event_counts {
	uint64_t counts[EVENT_NAME_COUNT];
	uint64_t others; /* of any other name; "other" in JSON */
};

void event_count(struct event_counts *counts, const struct log_record *record);

/* Add what event_counts_json() of another process has written. */
void event_counts_carry(struct event_counts *counts, const json_t *before);

/* {NAME: NUMBER…}. The caller's reference; NULL: no memory. */
json_t *event_counts_json(const struct event_counts *counts);

#endif
