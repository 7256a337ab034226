/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* A right that is missing, or somebody else's interface: there is no sense in going on. */
static bool is_fatal(int err)
{
	return err == -EPERM || err == -EACCES || err == -EBUSY;
}

/* What may come by itself: the rule waits for it. All else the process lacks. */
static bool is_network(int err)
{
	switch (-err) {
	case ENODEV:
	case ENXIO:
	case ENETDOWN:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case EEXIST:
	case EMSGSIZE:
	case E2BIG:
	case EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

bool plan_fails(const struct plan *plan, int err)
{
	if (is_fatal(err))
		return plan->kind != PLAN_RETRY;
	return err && plan->kind == PLAN_CHANGE && !is_network(err);
}

int plan_fail(struct plan *plan, int err, const char *subject, const char *reason)
{
	if (snprintf(plan->reason, REASON_SIZE, "%s%s%s", subject, *subject ? ": " : "",
		     reason ? reason : strerror(-err)) >= REASON_SIZE)
		strcpy(&plan->reason[REASON_SIZE - sizeof("...")], "...");
	return err;
}

/* ---- match ---- */

static int compare_names(const void *a, const void *b)
{
	const struct route *const *x = a;
	const struct route *const *y = b;

	return strcmp((*x)->rule->name, (*y)->rule->name);
}

struct route *plan_route(const struct plan *plan, const struct rule *rule)
{
	const struct route key = {.rule = rule};
	const struct route *pointer = &key;
	struct route **found = bsearch(&pointer, plan->by_name, plan->relay->config.nr_rules,
				       sizeof(struct route *), compare_names);

	return found ? *found : NULL;
}

static bool is_pending(const struct route *route)
{
	return !route->rule->disabled && (!route->stream || route->intake->failed);
}

/* Pending for a reason of its own: those of an intake that failed come back with it. */
static bool is_retried(const struct plan *plan, const struct route *route)
{
	return plan->kind == PLAN_RETRY && is_pending(route) && !route->intake->failed;
}

/* The route at a place of the next configuration is made anew. `before`: its namesake, or NULL. */
static int renew(struct plan *plan, unsigned int i, struct route *before)
{
	const struct rule *rule = &plan->next->rules[i];
	struct route *route = route_new(rule, plan->relay->next_id++);

	plan->routes[i] = route;
	if (!route)
		return -ENOMEM;
	route->fresh = true;
	route->before = before ? before->stream : NULL;
	/* A rule that is tried again is still the same rule. */
	if (before && rule_equal(before->rule, rule)) {
		route->id = before->id;
		route->since_ns = before->since_ns;
	}
	return 0;
}

static int match_routes(struct plan *plan)
{
	const struct config *before = &plan->relay->config;
	int err = 0;

	for (unsigned int i = 0; i < before->nr_rules; i++) {
		plan->by_name[i] = plan->relay->routes[i];
		plan->by_name[i]->kept = false;
	}
	qsort(plan->by_name, before->nr_rules, sizeof(struct route *), compare_names);
	plan->change.removed = before->nr_rules;
	for (unsigned int i = 0; !err && i < plan->next->nr_rules; i++) {
		const struct rule *rule = &plan->next->rules[i];
		struct route *route = plan_route(plan, rule);
		bool same = route && rule_equal(route->rule, rule);

		plan->change.added += !route;
		plan->change.removed -= route != NULL;
		plan->change.replaced += route && !same;
		if (same && !is_retried(plan, route)) {
			route->kept = true;
			plan->routes[i] = route;
			continue;
		}
		err = renew(plan, i, route);
	}
	return err;
}

static bool needs_intake(const struct route *route, const struct intake *intake)
{
	return route->fresh && !route->rule->disabled &&
	       strcmp(route->rule->iface, intake->name) == 0;
}

/* An intake that failed is opened anew for a rule that comes to it: why it failed may hold no more.
 * The rules that wait for it come along, so that it has no users left. */
static int leave_failed_intake(struct plan *plan, const struct intake *intake)
{
	bool needed = false;
	int err = 0;

	for (unsigned int i = 0; i < plan->next->nr_rules; i++)
		needed |= needs_intake(plan->routes[i], intake);
	for (unsigned int i = 0; needed && !err && i < plan->next->nr_rules; i++) {
		struct route *route = plan->routes[i];

		if (!route->kept || route->intake != intake)
			continue;
		route->kept = false;
		err = renew(plan, i, route);
	}
	return err;
}

static int leave_failed_intakes(struct plan *plan)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < plan->relay->nr_intakes; i++) {
		if (plan->relay->intakes[i]->failed)
			err = leave_failed_intake(plan, plan->relay->intakes[i]);
	}
	return err;
}

/* ---- stage ---- */

/* What routes an intake will have, and whether that is something else than it has. */
static bool intake_changes(const struct plan *plan, struct intake *intake)
{
	const struct relay *relay = plan->relay;
	bool changes = false;

	intake->users = 0;
	for (unsigned int i = 0; i < plan->next->nr_rules; i++) {
		const struct route *route = plan->routes[i];

		intake->users += route->intake == intake;
		changes |= route->intake == intake && route->fresh && route->stream;
	}
	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		const struct route *route = relay->routes[i];

		changes |= route->intake == intake && !route->kept && route->stream;
	}
	return changes;
}

/* The streams that an intake will have, as an array that the caller frees. NULL: no memory. */
static struct stream **intake_streams(const struct plan *plan, const struct intake *intake,
				      unsigned int *count)
{
	struct stream **streams = calloc(plan->next->nr_rules + 1, sizeof(struct stream *));

	*count = 0;
	for (unsigned int i = 0; streams && i < plan->next->nr_rules; i++) {
		if (plan->routes[i]->intake == intake && plan->routes[i]->stream)
			streams[(*count)++] = plan->routes[i]->stream;
	}
	return streams;
}

/* A fresh intake cannot run, but the rest can: its routes wait. */
static void abandon_intake(struct plan *plan, struct intake *intake)
{
	for (unsigned int i = 0; i < plan->next->nr_rules; i++) {
		if (plan->routes[i]->intake == intake)
			route_close(plan->routes[i], plan->relay->membership);
	}
	intake_close(intake);
}

static int start_intake(struct plan *plan, struct intake *intake, struct stream *const *streams,
			unsigned int count)
{
	int err = intake->failed ? 0 : intake_start(intake, streams, count);

	if (plan_fails(plan, err))
		return plan_fail(plan, err, "", intake->reason);
	if (intake->failed)
		abandon_intake(plan, intake);
	return 0;
}

static int stage_intake(struct plan *plan, struct intake *intake)
{
	struct stream **streams;
	unsigned int count;
	int err;

	/* An intake that nobody uses any more runs as it is until the commit. */
	if (!intake_changes(plan, intake) && !intake->fresh)
		return 0;
	if (!intake->fresh && (intake->failed || !intake->users))
		return 0;
	streams = intake_streams(plan, intake, &count);
	if (!streams)
		return -ENOMEM;
	err = intake->fresh ? start_intake(plan, intake, streams, count)
			    : intake_stage(intake, streams, count);
	free(streams);
	return err;
}

static int stage_intakes(struct plan *plan)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < plan->nr_intakes; i++)
		err = stage_intake(plan, plan->intakes[i]);
	return err;
}

/* ---- switch ---- */

static bool is_staged(const struct intake *intake)
{
	return !intake->fresh && intake->other;
}

static int switch_intakes(struct plan *plan)
{
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		if (!is_staged(plan->intakes[i]) || !intake_switch(plan->intakes[i]))
			continue;
		plan->broken = true;
		return plan_fail(plan, -EIO, "", "a worker has failed");
	}
	return 0;
}

/* Is this an input that its intake, which ran before, did not have? */
static bool is_new_key(const struct route *route)
{
	return route->fresh && route->stream && is_staged(route->intake) &&
	       !ruleset_has(route->intake->other, route->rule);
}

/* Only now, so that no packet comes that the workers would not know. */
static int add_keys(struct plan *plan, unsigned int *added)
{
	for (*added = 0; *added < plan->next->nr_rules; (*added)++) {
		const struct route *route = plan->routes[*added];
		int err = is_new_key(route) ? intake_add_key(route->intake, route->rule) : 0;

		if (err)
			return plan_fail(plan, err, route->rule->name,
					 "it does not fit the XDP map");
	}
	return 0;
}

static void remove_keys(struct plan *plan, unsigned int added)
{
	for (unsigned int i = 0; i < added; i++) {
		if (is_new_key(plan->routes[i]))
			intake_remove_key(plan->routes[i]->intake, plan->routes[i]->rule);
	}
}

static int attach_intakes(struct plan *plan)
{
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		struct intake *intake = plan->intakes[i];
		int err;

		if (!intake->fresh || intake->failed)
			continue;
		err = intake_attach(intake, plan->next);
		if (plan_fails(plan, err))
			return plan_fail(plan, err, "", intake->reason);
		if (err) {
			abandon_intake(plan, intake);
			continue;
		}
		/* Workers whose end nobody would hear of must not relay. */
		err = relay_watch_port(plan->relay, intake);
		if (err)
			return plan_fail(plan, err, intake->name, NULL);
	}
	return 0;
}

/* The one step that what runs can see. */
static int go_over(struct plan *plan)
{
	unsigned int added = 0;
	int err = switch_intakes(plan);

	if (err)
		return err;
	err = add_keys(plan, &added);
	if (!err)
		err = attach_intakes(plan);
	if (!err)
		return 0;
	remove_keys(plan, added);
	/* Back: `other` is what ran before. */
	return switch_intakes(plan) ? -EIO : err;
}

/* ---- commit, or take back ---- */

static void retire_routes(struct plan *plan)
{
	struct relay *relay = plan->relay;

	for (unsigned int i = 0; i < relay->config.nr_rules; i++) {
		struct route *route = relay->routes[i];

		if (route->kept)
			continue;
		if (route->stream && is_staged(route->intake) &&
		    !ruleset_has(route->intake->ruleset, route->rule))
			intake_remove_key(route->intake, route->rule);
		/* Stop an intake without users before its streams are closed. */
		if (route->intake && !route->intake->users)
			intake_stop(route->intake);
		route_free(route, relay->membership);
	}
}

/* Ports without users go; those that are left become the relay's. */
static void settle_intakes(struct plan *plan)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		struct intake *intake = plan->intakes[i];

		intake_forget(intake);
		intake->fresh = false;
		if (intake->users) {
			plan->intakes[left++] = intake;
			continue;
		}
		if (intake->attached || intake->nr_workers)
			log_write(LOG_FACILITY_LINKS, LOG_LEVEL_INFO, "interface-released",
				  LOG_IFACE(intake->name));
		intake_stop(intake);
		relay_retire_intake(plan->relay, intake);
		intake_close(intake);
		free(intake);
	}
	plan->nr_intakes = left;
}

static void commit(struct plan *plan)
{
	struct relay *relay = plan->relay;

	retire_routes(plan);
	settle_intakes(plan);
	for (unsigned int i = 0; i < plan->next->nr_rules; i++) {
		plan->routes[i]->rule = &plan->next->rules[i];
		plan->routes[i]->before = NULL;
		plan->change.pending += plan->routes[i]->fresh && is_pending(plan->routes[i]);
		plan->routes[i]->fresh = false;
	}
	free(relay->routes);
	free(relay->intakes);
	relay->routes = plan->routes;
	relay->intakes = plan->intakes;
	relay->nr_intakes = plan->nr_intakes;
	if (!relay->generation || !config_equal(&relay->config, plan->next))
		relay->generation++;
	config_free(&relay->config);
	relay->config = *plan->next;
	config_init(plan->next);
	plan->routes = NULL;
	plan->intakes = NULL;
}

static void take_back(struct plan *plan)
{
	struct relay *relay = plan->relay;

	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->fresh) {
			intake_close(plan->intakes[i]);
			free(plan->intakes[i]);
		} else {
			intake_forget(plan->intakes[i]);
		}
	}
	for (unsigned int i = 0; plan->routes && i < plan->next->nr_rules; i++) {
		if (plan->routes[i] && plan->routes[i]->fresh)
			route_free(plan->routes[i], relay->membership);
	}
}

static int prepare(struct plan *plan)
{
	const struct relay *relay = plan->relay;
	int err;

	plan->routes = calloc(plan->next->nr_rules + 1, sizeof(*plan->routes));
	plan->by_name = calloc(relay->config.nr_rules + 1, sizeof(*plan->by_name));
	/* No more intakes than there were, and one for each rule. */
	plan->intakes =
		calloc(relay->nr_intakes + plan->next->nr_rules + 1, sizeof(struct intake *));
	if (!plan->routes || !plan->by_name || !plan->intakes)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->nr_intakes; i++)
		plan->intakes[plan->nr_intakes++] = relay->intakes[i];
	err = match_routes(plan);
	if (!err)
		err = leave_failed_intakes(plan);
	if (!err)
		err = plan_open_intakes(plan);
	if (!err)
		err = plan_open_routes(plan);
	return err ? err : stage_intakes(plan);
}

int plan_run(struct relay *relay, struct config *config, enum plan_kind kind,
	     struct relay_change *change, char reason[REASON_SIZE])
{
	struct plan plan = {
		.relay = relay,
		.kind = kind,
		.next = config,
		.reason = reason,
	};
	int err;

	*reason = '\0';
	err = prepare(&plan);
	if (!err)
		err = go_over(&plan);
	if (!err)
		commit(&plan);
	else
		take_back(&plan);
	if (err && !*reason)
		snprintf(reason, REASON_SIZE, "%s", strerror(-err));
	*change = plan.change;
	/* A driver's word for something else. */
	if (err == -EIO && !plan.broken)
		err = -EREMOTEIO;
	free(plan.routes);
	free(plan.by_name);
	free(plan.intakes);
	return err;
}
