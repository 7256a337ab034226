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

/* `sides`: room for RULE_SIDES_MAX, `outputs`: for all outputs of a rule; their content is lost. */
static struct rule_counts read_rule(const struct relay *relay, unsigned int index, uint64_t now_ns,
				    struct side_counts *sides, struct output_counts *outputs)
{
	const struct rule *rule = &relay->config.rules[index];
	struct rule_counts counts = {.sides = rule->nr_sides ? sides : NULL};

	memset(sides, 0, rule->nr_sides * sizeof(*sides));
	memset(outputs, 0, rule->nr_outputs * sizeof(*outputs));
	books_read_rule(relay->routes[index], rule_path(&relay->config, rule), now_ns, &counts,
			outputs);
	return counts;
}

int relay_read_lease_loads(const struct relay *relay, const bool *wanted, struct lease_load *loads)
{
	struct output_counts *outputs = calloc(XMC_MAX_OUTPUTS, sizeof(*outputs));
	struct side_counts sides[RULE_SIDES_MAX];
	uint64_t now_ns = clock_ns();

	if (!outputs)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		uint16_t slot = leases_find(relay->leases, &relay->config.rules[i]);
		struct rule_counts counts;

		if (!slot || !wanted[slot])
			continue;
		counts = read_rule(relay, i, now_ns, sides, outputs);
		loads[slot].received += counts.received;
		loads[slot].outputs_down += is_down(&counts, outputs);
	}
	free(outputs);
	return 0;
}

int relay_read_shard(const struct relay *relay, const char *name, unsigned int shard,
		     shard_handler *handle, void *context)
{
	struct output_counts *outputs = calloc(XMC_MAX_OUTPUTS, sizeof(*outputs));
	struct side_counts sides[RULE_SIDES_MAX];
	uint64_t now_ns = clock_ns();

	if (!outputs)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct rule *rule = &relay->config.rules[i];
		struct rule_counts counts;

		if (rule->disabled || !rule->lease_shards || strcmp(rule->lease, name) != 0 ||
		    rule_shard(rule) != shard)
			continue;
		counts = read_rule(relay, i, now_ns, sides, outputs);
		handle(context, &counts);
	}
	free(outputs);
	return 0;
}
