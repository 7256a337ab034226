/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Where the packets of a rule arrive: what the interface that it names is, resolved once. All rules
 * that name it share one arrival, and all names of one interface share its intake. Arrivals are
 * compared as objects, never by their names.
 *
 *     in …@eth0     arrival eth0  ─┐
 *     in …@wan      arrival wan   ─┴─▶ intake of the interface whose names these are
 *
 * An arrival never changes its intake. When a name comes to mean another interface, its arrival is
 * `stale`, and a plan gives its rules a new one. Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_ARRIVAL_H
#define XMCAST_RELAY_ARRIVAL_H

#include "relay/intake.h"

struct arrival {
	char name[IF_NAMESIZE];
	struct intake *intake;
	uint16_t vlan; /* of its packets' tags; 0: untagged */
	/* The interface that joins groups, as last seen; ifindex 0: there is none. */
	struct link link;
	bool known; /* it could be queried in the last look */
	bool stale; /* the name means another interface than that of the intake */

	/* Of the plan that runs (plan.c). */
	bool fresh; /* made by it */
	bool used;  /* by one of its rules */
};

/* By name; NULL: there is none, or it is stale. */
struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name);

/* Look at the interface again. 0, also if there is none; -errno: it could not be queried, and
 * counts as it was. */
int arrival_query(struct arrival *arrival);

#endif
