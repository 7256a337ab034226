/* SPDX-License-Identifier: BSD-2-Clause */
/* The health of a rule's stream (dataplane/health.h) as JSON: `watch` of a rule in `stats show`.
 * Keys and their meaning are a contract, never renamed. Main thread. */
#ifndef XMCAST_TELEMETRY_HEALTH_JSON_H
#define XMCAST_TELEMETRY_HEALTH_JSON_H

#include <jansson.h>

#include "relay/counts.h"
#include "telemetry/stream_meter.h"

/* Sources of RTP that are listed. */
#define HEALTH_JSON_SOURCES 8

/* `stream`: where it is broken. `now_ns`: when the counters were read. The caller's reference;
 * NULL: no memory. */
json_t *health_json(const struct rule_counts *counts,
		    const struct stream_state stream[STREAM_WHERES], uint64_t now_ns);

/* The same of one of its inputs, without where it is broken. */
json_t *health_side_json(const struct rule *rule, const struct side_counts *side, uint64_t now_ns);

#endif
