/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a plan share: plan.c (its course) and plan_open.c (what it
 * opens). Main thread. */
#ifndef XMCAST_RELAY_PLAN_INTERNAL_H
#define XMCAST_RELAY_PLAN_INTERNAL_H

#include "relay/plan.h"

struct plan {
	struct relay *relay;
	enum plan_kind kind;
	struct config *next;
	struct route **routes;	/* of `next`: kept ones and fresh ones */
	struct route **by_name; /* the relay's, sorted by name */
	unsigned int nr_intakes;
	struct intake **intakes; /* the relay's, and fresh ones behind them */
	struct relay_change change;
	bool broken;  /* a worker has failed: neither on nor back */
	char *reason; /* REASON_SIZE bytes: why it fails */
};

/* Whether this error of a part makes the whole fail. */
bool plan_fails(const struct plan *plan, int err);

/* Why the whole fails: `subject`, if it is not empty, and `reason` (NULL: what `err` means).
 * Returns `err`. */
int plan_fail(struct plan *plan, int err, const char *subject, const char *reason);

/* The relay's route that has this rule's name, or NULL. */
struct route *plan_route(const struct plan *plan, const struct rule *rule);

/* The intake of each fresh route; those it needs are opened. 0 or -errno. */
int plan_open_intakes(struct plan *plan);

/* Outputs and memberships of fresh routes; those that have to wait say why. 0 or -errno. */
int plan_open_routes(struct plan *plan);

#endif
