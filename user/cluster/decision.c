/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/protocol_state.h"

#include <stdio.h>
#include <string.h>

/* If the first node for a shard does not claim it, the next one does after this many periods. */
#define RANK_PERIODS 2

static bool bury(struct protocol *protocol, uint64_t now, unsigned int own)
{
	const struct protocol_settings *settings = &protocol->settings;
	uint64_t patience = settings->deadline + settings->guard;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const struct view_node *node = &protocol->view.nodes[i];
		uint64_t silent = view_elapsed(now, node->seen);

		if (!*node->name || i == own || silent <= patience ||
		    silent <= patience +
				      settings->renew / 2 * view_bury_rank(&protocol->view, i, own))
			continue;
		protocol_start(protocol, now, TXN_BURY, protocol->mod);
		snprintf(protocol->txn.other, CLUSTER_NAME_SIZE, "%s", node->name);
		protocol->txn.other_mod = node->mod;
		return true;
	}
	return false;
}

/* No node holds it, and it is ours by rank, or nobody else takes it. */
static bool is_free(struct protocol *protocol, uint64_t now, struct view_shard *shard,
		    unsigned int own)
{
	unsigned int rank;

	if (view_holder(&protocol->view, shard) != NO_NODE) {
		shard->free_since = 0;
		return false;
	}
	if (protocol->view.leases[shard->lease].overruled)
		return false;
	if (!shard->mod && view_elapsed(now, protocol->joined) <
				   protocol->settings.deadline + protocol->settings.guard)
		return false;
	if (!shard->free_since)
		shard->free_since = now;
	rank = view_rank(&protocol->view, shard, own);
	return rank != NO_NODE && view_elapsed(now, shard->free_since) >=
					  rank * RANK_PERIODS * protocol->settings.renew;
}

/* Shards that no node holds; and ours whose keys have something to say no longer. */
static bool claim(struct protocol *protocol, uint64_t now, unsigned int own)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < protocol->view.nr_shards && found < TXN_SHARDS; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		bool over = move_is_over(protocol, shard, now);
		struct txn_shard *entry;

		if (!over && !is_free(protocol, now, shard, own))
			continue;
		if (!found++)
			protocol_start(protocol, now, TXN_CLAIM, protocol->mod);
		entry = protocol_add(protocol, shard, protocol->settings.node, protocol->term);
		if (over) {
			entry->becomes.pinned = shard->record.pinned;
			continue;
		}
		entry->becomes.left = move_left(shard, now);
		shard->why = *shard->record.node ? "its holder was gone" : "nobody held it";
		snprintf(entry->ended_node, CLUSTER_NAME_SIZE, "%s", shard->record.node);
		entry->ended_term = shard->record.term;
	}
	return found;
}

/* Shards of leases that are overruled, once nobody may send them. */
static bool give_back(struct protocol *protocol, uint64_t now)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < protocol->view.nr_shards && found < TXN_SHARDS; i++) {
		const struct view_shard *shard = &protocol->view.shards[i];

		if (!protocol->view.leases[shard->lease].overruled || !is_ours(protocol, shard) ||
		    shard->sent_until > now || move_left(shard, now))
			continue;
		if (!found++)
			protocol_start(protocol, now, TXN_RELEASE, protocol->mod);
		protocol->txn.shards[protocol->txn.nr_shards++] =
			protocol_describe(protocol, shard);
	}
	return found;
}

static bool release(struct protocol *protocol, uint64_t now)
{
	struct txn *txn = &protocol->txn;
	unsigned int count = protocol->nr_dropped;

	if (!count)
		return give_back(protocol, now);
	if (now < protocol->drop_at)
		return false;
	protocol_start(protocol, now, TXN_RELEASE, protocol->mod);
	txn->nr_shards = count < TXN_SHARDS ? count : TXN_SHARDS;
	memcpy(txn->shards, protocol->dropped, txn->nr_shards * sizeof(*txn->shards));
	return true;
}

bool protocol_decide(struct protocol *protocol, uint64_t now)
{
	unsigned int own = view_find(&protocol->view, protocol->settings.node);

	if (own == NO_NODE || !protocol->read || now < protocol->decide_at)
		return false;
	move_plan_unfit(protocol, now);
	if (bury(protocol, now, own) || move_pass(protocol, now) || release(protocol, now))
		return true;
	if (!protocol->view.look && now < protocol->look_at)
		return false;
	protocol->view.look = false;
	protocol->look_at = now + protocol->settings.renew;
	move_plan(protocol, now, own);
	return claim(protocol, now, own);
}
