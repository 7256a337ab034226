/* SPDX-License-Identifier: BSD-2-Clause */
/* A route is a rule of the configuration and what became of it. Main thread. */
#ifndef XMCAST_RELAY_ROUTE_H
#define XMCAST_RELAY_ROUTE_H

#include "relay/intake.h"
#include "dataplane/stream.h"
#include "membership/membership.h"
#include "rules/config.h"

struct route {
	uint64_t id;	   /* of the rule as it is defined now: see rule_counts */
	uint64_t since_ns; /* when that was */
	const struct rule *rule;
	struct intake *intake; /* NULL: disabled */
	/* NULL: disabled or pending. Kept, with its counters and sockets, while the intake is away.
	 */
	struct stream *stream;
	char *reason; /* why it is pending, if that is its own and not its intake's */
	const struct stream *before; /* of the route that it replaces, while a plan runs */
	bool joined;
	int joined_ifindex;

	/* What a plan thinks of it. */
	bool fresh; /* made by it */
	bool kept;  /* there before, and after it */
};

/* A route that does nothing yet. NULL: no memory. The rule must outlive it. */
struct route *route_new(const struct rule *rule, uint64_t id);

/*
 * Open the outputs of a route whose intake is set and not failed, and join its group. 0, or -errno:
 * then `reason` tells (to a person) why, and neither is done. -ENODEV, -ENETDOWN and the like: the
 * network lacks something; others: the process does (descriptors, memory, a limit).
 */
int route_open(struct route *route, const struct egress_config *egress,
	       struct membership *membership);

/*
 * Its intake, which was away, is open again: join, with the stream that it has; if it has none, or
 * one for another number of queues, as route_open(). 0 or -errno, as there.
 */
int route_reopen(struct route *route, const struct egress_config *egress,
		 struct membership *membership);

/* Its intake is going away: leave the group. */
void route_leave(struct route *route, struct membership *membership);

/* Why it is pending, or NULL: it is at work, or disabled. Valid until something changes. */
const char *route_reason(const struct route *route);

/* It will not be at work: for its own reason, or its intake's. Gives back what route_open() got. */
void route_close(struct route *route, struct membership *membership);

/* route_close(), and free it. Takes NULL. */
void route_free(struct route *route, struct membership *membership);

#endif
