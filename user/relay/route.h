/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * A route is ONE running rule: where its packets arrive, the path that carries them, its
 * membership, and why it is not active.
 *
 *     disabled   no arrival
 *     pending    its arrival's intake is not relaying; or it has no path, and `reason` says why; or
 *                nothing can leave by any of its outputs
 *     active     otherwise: it has a path, and has joined its group
 *
 * Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_ROUTE_H
#define XMCAST_RELAY_ROUTE_H

#include "membership/membership.h"
#include "relay/arrival.h"

struct route {
	uint64_t id;	   /* of the rule as it is defined now: see rule_counts */
	uint64_t since_ns; /* when that was */
	const struct rule *rule;
	struct arrival *arrival; /* NULL: disabled */
	struct path *path; /* NULL: disabled or pending. Kept while the intake is down, with its
			      counters and sockets */
	char *reason;	   /* why it has no path, if it is not its intake's reason */
	bool reported;	   /* the reason was logged */
	int joined;	   /* ifindex of the interface that has joined its group; 0: none */

	/* Of the plan that runs (plan.c). */
	struct {
		struct route *replaced; /* the route of the same name before, if it goes; or NULL */
		bool fresh;		/* made by it */
		bool kept;		/* there before, and after it */
		bool opened;		/* by it */
		bool shadowed;		/* takes in what another one does already */
	} plan;
};

/* A route that does nothing yet. NULL: no memory. The rule must outlive it. */
struct route *route_new(const struct rule *rule, uint64_t id);

/*
 * Open a path, or keep the one that it has if that fits its intake, which is open; and join the
 * group. 0, or -errno: then it has no path, has not joined, and `reason` says why. -ENODEV,
 * -ENETDOWN and the like: the network is not ready for it; others: a shortage of this process
 * (descriptors, memory, a limit).
 */
int route_open(struct route *route, const struct egress_config *egress,
	       struct membership *membership);

/* It must not be opened, for this reason: close it. */
void route_refuse(struct route *route, struct membership *membership, const char *reason);

/* Log that it is pending, for its reason, unless that was done before. */
void route_report(struct route *route, int err);

/* Its intake is going down: leave the group. */
void route_leave(struct route *route, struct membership *membership);

/* Leave the group, drop the path. */
void route_close(struct route *route, struct membership *membership);

/* The same, and free it. Accepts NULL. */
void route_free(struct route *route, struct membership *membership);

/* Is it not carrying packets, for a reason of its own? */
static inline bool route_is_waiting(const struct route *route)
{
	return route->arrival && !route->path && intake_is_open(route->arrival->intake);
}

/* Why it is pending, or NULL: it is active, or disabled. Valid until something changes. */
const char *route_reason(const struct route *route);

#endif
