/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "daemon/findings.h"
#include "dataplane/health.h"

/* What breaks streams, as far as it has happened: "rtp_lost_packets 5, ts_pat_errors 1". */
static const char *describe_errors(const struct health_counts *counts, char text[256])
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < HEALTH_FIGURES; i++) {
		char name[HEALTH_NAME_SIZE];

		if (!health_figures[i].broken || !counts->figures[i] || used >= 255)
			continue;
		used += (size_t)snprintf(text + used, 256 - used, "%s%s %llu", used ? ", " : "",
					 health_name((enum health_figure)i, name),
					 (unsigned long long)counts->figures[i]);
	}
	return text;
}

/* Datagrams that are not of the format that the rule says. */
static void examine_format(struct diagnosis *diagnosis)
{
	static const enum health_figure invalid[HEALTH_KINDS] = {
		HEALTH_RTP_INVALID, HEALTH_TS_INVALID, HEALTH_MOLD64_INVALID};
	const struct rule_counts *counts = diagnosis->counts;

	for (unsigned int i = 0; i < HEALTH_KINDS; i++) {
		uint64_t packets = counts->health.figures[invalid[i]];

		if (!(counts->rule->watch & 1u << i) || !packets)
			continue;
		findings_next(diagnosis, "xmcastctl capture %s", counts->rule->name);
		findings_add(diagnosis, HINT, "not_the_format",
			     "%llu of %llu datagrams are not %s, which `watch` says that they are",
			     (unsigned long long)packets, (unsigned long long)counts->received,
			     health_kinds[i]);
	}
}

void diagnosis_stream(struct diagnosis *diagnosis)
{
	const struct rule_counts *counts = diagnosis->counts;
	const struct stream_state *stream = diagnosis->stats->rules[0].stream;
	char errors[256];

	if (!counts->rule->watch)
		return;
	snprintf(diagnosis->about, sizeof(diagnosis->about), "input");
	describe_errors(&counts->health, errors);
	if (stream[STREAM_ON_ARRIVAL].broken) {
		findings_next(diagnosis, "xmcastctl capture %s", counts->rule->name);
		findings_add(diagnosis, PROBLEM, "broken_on_arrival",
			     "the stream is broken when it reaches this host (%s): look at its "
			     "sender, and at the network in front of interface %s",
			     errors, counts->rule->iface);
	}
	if (stream[STREAM_HERE].broken) {
		snprintf(diagnosis->about, sizeof(diagnosis->about), "rule");
		findings_next(diagnosis, "xmcastctl rule show %s", counts->rule->name);
		findings_add(
			diagnosis, PROBLEM, "broken_here",
			"this host has lost datagrams of the stream in the last 10 seconds, at "
			"the reception by %s or at an output",
			counts->interface ? counts->interface : counts->rule->iface);
	}
	snprintf(diagnosis->about, sizeof(diagnosis->about), "input");
	examine_format(diagnosis);
	snprintf(diagnosis->about, sizeof(diagnosis->about), "rule");
}
