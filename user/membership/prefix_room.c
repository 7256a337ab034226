/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/prefix_room.h"

#include <stdlib.h>
#include <string.h>

#include "rules/prefix.h"

void prefix_rooms_free(struct prefix_rooms *rooms)
{
	free(rooms->list);
	*rooms = (struct prefix_rooms){.count = 0};
}

void prefix_rooms_set(struct prefix_rooms *rooms, const struct prefix_room *list,
		      unsigned int count)
{
	prefix_rooms_free(rooms);
	rooms->list = calloc(count + 1UL, sizeof(*list));
	if (!rooms->list)
		return;
	memcpy(rooms->list, list, count * sizeof(*list));
	rooms->count = count;
}

unsigned int prefix_rooms_most(const struct prefix_rooms *rooms, unsigned int most,
			       unsigned int each)
{
	uint64_t all = most + (uint64_t)rooms->count * each;

	return all < UINT32_MAX ? (unsigned int)all : UINT32_MAX;
}

struct prefix_room *prefix_rooms_find(const struct prefix_rooms *rooms, int ifindex,
				      const struct xmc_addr *group)
{
	for (unsigned int i = 0; i < rooms->count; i++) {
		struct prefix_room *prefix = &rooms->list[i];

		if (prefix->ifindex == ifindex && prefix->room &&
		    prefix_has(&prefix->prefix, prefix->host_bits, group))
			return prefix;
	}
	return NULL;
}
