/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which branches there shall be, and the rules that they are: a part of branches.c. Main thread.
 */
#ifndef XMCAST_RELAY_BRANCHING_H
#define XMCAST_RELAY_BRANCHING_H

#include "relay/state.h"

struct receivers;

/* A branch that somebody wants. No padding. */
struct wanted {
	uint32_t stem; /* by struct branching */
	struct xmc_addr group;
	struct xmc_addr source; /* all zero: that of the stem */
};

/* One that there shall be, in an order in which the branches of a group are neighbours. */
struct chosen {
	struct wanted what;
	bool others; /* branches of its group have sources of their own, all that are named */
};

struct stem {
	const struct rule *rule;
	uint32_t index;	       /* of the rule */
	int *ifindexes;	       /* of its outputs; 0: not known */
	bool by_source;	       /* its outputs keep the source, and receivers choose by it */
	unsigned int branches; /* so far */
	unsigned int refused;
	/* Rules that take groups from it, because they are more specific: those of one group,
	 * sorted by it, then prefixes. */
	unsigned int nr_groups, nr_claims;
	const struct rule **claims;
};

/* What the branches of a configuration shall be. */
struct branching {
	const struct config *config;
	const struct receivers *receivers;
	uint64_t now_ns;
	unsigned int nr_stems;
	struct stem *stems;
	size_t count, room;
	struct wanted *wanted;
	bool no_memory;
	/* The branches: those that stay, then new ones. */
	size_t nr_chosen, nr_new;
	struct chosen *chosen;
	bool deferred; /* some have to wait for the next change */
	bool keeps_ended;
	bool ended; /* some have ended */
};

/* `config` and `keeps_ended` are set, all else is zero. Choose. 0 or -ENOMEM; branching_free() in
 * both cases. */
int branching_select(struct branching *branching, const struct relay *relay);
void branching_free(struct branching *branching);

/* Append the rules. Their number, or -ENOMEM. */
int branching_append(const struct branching *branching, struct config *next);

#endif
