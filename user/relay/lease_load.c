/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent that hands out leases has to know of the rules of a shard. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "relay/books.h"
#include "relay/leases.h"
#include "relay/relay.h"
#include "relay/state.h"

/* A rule is down if it is pending, or if something keeps packets from one of its outputs. */
static bool is_down(const struct rule_counts *counts, const struct output_counts *outputs)
{
	bool down = counts->reason;

	for (unsigned int i = 0; i < counts->rule->nr_outputs; i++)
		down |= outputs[i].reason != NULL;
	return down && !counts->rule->disabled;
}

int relay_read_lease_loads(const struct relay *relay, const bool *wanted, struct lease_load *loads)
{
	struct output_counts *outputs = calloc(XMC_MAX_OUTPUTS, sizeof(*outputs));
	uint64_t now_ns = clock_ns();

	if (!outputs)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];
		uint16_t slot = leases_find(relay->leases, rule);
		struct side_counts sides[RULE_SIDES_MAX] = {};
		struct rule_counts counts = {.sides = rule->nr_sides ? sides : NULL};

		if (!slot || !wanted[slot])
			continue;
		memset(outputs, 0, rule->nr_outputs * sizeof(*outputs));
		books_read_rule(relay->routes[i], rule_path(&relay->config, rule), now_ns, &counts,
				outputs);
		loads[slot].received += counts.received;
		loads[slot].outputs_down += is_down(&counts, outputs);
	}
	free(outputs);
	return 0;
}
