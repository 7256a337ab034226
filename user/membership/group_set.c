/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/group_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct group_key) == sizeof(struct xmc_addr) + sizeof(int), "no padding");

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct group_key));
}

void group_set_free(struct group_set *set)
{
	free(set->list);
	*set = (struct group_set){.list = NULL};
}

void group_set_clear(struct group_set *set)
{
	set->count = 0;
}

int group_set_add(struct group_set *set, int ifindex, const struct xmc_addr *group)
{
	if (set->count == set->room) {
		size_t room = set->room ? 2 * set->room : 16;
		struct group_key *list = realloc(set->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		set->list = list;
		set->room = room;
	}
	set->list[set->count++] = (struct group_key){*group, ifindex};
	return 0;
}

void group_set_sort(struct group_set *set)
{
	if (set->count)
		qsort(set->list, set->count, sizeof(*set->list), compare);
}

bool group_set_has(const struct group_set *set, int ifindex, const struct xmc_addr *group)
{
	const struct group_key key = {*group, ifindex};

	return set->count && bsearch(&key, set->list, set->count, sizeof(key), compare);
}
