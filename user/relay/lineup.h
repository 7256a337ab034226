/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of an intake: the ruleset of its workers, and the paths whose keys are in the XDP map.
 * While rules change, an intake has two line-ups, and each key in the map belongs to one of them;
 * intake_stage() has the order in which one takes the place of the other. Main thread.
 */
#ifndef XMCAST_RELAY_LINEUP_H
#define XMCAST_RELAY_LINEUP_H

#include "base/lookup.h"
#include "relay/path.h"

struct ruleset;

/* Starts as all zero. */
struct lineup {
	struct ruleset *ruleset; /* NULL: there is none */
	unsigned int count;
	struct path **paths;	   /* with a reference each */
	struct xmc_rule_key *keys; /* of the paths, in parallel */
	struct lookup by_key;	   /* finds their index by key */
};

/* A rule for a line-up. */
struct tagged_path {
	struct path *path;
	uint32_t tags; /* VLAN tags of its packets at this intake, as in struct xmc_rule_key */
};

/* Fill an empty line-up. 0; -EEXIST: two paths have the same key; -ENOMEM. On failure it is empty.
 */
int lineup_fill(struct lineup *lineup, const struct tagged_path *paths, unsigned int count);
void lineup_free(struct lineup *lineup);

/* Its kernel paths join the intake: they get their forwards. */
void lineup_join(const struct lineup *lineup, struct kernel_side *side);

/* Give this line-up's keys to its paths; those that are in the XDP map belong to paths of another
 * line-up. 0 or -errno, see steer_add_rule(): that of *failed. */
int lineup_take_keys(const struct lineup *lineup, const struct lineup *other,
		     const struct kernel_side *side, const struct path **failed);

/* Give them back to the paths of the other one. Some may never have been taken, so errors are
 * ignored. */
void lineup_return_keys(const struct lineup *lineup, const struct lineup *other,
			const struct kernel_side *side);

/* Remove the keys that no path of the other line-up has. */
void lineup_remove_keys(const struct lineup *lineup, const struct lineup *other,
			const struct kernel_side *side);

/* The paths that only this line-up has leave the intake; no key is theirs any more. `in_use`:
 * packets that looked up their keys before may still be on their way: wait for a grace period if
 * forwards have to be closed. */
void lineup_leave(const struct lineup *lineup, const struct lineup *other,
		  const struct kernel_side *side, bool in_use);

/* All paths leave an intake through which no packet passes. Keys go with the maps, but a forward
 * has to be without a key. */
void lineup_dismiss(const struct lineup *lineup, const struct kernel_side *side);

#endif
