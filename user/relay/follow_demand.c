/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/follow_demand.h"

#include "base/clock.h"
#include "relay/branches.h"

/* The groups that these outputs of a rule send. */
static void use_groups(struct demand *demand, const struct outputs *outputs,
		       const struct rule *rule)
{
	/* Those of a prefix are known by its branches. */
	for (unsigned int i = 0; i < rule->nr_outputs && !rule->group_host_bits; i++) {
		const struct rule_output *output = &rule->outputs[i];
		const struct output_interface *interface;

		if (output->when != OUTPUT_WHEN_JOINED)
			continue;
		interface = outputs_find(outputs, output->iface);
		if (interface && interface->link.ifindex)
			demand_use_group(demand, interface->link.ifindex, &output->to);
	}
}

/* The first receiver does not wait for what the kernel path of a rule needs. */
static void prepare(const struct relay *relay, const struct outputs *outputs)
{
	for (unsigned int i = 0; i < relay->asked.nr_rules; i++) {
		const struct route *route = relay->routes[i];
		const struct rule *rule = route->rule;

		for (unsigned int j = 0; route->arrival && j < rule->nr_outputs; j++) {
			const struct output_interface *interface =
				outputs_find(outputs, rule->outputs[j].iface);

			if (rule->outputs[j].when == OUTPUT_WHEN_JOINED && interface &&
			    rule_path(&relay->config, rule) != RULE_PATH_USER)
				kernel_side_prepare(&route->arrival->intake->kernel,
						    interface->link.ifindex);
		}
	}
}

void follow_demand_listen(struct relay *relay, const struct outputs *outputs)
{
	struct demand *demand = relay->demand;

	prepare(relay, outputs);
	demand_configure(demand, &relay->config.demand);
	demand_begin(demand);
	for (unsigned int i = 0; i < outputs->count; i++) {
		const struct output_interface *interface = &outputs->list[i];

		if (interface->demand && interface->known)
			demand_use(demand, interface->name, interface->link.ifindex,
				   config_iface(&relay->config, interface->name));
	}
	for (unsigned int i = 0; i < relay->config.nr_rules; i++)
		use_groups(demand, outputs, &relay->config.rules[i]);
	demand_end(demand);
}

/* The outputs of new branches do not wait for the next look. True: there are other branches, and
 * what some of them send may have changed. */
static bool follow_branches(struct relay *relay, const struct outputs *outputs, bool changed)
{
	if (!branches_follow(relay->branches, relay, changed))
		return false;
	for (unsigned int i = relay->asked.nr_rules; i < relay->config.nr_rules; i++) {
		struct route *route = relay->routes[i];

		if (route->plan.fresh && route->path)
			outputs_apply(outputs, route->path, route->rule, true);
	}
	return true;
}

static uint64_t follow_routes(struct relay *relay, bool changed)
{
	uint64_t linger_ns = relay->config.demand.linger * (uint64_t)NS_PER_MS;
	uint64_t now_ns = clock_ns();
	uint64_t due_ns = UINT64_MAX;

	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		struct route *route = relay->routes[i];
		uint64_t next_ns;

		/* With the interfaces as of the last pass (passes.h), because to query them takes a
		 * lock of the kernel that others hold for tens of ms. When one has changed, a pass
		 * follows. */
		if (changed && route->path && path_has_new_demand(route->path))
			path_update(route->path, relay->redirects);
		next_ns = route_follow_demand(route, relay->membership, linger_ns, now_ns);
		if (next_ns < due_ns)
			due_ns = next_ns;
	}
	return due_ns;
}

uint64_t follow_demand(struct relay *relay, const struct outputs *outputs, bool changed)
{
	uint64_t due_ns;

	changed |= follow_branches(relay, outputs, changed);
	due_ns = follow_routes(relay, changed);
	/* What has just ended can be removed. */
	if (follow_branches(relay, outputs, false))
		due_ns = follow_routes(relay, true);
	if (branches_next_ns(relay->branches) < due_ns)
		due_ns = branches_next_ns(relay->branches);
	return due_ns;
}
