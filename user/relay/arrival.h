/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * Where the packets of a rule arrive: the interface that its input names, resolved once. All rules
 * with one name share an arrival, and all names of one interface share its intake. Arrivals are
 * compared as objects, never by their names.
 *
 *     in …@eth0       arrival eth0                ─┐
 *     in …@wan        arrival wan                 ─┼─▶ intake of the interface that is called eth0
 *     in …@eth0.100   arrival eth0.100, tag 100   ─┘   and wan: its base
 *
 * The packets of a VLAN are received where they arrive with their tags, by the intake of the lowest
 * interface; the VLAN itself only joins groups. If XDP does not see the tags there, or the interface
 * cannot carry an intake, or the VLAN has settings of its own, the VLAN has an intake of its own, in
 * skb mode.
 *
 * An arrival never changes its intake. When another interface gets the name, or its packets would
 * be received better elsewhere, the arrival is `stale`, and a plan gives its rules a new one. Main
 * thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_ARRIVAL_H
#define XMCAST_RELAY_ARRIVAL_H

#include "relay/intake.h"

struct inheritance;

struct arrival {
	char name[IF_NAMESIZE];
	struct intake *intake;
	uint32_t tags; /* VLAN tags of its packets there, as in struct xmc_rule_key */
	int joined;    /* index of `link` when it was fresh */

	/* As last seen. */
	struct link link;  /* the interface that joins groups; ifindex 0: none */
	struct link base;  /* the interface that receives: `link`, or what that VLAN is on */
	uint32_t tags_now; /* VLAN tags of its packets at `base` */
	int lowest;	   /* index of the interface below a VLAN, whether or not it receives */
	char obstacle[REASON_SIZE]; /* why that one does not receive; empty: it does, or no VLAN */

	bool known;	 /* the last query of the interface has succeeded */
	bool lost;	 /* the kernel has dropped the memberships of a VLAN */
	bool stale;	 /* another interface has the name now, or this one has a better intake */
	int skb_ifindex; /* a base whose intake runs in skb mode and does not see tags; 0: none */

	/* Notes of the plan that is being carried out (plan.c). */
	bool fresh; /* the plan made it */
	bool used;  /* by a rule of the plan */
};

/* An interface below VLANs, and what it cannot do for them. */
struct judgement {
	struct link link;	    /* ifindex 0: there is none */
	bool hides;		    /* XDP does not see tags there */
	bool open;		    /* its intake is open, or was in the predecessor */
	bool skb;		    /* in skb mode */
	char obstacle[REASON_SIZE]; /* empty: it can receive them */
};

/* What decides where packets are received. */
struct arrival_context {
	const struct config *config;
	struct intake *const *intakes;
	unsigned int nr_intakes;
	/* Of a predecessor whose place this process takes: its program on an interface is no
	 * obstacle. NULL: there is none. */
	const struct inheritance *inheritance;
	/* The interface that was judged last, so that many VLANs on it cost one judgement, as long
	 * as the context is used. All 0 at first. */
	struct judgement last;
};

/* The arrival with this name that is not stale, or NULL. */
struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name);

/* Query the interface, and what it is on, and update everything that was last seen. 0, also if it
 * does not exist; -errno: it could not be queried, and all is as it was. */
int arrival_query(struct arrival *arrival, struct arrival_context *context);

/* Does this change of a link concern it? */
bool arrival_concerns(const struct arrival *arrival, const struct link *link);

/* The intake of the interface with this index. Two may turn out to have the same: an open one
 * counts, otherwise the first. NULL: none. */
struct intake *arrival_home(const struct arrival_context *context, int ifindex);

#endif
