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
	uint16_t vlan;	  /* id in the packets' tags; 0: untagged */
	struct link link; /* the interface that joins groups, as last seen; ifindex 0: none */
	bool known;	  /* it could be queried in the last look */
	bool stale;	  /* the name means another interface than that of the intake */

	/* Notes of the plan that is being carried out (plan.c). */
	bool fresh; /* the plan made it */
	bool used;  /* by a rule of the plan */
};

/* The arrival of this name that is not stale, or NULL. */
struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name);

/* Query the interface. 0, also if it does not exist; -errno: it could not be queried, and `link` is
 * as it was. */
int arrival_query(struct arrival *arrival);

#endif
