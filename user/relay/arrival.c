/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/arrival.h"

#include <errno.h>
#include <string.h>

struct arrival *arrival_find(struct arrival *const *arrivals, unsigned int count, const char *name)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!arrivals[i]->stale && strcmp(arrivals[i]->name, name) == 0)
			return arrivals[i];
	}
	return NULL;
}

int arrival_query(struct arrival *arrival)
{
	struct link now;
	int err = link_query(arrival->name, &now);

	arrival->known = !err || err == -ENODEV;
	if (!arrival->known)
		return err;
	arrival->link = now;
	/* link_query() has set only the name. */
	if (err)
		arrival->link.ifindex = 0;
	return 0;
}
