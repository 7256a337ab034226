/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a diagnosis (diagnosis.h): what was found so far, and who looks where.
 */
#ifndef XMCAST_DAEMON_FINDINGS_H
#define XMCAST_DAEMON_FINDINGS_H

#include <jansson.h>

#include "relay/inspect.h"
#include "telemetry/stats.h"

#define PROBLEM	  "problem"
#define HINT	  "hint"

#define NEXT_SIZE 160

struct diagnosis {
	const struct inspected_rule *inspected;
	const struct stats *stats;
	const struct rule_counts *counts;
	json_t *findings;
	char about[ENDPOINT_TEXT_SIZE];
	char next[NEXT_SIZE]; /* for the next finding; empty: none */
};

/* What to run next, of the next finding. */
__attribute__((format(printf, 2, 3))) void findings_next(struct diagnosis *diagnosis,
							 const char *format, ...);

/* What several inputs have in common, such as an interface, is found once. */
__attribute__((format(printf, 4, 5))) void findings_add(struct diagnosis *diagnosis,
							const char *severity, const char *cause,
							const char *format, ...);

/* `about`: of this input, rule or output; NULL: of any. */
bool findings_have_problem(const json_t *findings, const char *about);

/* Problems before hints. Takes the reference to `findings`; NULL: no memory. */
json_t *findings_sort(json_t *findings);

/* No packet of the rule arrives now. */
bool findings_is_silent(const struct diagnosis *diagnosis);

uint64_t findings_seconds_since(const struct diagnosis *diagnosis, uint64_t ns);

/* Set what the next findings are about, and look. */
void diagnosis_input(struct diagnosis *diagnosis);
void diagnosis_outputs(struct diagnosis *diagnosis);
void diagnosis_stream(struct diagnosis *diagnosis);

#endif
