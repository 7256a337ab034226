/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Weighted rendezvous hashing: every node ranks all nodes for a shard in the same way without
 * asking anybody, and when a node comes or goes, only its own shards change their first node.
 *
 * A node has as many tickets for each shard as its weight; the node with the highest ticket is
 * first. So a node of weight 2 is first for twice as many shards, exactly and without floating
 * point. Pure; any thread.
 */
#ifndef XMCAST_CLUSTER_RENDEZVOUS_H
#define XMCAST_CLUSTER_RENDEZVOUS_H

#include <stdint.h>

/* Of a node's name, and of a lease with its number of shards. */
uint64_t name_hash(const char *name);
uint64_t lease_hash(const char *name, unsigned int shards);

/* The highest ticket of a node for a shard of a lease. */
uint64_t rendezvous_score(uint64_t node, unsigned int weight, uint64_t lease, unsigned int shard);

#endif
