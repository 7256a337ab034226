/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Where the packets of a rule arrive: the interface that its input names, resolved once. All rules
 * with one name share an arrival, and all names of one interface share its intake. Arrivals are
 * compared as objects, never by their names.
 *
 *     in …@eth0     arrival eth0  ─┐
 *     in …@wan      arrival wan   ─┴─▶ intake of the interface that has both names
 *
 * An arrival never changes its intake. When another interface gets the name, the arrival is
 * `stale`, and a plan gives its rules a new one. Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_ARRIVAL_H
#define XMCAST_RELAY_ARRIVAL_H

#include "relay/intake.h"

struct arrival {
	char name[IF_NAMESIZE];
	struct intake *intake;
	uint32_t tags;	  /* VLAN tags of its packets there, as in struct xmc_rule_key */
	struct link link; /* the interface that joins groups, as last seen; ifindex 0: none */
	bool known;	  /* the last query of the interface has succeeded */
	bool stale;	  /* another interface has the name now, or this one has a better intake */

	/* Notes of the plan that is being carried out (plan.c). */
	bool fresh; /* the plan made it */
	bool used;  /* by a rule of the plan */
};

/* The arrival with this name that is not stale, or NULL. */
struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name);

/* Query the interface and update `link`. 0, also if it does not exist; -errno: it could not be
 * queried, and `link` is as it was. */
int arrival_query(struct arrival *arrival);

#endif
