/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/plan_match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/lookup.h"
#include "relay/inheritance.h"
#include "rules/config.h"

/* Index the relay's rules by name. 0 or -ENOMEM. */
static int index_routes(struct lookup *names, const struct config *config)
{
	int err =
		lookup_init(names, config->nr_rules, config->nr_rules ? config->rules->name : NULL,
			    sizeof(struct rule), 0);

	for (unsigned int i = 0; !err && i < config->nr_rules; i++)
		lookup_add(names, i);
	return err;
}

/* The relay's route that has the name of the i-th rule of `next`, or NULL. */
static struct route *find_route(const struct plan *plan, const struct lookup *names, unsigned int i)
{
	uint32_t index = plan->kind == FOLLOW ? i : lookup_find(names, plan->next->rules[i].name);

	return index == LOOKUP_NONE ? NULL : plan->relay->routes[index];
}

/* The intake of the interface with this index, or a fresh one. An interface that does not exist
 * shares none. NULL: no memory. */
static struct intake *find_intake(struct plan *plan, const char *name, int ifindex)
{
	struct intake *intake;

	for (unsigned int i = 0; ifindex && i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->ifindex == ifindex)
			return plan->intakes[i];
	}
	intake = intake_new(name, ifindex, plan->relay->redirects, &plan->relay->retired);
	if (!intake)
		return NULL;
	intake->offloads = plan->relay->offloads;
	intake->kernel.leases = plan->relay->leases;
	intake->kernel.demand = plan->relay->demand;
	intake->plan.fresh = true;
	plan->intakes[plan->nr_intakes++] = intake;
	return intake;
}

int plan_query_arrival(const struct plan *plan, struct arrival *arrival)
{
	struct arrival_context context = {
		.config = plan->next,
		.intakes = plan->intakes,
		.nr_intakes = plan->nr_intakes,
		.inheritance = plan->relay->inheritance,
	};

	return arrival_query(arrival, &context);
}

/* A VLAN that is not received at the interface below it. */
static void report_obstacle(const struct arrival *arrival)
{
	if (*arrival->obstacle)
		log_info("vlan-in-skb-mode", LOG_IFACE(arrival->name),
			 LOG_TEXT("reason", arrival->obstacle));
}

/* The arrival of an interface that a fresh rule names. `before`: the arrival of the rule so far, or
 * NULL. NULL: no memory. */
static struct arrival *find_arrival(struct plan *plan, const char *name,
				    const struct arrival *before)
{
	struct arrival *arrival = arrival_find(plan->arrivals, plan->nr_arrivals, name);

	if (arrival)
		return arrival;
	arrival = calloc(1, sizeof(*arrival));
	if (!arrival)
		return NULL;
	snprintf(arrival->name, sizeof(arrival->name), "%s", name);
	if (before)
		arrival->skb_ifindex = before->skb_ifindex;
	plan_query_arrival(plan, arrival);
	report_obstacle(arrival);
	arrival->fresh = true;
	arrival->tags = arrival->tags_now;
	arrival->joined = arrival->link.ifindex;
	arrival->intake = find_intake(plan, arrival->base.name, arrival->base.ifindex);
	if (!arrival->intake) {
		free(arrival);
		return NULL;
	}
	plan->arrivals[plan->nr_arrivals++] = arrival;
	return arrival;
}

/* Where a route is to be made: for a side of the i-th rule of `next`, at `place` of the routes. */
struct spot {
	unsigned int rule, side, place;
};

/* Routes of several sides have these in common. */
static int share_siblings(struct plan *plan, const struct spot *spot, struct route *route,
			  const struct route *before, bool same_rule)
{
	const struct rule *rule = &plan->next->rules[spot->rule];

	if (!rule->nr_sides)
		return 0;
	if (same_rule) {
		route->siblings = siblings_hold(before->siblings);
	} else if (spot->side) {
		route->plan.first = plan->routes[spot->rule];
		route->siblings = siblings_hold(route->plan.first->siblings);
	} else {
		route->siblings = siblings_new(
			rule, before ? before->siblings : NULL,
			inheritance_selected(plan->relay->inheritance, rule->name), plan->next);
	}
	return route->siblings ? 0 : -ENOMEM;
}

/* Make a route. `before`: the route of that name, and of that side, that it replaces, or NULL. */
static int renew(struct plan *plan, const struct spot *spot, struct route *before, bool same_rule)
{
	struct route *route =
		route_new(&plan->next->rules[spot->rule], spot->side, plan->relay->next_id++);

	if (!route)
		return -ENOMEM;
	plan->routes[spot->place] = route;
	route->plan.fresh = true;
	if (route->rule->stem)
		route->plan.first = plan->routes[route->rule->stem - 1];
	if (share_siblings(plan, spot, route, before, same_rule))
		return -ENOMEM;
	route->plan.replaced = before;
	inheritance_rule(plan->relay->inheritance, route->rule->name, &route->id, &route->since_ns);
	route->plan.inherited = inheritance_stream(plan->relay->inheritance, route->rule->name);
	/* The rule only moves to another intake: it keeps its counters and sockets. */
	if (same_rule) {
		route->id = before->id;
		route->since_ns = before->since_ns;
		route->path = before->path ? path_hold(before->path) : NULL;
		route->carried = carried_hold(before->carried);
	}
	if (route->rule->disabled)
		return 0;
	route->arrival = find_arrival(plan, route->rule->iface, before ? before->arrival : NULL);
	if (!route->arrival)
		return -ENOMEM;
	/* An intake that has failed is tried again for it, because the cause may be gone. */
	if (!intake_is_open(route->arrival->intake))
		route->arrival->intake->plan.raised = true;
	return 0;
}

/* Does a rule of the relay say the same as one of `next`? `relay.path` may differ. */
static bool is_same(const struct plan *plan, const struct rule *before, const struct rule *rule)
{
	return rule_equal(before, rule) &&
	       rule_path(&plan->relay->config, before) == rule_path(plan->next, rule);
}

/* The route of this side of the rule whose first route this is, or NULL. */
static struct route *side_of(struct route *first, unsigned int side)
{
	if (!first || !side)
		return first;
	return first->siblings && side < first->siblings->count ? first->siblings->routes[side]
								: NULL;
}

/* Keep or renew the routes of a rule. *place: of its next further side. */
static int match_rule(struct plan *plan, unsigned int i, struct route *before, bool same,
		      unsigned int *place)
{
	const struct rule *rule = &plan->next->rules[i];
	int err = 0;

	for (unsigned int side = 0; side < rule_inputs(rule) && !err; side++) {
		struct spot spot = {i, side, side ? (*place)++ : i};
		struct route *old = side_of(before, side);

		if (same && !(old->arrival && old->arrival->stale)) {
			old->plan.kept = true;
			plan->routes[spot.place] = old;
		} else {
			err = renew(plan, &spot, old, same);
		}
	}
	return err;
}

int plan_match(struct plan *plan)
{
	const struct relay *relay = plan->relay;
	bool follow = plan->kind == FOLLOW;
	struct lookup names = {0};
	unsigned int place = plan->next->nr_rules;
	int err = follow ? 0 : index_routes(&names, &relay->config);

	for (unsigned int i = 0; i < relay->nr_routes; i++)
		memset(&relay->routes[i]->plan, 0, sizeof(relay->routes[i]->plan));
	plan->change.removed = relay->asked.nr_rules;
	for (unsigned int i = 0; !err && i < plan->next->nr_rules; i++) {
		struct route *before = find_route(plan, &names, i);
		bool same =
			before && (follow || is_same(plan, before->rule, &plan->next->rules[i]));

		if (!plan->next->rules[i].stem) {
			plan->change.added += !before;
			plan->change.removed -= before != NULL;
			plan->change.replaced += before && !same;
		}
		err = match_rule(plan, i, before, same, &place);
	}
	lookup_free(&names);
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		const struct route *route = relay->routes[i];

		if (!route->plan.kept && route->path)
			route->arrival->intake->plan.changes = true;
	}
	return err;
}
