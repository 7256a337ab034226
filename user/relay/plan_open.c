/* SPDX-License-Identifier: BSD-2-Clause */
/* The second step of a plan: intakes, outputs and memberships of what is new. */
#define LOG_FACILITY LOG_FACILITY_RULES
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/plan_internal.h"

static struct intake *find_intake(const struct plan *plan, const char *name)
{
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		const struct intake *intake = plan->intakes[i];

		/* One that failed before is opened anew, beside the one that says why. */
		if (strcmp(intake->name, name) == 0 && (intake->fresh || !intake->failed))
			return plan->intakes[i];
	}
	return NULL;
}

/* The name by which an interface is an intake already. NULL: it is none. */
static const char *find_other_name(const struct plan *plan, const char *name)
{
	struct link link;

	if (!plan->nr_intakes || link_query(name, &link))
		return NULL;
	for (unsigned int i = 0; i < plan->nr_intakes; i++) {
		const struct intake *intake = plan->intakes[i];

		if (!intake->failed && intake->link.ifindex == link.ifindex &&
		    strcmp(intake->name, name) != 0)
			return intake->name;
	}
	return NULL;
}

static int open_intake(struct plan *plan, const char *name, struct intake **out)
{
	const char *other = find_other_name(plan, name);
	unsigned int workers = 0;
	struct intake *intake;
	int err;

	for (unsigned int i = 0; i < plan->nr_intakes; i++)
		workers += plan->intakes[i]->nr_workers;
	intake = calloc(1, sizeof(*intake));
	if (!intake)
		return -ENOMEM;
	intake->fresh = true;
	plan->intakes[plan->nr_intakes++] = intake;
	err = other ? intake_refuse(intake, name, other)
		    : intake_open(intake, name, plan->next, workers);
	if (plan_fails(plan, err))
		return plan_fail(plan, err, "", intake->reason);
	*out = intake;
	return 0;
}

int plan_open_intakes(struct plan *plan)
{
	for (unsigned int i = 0; i < plan->next->nr_rules; i++) {
		struct route *route = plan->routes[i];
		int err = 0;

		if (!route->fresh || route->rule->disabled)
			continue;
		route->intake = find_intake(plan, route->rule->iface);
		if (!route->intake)
			err = open_intake(plan, route->rule->iface, &route->intake);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Descriptors kept back while outputs are opened, so that too low a limit costs the rules at the
 * end and not all: what follows (rings, the XDP link, the control socket's clients) needs some too.
 */
#define RESERVED 64

static void reserve_descriptors(int fds[RESERVED])
{
	for (unsigned int i = 0; i < RESERVED; i++)
		fds[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
}

static void release_descriptors(const int fds[RESERVED])
{
	for (unsigned int i = 0; i < RESERVED; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* A rule that is tried again, and waits for what it has waited for, is no news. */
static void log_pending(const struct plan *plan, const struct route *route, int err)
{
	const char *reason = route->reason ? route->reason : "";
	const struct route *before =
		plan->kind == PLAN_RETRY ? plan_route(plan, route->rule) : NULL;

	if (before && before->reason && strcmp(before->reason, reason) == 0)
		return;
	log_error("rule-pending", LOG_NAME("rule", route->rule->name), LOG_ERROR(err),
		  LOG_TEXT("reason", reason));
}

int plan_open_routes(struct plan *plan)
{
	int reserved[RESERVED];
	int err = 0;

	reserve_descriptors(reserved);
	for (unsigned int i = 0; !err && i < plan->next->nr_rules; i++) {
		struct route *route = plan->routes[i];

		if (!route->fresh || !route->intake || route->intake->failed)
			continue;
		err = route_open(route, &plan->next->egress, plan->relay->membership);
		if (!err)
			continue;
		if (plan_fails(plan, err)) {
			plan_fail(plan, err, route->rule->name, route->reason);
			break;
		}
		log_pending(plan, route, err);
		err = 0;
	}
	release_descriptors(reserved);
	return err;
}
