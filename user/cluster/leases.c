/* SPDX-License-Identifier: BSD-2-Clause */
/* Which leases there are, and what becomes of shards that the rules name no more. */
#include "cluster/protocol_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Note all of our shards as dropped. */
static int drop_all(struct protocol *protocol)
{
	struct txn_shard *list =
		realloc(protocol->dropped,
			(protocol->nr_dropped + protocol->view.nr_shards + 1UL) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	protocol->dropped = list;
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		const struct view_shard *shard = &protocol->view.shards[i];

		if (!is_ours(protocol, shard))
			continue;
		list[protocol->nr_dropped++] = protocol_describe(protocol, shard);
		if (shard->quiet > protocol->drop_at)
			protocol->drop_at = shard->quiet;
	}
	return 0;
}

void protocol_keep_dropped(struct protocol *protocol, unsigned int first)
{
	unsigned int left = 0;

	for (unsigned int i = first; i < protocol->nr_dropped; i++) {
		const struct txn_shard *shard = &protocol->dropped[i];

		if (!view_shard(&protocol->view, shard->lease, shard->number))
			protocol->dropped[left++] = *shard;
	}
	protocol->nr_dropped = left;
}

/* A transaction that is under way, or was perhaps made, gives or takes shards. */
static bool shards_change(const struct protocol *protocol)
{
	return (protocol->busy && protocol->txn.nr_shards) ||
	       (protocol->unresolved && protocol->lost.nr_shards);
}

int protocol_set_leases(struct protocol *protocol, const struct lease_name *leases,
			unsigned int count)
{
	int changed = view_same_leases(&protocol->view, leases, count) ? 0
		      : shards_change(protocol)			       ? -EAGAIN
								       : drop_all(protocol);

	if (!changed)
		move_lose_unnamed(protocol, leases, count);
	if (!changed)
		changed = view_set_leases(&protocol->view, leases, count);
	protocol_keep_dropped(protocol, 0);
	if (changed <= 0)
		return changed;
	protocol->renew_at = 0; /* the others learn it from our record */
	protocol->read = false;
	protocol->wants_reading = true;
	return 0;
}

void protocol_set_hold(struct protocol *protocol, const char *lease, bool hold)
{
	for (unsigned int i = 0; i < protocol->view.nr_leases; i++) {
		if (strcmp(protocol->view.leases[i].name.name, lease) == 0)
			protocol->view.leases[i].hold = hold;
	}
}
