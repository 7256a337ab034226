/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes of groups, each on one interface, and how many new groups of each may be taken in. Main
 * thread.
 */
#ifndef XMCAST_MEMBERSHIP_PREFIX_ROOM_H
#define XMCAST_MEMBERSHIP_PREFIX_ROOM_H

#include <stdint.h>

#include "base/addr.h"

struct prefix_room {
	int ifindex;
	struct xmc_addr prefix;
	uint8_t host_bits;
	unsigned int room;
};

/* All zero: empty. */
struct prefix_rooms {
	unsigned int count;
	struct prefix_room *list;
};

void prefix_rooms_free(struct prefix_rooms *rooms);

/* Replace all of them by a copy of this list. Without memory it is empty then. */
void prefix_rooms_set(struct prefix_rooms *rooms, const struct prefix_room *list,
		      unsigned int count);

/* How many groups there may be at most: `most` besides these, and of each prefix `each`. Groups
 * that take room of a prefix may be those of a longer one, so that its room alone is no limit. */
unsigned int prefix_rooms_most(const struct prefix_rooms *rooms, unsigned int most,
			       unsigned int each);

/* A prefix of the group that has room: once the group is known, it has one less. NULL: none has. */
struct prefix_room *prefix_rooms_find(const struct prefix_rooms *rooms, int ifindex,
				      const struct xmc_addr *group);

#endif
