/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which branches there shall be, and the rules that they are: a part of branches.c. Main thread.
 */
#ifndef XMCAST_RELAY_BRANCHING_H
#define XMCAST_RELAY_BRANCHING_H

#include "relay/branch_claims.h"
#include "relay/state.h"

struct receivers;

/* A branch that somebody wants. No padding. */
struct wanted {
	uint32_t stem; /* by struct branching */
	struct xmc_addr group;
	struct xmc_addr source; /* all zero: that of the stem */
};

/* One that there shall be. */
struct chosen {
	struct wanted what;
	bool others; /* branches of its group have sources of their own, all that are named */
};

/* A branch of a source that runs, and is not wanted for itself any more. It begins with what it is,
 * for compare_wanted(). */
struct unwanted {
	struct wanted what;
	bool named; /* by a receiver: it stays if its group has more names than branches */
};

struct stem {
	const struct rule *rule;
	uint32_t index; /* of the rule */
	int *ifindexes; /* of its outputs; 0: not known */
	bool by_source; /* receivers choose by source, on outputs that keep it */
	bool others;	/* as of struct chosen, if it has one group: it is that branch itself */
	bool more;	/* of one group: receivers name more sources than can have branches */
	bool joins;	/* of one group: the stem itself joins it, for all sources */
	unsigned int branches; /* so far */
	unsigned int refused;
	unsigned int over_share; /* of these: for hosts that want too much of what there is */
};

/* What the branches of a configuration shall be. */
struct branching {
	const struct config *config;
	const struct receivers *receivers;
	uint64_t now_ns;
	unsigned int nr_stems, nr_prefixes; /* those with a prefix of groups come first */
	struct stem *stems;
	uint32_t *places; /* of the stem of each rule, + 1; 0: it is none */
	struct branch_claims claims;
	size_t count, room;
	struct wanted *wanted;
	/* Groups of prefixes of which receivers name more sources than can have branches, sorted.
	 */
	size_t nr_crowded, crowded_room;
	struct wanted *crowded;
	size_t nr_unwanted; /* sorted */
	struct unwanted *unwanted;
	struct wanted looked_at; /* the group whose names are looked at */
	bool no_memory;
	/* The branches: those that stay, then new ones. */
	size_t nr_chosen, nr_new;
	struct chosen *chosen;
	size_t nr_deferred; /* these have to wait for the next change: the first in `wanted` */
	bool keeps_ended;
	bool ended; /* some have ended */
};

/* `config` and `keeps_ended` are set, all else is zero. Choose. 0 or -ENOMEM; branching_free() in
 * both cases. */
int branching_select(struct branching *branching, const struct relay *relay);
void branching_free(struct branching *branching);

/* Append the rules, and set `others` of their stems. Their number, or -ENOMEM. */
int branching_append(const struct branching *branching, struct config *next);

#endif
