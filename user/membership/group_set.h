/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A set of groups, each on one interface. Add all of them, sort once, then ask. Main thread.
 */
#ifndef XMCAST_MEMBERSHIP_GROUP_SET_H
#define XMCAST_MEMBERSHIP_GROUP_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct group_key {
	struct xmc_addr group;
	int ifindex;
};

/* All zero: empty. */
struct group_set {
	size_t count, room;
	struct group_key *list;
};

void group_set_free(struct group_set *set);

/* Remove all of them. */
void group_set_clear(struct group_set *set);

/* 0 or -ENOMEM. The same group may be added several times. */
int group_set_add(struct group_set *set, int ifindex, const struct xmc_addr *group);

void group_set_sort(struct group_set *set);

/* After group_set_sort(). */
bool group_set_has(const struct group_set *set, int ifindex, const struct xmc_addr *group);

#endif
