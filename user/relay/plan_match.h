/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan while it is carried out, and its first step: which routes stay as they are, which are new,
 * and where the packets of the new ones arrive. For plan.c only. Main thread. */
#ifndef XMCAST_RELAY_PLAN_MATCH_H
#define XMCAST_RELAY_PLAN_MATCH_H

#include "relay/state.h"

enum plan_kind {
	/* Of all three: what the network does not let run is pending. */
	START,	/* a missing right or another xmcastd makes the plan fail; a shortage does not */
	CHANGE, /* a shortage of this process makes the plan fail as well */
	FOLLOW, /* for the configuration that runs already: no such error makes the plan fail */
	BRANCH, /* likewise, but with other branches */
};

struct plan {
	struct relay *relay;
	enum plan_kind kind;
	struct config *next;
	unsigned int branches; /* the last rules of `next` */
	/* Of `next`: kept and fresh ones, in the order of those of the relay (state.h). */
	struct route **routes;
	unsigned int nr_routes;
	/* Those of the relay, followed by fresh ones. */
	unsigned int nr_arrivals;
	struct arrival **arrivals;
	unsigned int nr_intakes;
	struct intake **intakes;
	struct relay_change change;
	bool broken;  /* a worker has failed: the change can neither be completed nor undone */
	char *reason; /* REASON_SIZE bytes: why it fails */
};

/* Fill in plan->routes, and the fresh ones of the arrivals and intakes. 0 or -errno. */
int plan_match(struct plan *plan);

/* arrival_query() in the plan's context. */
int plan_query_arrival(const struct plan *plan, struct arrival *arrival);

#endif
