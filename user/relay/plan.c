/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/lookup.h"
#include "relay/inheritance.h"
#include "relay/lease_moves.h"
#include "relay/leases.h"
#include "relay/plan_commit.h"
#include "relay/plan_match.h"
#include "rules/config.h"

/* ---- errors ---- */

/* A missing right, or another xmcastd has the interface: it makes no sense to continue. */
static bool is_fatal(int err)
{
	return err == -EPERM || err == -EACCES || err == -EBUSY;
}

/* The network may still change so that the rule can run: it waits. All other errors are shortages.
 */
static bool is_network(int err)
{
	static const int errors[] = {ENODEV, ENXIO,    ENETDOWN, ENETUNREACH, EADDRNOTAVAIL,
				     EEXIST, EMSGSIZE, E2BIG,	 EOPNOTSUPP,  EAGAIN};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (err == -errors[i])
			return true;
	}
	return false;
}

/* Does this error of one rule or intake make the whole plan fail? `runs`: a predecessor has it
 * running. If the plan fails, the predecessor goes on. */
static bool is_failure(const struct plan *plan, int err, bool runs)
{
	/* What cannot be adopted is busy as long as the predecessor has it. */
	if (err == -EBUSY && plan->relay->inheritance)
		return false;
	if (!err || plan->kind == FOLLOW || plan->kind == BRANCH)
		return false;
	runs = runs && inheritance_can_return(plan->relay->inheritance);
	return is_fatal(err) || ((plan->kind == CHANGE || runs) && !is_network(err));
}

/* Set why the plan fails: `subject` (may be empty) and `reason` (NULL: the meaning of `err`).
 * Returns `err`. */
static int fail(struct plan *plan, int err, const char *subject, const char *reason)
{
	return explain(plan->reason, err, "%s%s%s", subject, *subject ? ": " : "",
		       reason ? reason : strerror(-err));
}

/* ---- open ---- */

static int bring_up(struct plan *plan, struct intake *intake, enum intake_state state,
		    const struct tagged_path *paths, unsigned int nr_paths)
{
	const struct intake_means means = {
		.config = plan->next,
		.epoll_fd = plan->relay->epoll_fd,
		.inheritance = plan->relay->inheritance,
		.fail_if_busy = plan->kind == FOLLOW,
		.paths = paths,
		.nr_paths = nr_paths,
	};
	int err = intake_bring_up(intake, state, &means);

	if (is_failure(plan, err, inheritance_steering(plan->relay->inheritance, intake->ifindex)))
		return fail(plan, err, "", intake->reason);
	if (!err)
		return 0;
	/* The plan continues without this intake, whose rules are pending. */
	intake->plan.raised = false;
	for (unsigned int i = 0; i < plan->nr_routes; i++) {
		struct route *route = plan->routes[i];

		if (route->arrival && route->arrival->intake == intake)
			route_leave(route, plan->relay->membership);
	}
	return 0;
}

static int open_intake(struct plan *plan, struct intake *intake)
{
	for (unsigned int j = 0; j < plan->nr_arrivals; j++) {
		if (plan->arrivals[j]->intake == intake)
			plan_query_arrival(plan, plan->arrivals[j]);
	}
	for (unsigned int j = 0; intake->plan.fresh && j < plan->nr_intakes; j++)
		intake->first_worker += plan->intakes[j]->nr_workers;
	return bring_up(plan, intake, INTAKE_OPEN, NULL, 0);
}

static int compare_ages(const void *a, const void *b)
{
	return (*(struct intake *const *)a)->ifindex - (*(struct intake *const *)b)->ifindex;
}

/*
 * The oldest interface first: the kernel accepts no program on an interface below one that has a
 * program already, such as a VLAN in skb mode, and an interface is older than a VLAN on it.
 */
static int open_intakes(struct plan *plan)
{
	struct intake **raised = calloc(plan->nr_intakes + 1UL, sizeof(struct intake *));
	unsigned int count = 0;
	int err = 0;

	if (!raised)
		return -ENOMEM;
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->plan.raised && !intake_is_open(plan->intakes[i]) &&
		    !inheritance_blocks(plan->relay->inheritance, plan->intakes[i]->ifindex))
			raised[count++] = plan->intakes[i];
	}
	qsort(raised, count, sizeof(struct intake *), compare_ages);
	for (unsigned int i = 0; !err && i < count; i++)
		err = open_intake(plan, raised[i]);
	free(raised);
	return err;
}

/* Two rules may have the same input by different names of one interface: only the first one runs.
 */
static int refuse_duplicates(struct plan *plan, struct intake *intake)
{
	/* Of the intake's routes, in parallel. */
	struct xmc_rule_key *keys = calloc(intake->plan.users + 1UL, sizeof(*keys));
	struct route **routes = calloc(intake->plan.users + 1UL, sizeof(struct route *));
	struct lookup lookup = {0};
	uint32_t count = 0;
	char reason[REASON_SIZE];
	int err = -ENOMEM;

	if (keys && routes)
		err = lookup_init(&lookup, intake->plan.users, keys, sizeof(*keys), sizeof(*keys));
	for (unsigned int i = 0; !err && i < plan->nr_routes; i++) {
		struct route *route = plan->routes[i];
		uint32_t first;

		if (!route->arrival || route->arrival->intake != intake || route_is_stem(route))
			continue;
		rule_key(route->rule, &keys[count]);
		keys[count].tags = route->arrival->tags;
		routes[count] = route;
		first = lookup_add(&lookup, count++);
		if (first == LOOKUP_NONE)
			continue;
		explain(reason, 0, "rule %s has the same input: %s and %s are one interface",
			routes[first]->rule->name, routes[first]->rule->iface, route->rule->iface);
		intake->plan.changes |= route->path != NULL;
		route->plan.shadowed = true;
		route_refuse(route, plan->relay->membership, reason);
		route_report(route, -EEXIST);
	}
	lookup_free(&lookup);
	free(routes);
	free(keys);
	return err;
}

/* Count the routes and names of each intake. */
static int count_users(struct plan *plan)
{
	int err = 0;

	for (unsigned int i = 0; i < plan->nr_routes; i++) {
		struct arrival *arrival = plan->routes[i]->arrival;

		if (!arrival)
			continue;
		arrival->intake->plan.users++;
		arrival->intake->plan.names += !arrival->used;
		arrival->used = true;
	}
	for (unsigned int i = 0; !err && i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->plan.names > 1)
			err = refuse_duplicates(plan, plan->intakes[i]);
	}
	return err;
}

/* ---- routes ---- */

/*
 * Descriptors kept free while outputs are opened, so that a low limit costs the last rules and not
 * all of them: what follows (rings, the XDP link, the control socket's clients) needs some, too.
 */
#define RESERVED 64

static int open_route(struct plan *plan, struct route *route)
{
	int err = route_open(route, plan->next, plan->relay->membership);

	route->plan.opened = true;
	route->arrival->intake->plan.changes |= !err;
	/* What receivers want must not make an administrator's change fail. */
	if (!route->rule->stem && is_failure(plan, err, route->plan.inherited))
		return fail(plan, err, route->rule->name, route->reason);
	if (err)
		route_report(route, err);
	return 0;
}

static int open_routes(struct plan *plan)
{
	int reserved[RESERVED];
	int err = 0;

	for (unsigned int i = 0; i < RESERVED; i++)
		reserved[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	for (unsigned int i = 0; !err && i < plan->nr_routes; i++) {
		struct route *route = plan->routes[i];
		const struct intake *intake = route->arrival ? route->arrival->intake : NULL;

		if (!intake || !intake_is_open(intake) || route->plan.shadowed ||
		    route->plan.opened || route_is_stem(route))
			continue;
		if (route->plan.fresh || intake->plan.raised ||
		    (plan->kind == FOLLOW && !route->path))
			err = open_route(plan, route);
	}
	for (unsigned int i = 0; i < RESERVED; i++) {
		if (reserved[i] >= 0)
			close(reserved[i]);
	}
	return err;
}

/* What is open already stays as it is. */
static int open_all(struct plan *plan)
{
	int err = open_intakes(plan);

	return err ? err : open_routes(plan);
}

/* ---- stage ---- */

/* The paths that an intake will have, as an array that the caller frees. NULL: no memory. */
static struct tagged_path *collect_paths(const struct plan *plan, const struct intake *intake,
					 unsigned int *count)
{
	struct tagged_path *paths = calloc(intake->plan.users + 1UL, sizeof(*paths));

	*count = 0;
	for (unsigned int i = 0; paths && i < plan->nr_routes; i++) {
		const struct route *route = plan->routes[i];

		if (route->arrival && route->arrival->intake == intake && route->path)
			paths[(*count)++] = (struct tagged_path){route->path, route->arrival->tags};
	}
	return paths;
}

static int stage_intake(struct plan *plan, struct intake *intake)
{
	struct tagged_path *paths;
	unsigned int count;
	int err;

	/* An intake that loses its last rule runs unchanged until the commit. */
	if (!intake_is_open(intake) || !intake->plan.users ||
	    !(intake->plan.raised || intake->plan.changes))
		return 0;
	paths = collect_paths(plan, intake, &count);
	if (!paths)
		return -ENOMEM;
	if (intake->plan.raised) {
		err = bring_up(plan, intake, INTAKE_STARTED, paths, count);
	} else {
		err = intake_stage(intake, paths, count);
		intake->plan.staged = !err;
	}
	free(paths);
	return err;
}

/* ---- switch ---- */

/* The only step that packets notice. */
static int switch_over(struct plan *plan)
{
	const struct path *failed;
	int err = 0;

	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->plan.staged && intake_switch(plan->intakes[i])) {
			plan->broken = true;
			return -EIO;
		}
	}
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		err = plan->intakes[i]->plan.staged ? intake_take_keys(plan->intakes[i], &failed)
						    : 0;
		if (err)
			return fail(plan, err, failed->rule->name, "it does not fit the XDP map");
	}
	for (unsigned int i = 0; !err && i < plan->nr_intakes; i++) {
		if (plan->intakes[i]->plan.raised)
			err = bring_up(plan, plan->intakes[i], INTAKE_ATTACHED, NULL, 0);
	}
	return err;
}

/* ---- all of it ---- */

static int prepare(struct plan *plan)
{
	struct relay *relay = plan->relay;
	size_t routes = 0;

	for (unsigned int i = 0; i < plan->next->nr_rules; i++)
		routes += rule_inputs(&plan->next->rules[i]);
	/* At most one more arrival and intake for each route. */
	plan->nr_routes = (unsigned int)routes;
	plan->routes = calloc(routes + 1, sizeof(*plan->routes));
	plan->arrivals = calloc(relay->nr_arrivals + routes + 1, sizeof(*plan->arrivals));
	plan->intakes = calloc(relay->nr_intakes + routes + 1, sizeof(*plan->intakes));
	if (!plan->routes || !plan->arrivals || !plan->intakes)
		return -ENOMEM;
	for (unsigned int i = 0; i < relay->nr_arrivals; i++) {
		plan->arrivals[i] = relay->arrivals[i];
		plan->arrivals[i]->fresh = plan->arrivals[i]->used = false;
	}
	for (unsigned int i = 0; i < relay->nr_intakes; i++) {
		plan->intakes[i] = relay->intakes[i];
		memset(&plan->intakes[i]->plan, 0, sizeof(plan->intakes[i]->plan));
	}
	plan->nr_arrivals = relay->nr_arrivals;
	plan->nr_intakes = relay->nr_intakes;
	return leases_add(relay->leases, plan->next);
}

/* Run the plan. `raised`: an intake to bring up, or NULL. */
static int run(struct plan *plan, struct intake *raised)
{
	int err = prepare(plan);

	if (!err && raised)
		raised->plan.raised = true;
	if (!err)
		err = plan_match(plan);
	if (!err)
		err = count_users(plan);
	if (!err)
		err = open_all(plan);
	/* All is prepared. Between here and the start of the workers packets wait. */
	if (!err)
		err = inheritance_pause(plan->relay->inheritance);
	/* What had to wait for that. */
	if (!err && plan->relay->inheritance)
		err = open_all(plan);
	if (!err)
		lease_moves_adopt(plan->relay, plan->routes, plan->nr_routes);
	for (unsigned int i = 0; !err && i < plan->nr_intakes; i++)
		err = stage_intake(plan, plan->intakes[i]);
	inheritance_note_relaying(plan->relay->inheritance);
	if (!err)
		err = switch_over(plan);
	if (!err)
		plan_commit(plan);
	else
		plan_revert(plan);
	leases_trim(plan->relay->leases, &plan->relay->config);
	plan->relay->changes++;
	free(plan->routes);
	free(plan->arrivals);
	free(plan->intakes);
	if (plan->broken) {
		plan->relay->broken = true;
		return fail(plan, -EIO, "", "a worker has failed");
	}
	/* -EIO is reserved for a worker that has failed; a driver may return it, too. */
	return err == -EIO ? -EREMOTEIO : err;
}

/* Why it fails is logged elsewhere. */
static int change(struct relay *relay, enum plan_kind kind, struct config *config,
		  unsigned int branches)
{
	char reason[REASON_SIZE];
	struct plan plan = {relay, kind, config, branches, .reason = reason};

	return run(&plan, NULL);
}

int plan_start(struct relay *relay, struct config *config, unsigned int branches)
{
	return change(relay, START, config, branches);
}

int plan_branches(struct relay *relay, struct config *config, unsigned int branches)
{
	return change(relay, BRANCH, config, branches);
}

int plan_change(struct relay *relay, struct config *config, unsigned int branches,
		struct relay_change *change, char reason[REASON_SIZE])
{
	struct plan plan = {relay, CHANGE, config, branches, .reason = reason};
	int err;

	*reason = '\0';
	err = run(&plan, NULL);
	if (err && !*reason)
		snprintf(reason, REASON_SIZE, "%s", strerror(-err));
	*change = plan.change;
	return err;
}

static int follow(struct relay *relay, struct intake *raised)
{
	char reason[REASON_SIZE];
	struct plan plan = {
		.relay = relay, .kind = FOLLOW, .next = &relay->config, .reason = reason};

	return run(&plan, raised);
}

int plan_bring_up(struct relay *relay, struct intake *intake)
{
	int err = follow(relay, intake);

	/* The plan failed, not the intake: try again later. */
	if (err)
		backoff_failed(&intake->backoff, clock_ns(), false);
	return err;
}

int plan_retry(struct relay *relay)
{
	return follow(relay, NULL);
}
