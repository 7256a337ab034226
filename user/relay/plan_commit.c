/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/plan_commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "rules/config.h"

/* Free the arrivals that no rule uses. */
static void settle_arrivals(struct plan *plan)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < plan->nr_arrivals; i++) {
		struct arrival *arrival = plan->arrivals[i];

		if (arrival->used)
			plan->arrivals[left++] = arrival;
		else
			free(arrival);
	}
	plan->nr_arrivals = left;
}

/* No rule may use the name by which the intake was opened any more: list it by another one. */
static void settle_name(const struct plan *plan, struct intake *intake)
{
	const char *first = NULL;

	for (unsigned int i = 0; i < plan->nr_arrivals; i++) {
		if (plan->arrivals[i]->intake != intake)
			continue;
		if (strcmp(plan->arrivals[i]->base.name, intake->name) == 0)
			return;
		if (!first)
			first = plan->arrivals[i]->base.name;
	}
	if (first)
		snprintf(intake->name, sizeof(intake->name), "%s", first);
}

static void settle_intakes(struct plan *plan)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		struct intake *intake = plan->intakes[i];

		if (intake->plan.users) {
			settle_name(plan, intake);
			plan->intakes[left++] = intake;
			continue;
		}
		if (intake_is_open(intake))
			log_write(LOG_FACILITY_LINKS, LOG_LEVEL_INFO, "interface-released",
				  LOG_IFACE(intake->name));
		intake_free(intake);
	}
	plan->nr_intakes = left;
}

static bool is_pending(const struct route *route)
{
	if (!route->arrival || (route_is_stem(route) && intake_is_open(route->arrival->intake)))
		return false;
	return !route->path || !intake_is_open(route->arrival->intake) ||
	       kernel_path_reason(route->path->kernel);
}

/* From now on these are the routes of the rule. */
static void install_siblings(struct route *route)
{
	struct siblings *siblings = route->siblings;

	if (!siblings)
		return;
	siblings->routes[route->side] = route;
	if (siblings->selection && !route->side)
		selection_configure(siblings->selection, route->rule);
}

static void install_routes(struct plan *plan)
{
	unsigned int place = plan->next->nr_rules;

	for (unsigned int i = 0; i < plan->next->nr_rules; i++) {
		const struct rule *rule = &plan->next->rules[i];
		bool pending = false, fresh = false;

		for (unsigned int side = 0; side < rule_inputs(rule); side++) {
			struct route *route = plan->routes[side ? place++ : i];

			route_set_rule(route, rule);
			route->stem = rule->stem ? plan->routes[rule->stem - 1] : NULL;
			install_siblings(route);
			route->plan.replaced = NULL;
			route->plan.first = NULL;
			fresh |= route->plan.fresh;
			pending |= is_pending(route);
		}
		plan->change.pending += fresh && pending && !rule->stem;
	}
}

static void install(struct plan *plan)
{
	struct relay *relay = plan->relay;
	struct config next;

	install_routes(plan);
	free(relay->routes);
	free(relay->arrivals);
	free(relay->intakes);
	relay->routes = plan->routes;
	relay->nr_routes = plan->nr_routes;
	relay->arrivals = plan->arrivals;
	relay->nr_arrivals = plan->nr_arrivals;
	relay->intakes = plan->intakes;
	relay->nr_intakes = plan->nr_intakes;
	plan->routes = NULL;
	plan->arrivals = NULL;
	plan->intakes = NULL;
	if (plan->kind == FOLLOW)
		return;
	next = *plan->next;
	next.nr_rules -= plan->branches;
	if (!relay->generation || (plan->kind != BRANCH && !config_equal(&relay->asked, &next)))
		relay->generation++;
	config_free(&relay->config);
	relay->config = *plan->next;
	relay->nr_branches = plan->branches;
	relay_note_config(relay);
	config_init(plan->next);
}

void plan_commit(struct plan *plan)
{
	struct relay *relay = plan->relay;

	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		intake_commit(plan->intakes[i]);
		if (!plan->intakes[i]->plan.users && intake_stop(plan->intakes[i]))
			relay->broken = true;
	}
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		if (!relay->routes[i]->plan.kept)
			route_retire(relay->routes[i]);
	}
	for (unsigned int i = 0; i < relay->nr_routes; i++) {
		if (!relay->routes[i]->plan.kept)
			route_free(relay->routes[i], relay->membership);
	}
	settle_arrivals(plan);
	settle_intakes(plan);
	install(plan);
}

static void revert_intake(struct plan *plan, struct intake *intake)
{
	if (intake->plan.fresh) {
		intake_free(intake);
	} else if (intake->plan.raised && intake_is_open(intake)) {
		intake_stop(intake);
		intake_give_up(intake, "is closed: the change that opened it has failed");
	} else if (intake_revert(intake)) {
		plan->broken = true;
	}
}

static void revert_route(const struct plan *plan, struct route *route)
{
	struct relay *relay = plan->relay;
	const struct intake *intake = route->arrival ? route->arrival->intake : NULL;

	if (route->plan.fresh)
		route_free(route, relay->membership);
	else if (!intake || !route->plan.opened)
		return;
	else if (intake_is_open(intake) && !intake->plan.raised)
		route_close(route, relay->membership);
	else
		route_leave(route, relay->membership);
}

void plan_revert(struct plan *plan)
{
	for (unsigned int i = 0; plan->routes && i < plan->nr_routes; i++) {
		if (plan->routes[i])
			revert_route(plan, plan->routes[i]);
	}
	for (unsigned int i = 0; i < plan->nr_intakes; i++)
		revert_intake(plan, plan->intakes[i]);
	for (unsigned int i = 0; i < plan->nr_arrivals; i++) {
		if (plan->arrivals[i]->fresh)
			free(plan->arrivals[i]);
	}
}
