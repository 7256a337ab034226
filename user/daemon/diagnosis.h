/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why a rule is pending, silent or losing packets: findings, the most likely cause first, each with
 * the next command to run. From what the relay knows, without sending anything. Main thread.
 */
#ifndef XMCAST_DAEMON_DIAGNOSIS_H
#define XMCAST_DAEMON_DIAGNOSIS_H

#include <jansson.h>

#include "relay/inspect.h"
#include "telemetry/stats.h"

/*
 * A list of {"severity", "cause", "about", "text", "next"}: `severity` is "problem" or "hint";
 * `cause` one of the words in docs/explain.md; `about` "input" or the output; `next` a command or
 * null. `stats` has the rule alone. The caller's reference; NULL: no memory.
 */
json_t *diagnosis_json(const struct inspected_rule *inspected, unsigned int inputs,
		       const struct stats *stats);

#endif
