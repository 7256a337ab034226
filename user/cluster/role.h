/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent reports to the daemon about shards that this node does not hold: until when
 * another one does, so that it does not report them as unheld; and which of them are cold, because
 * there are enough standbys, so that it leaves their inputs.
 *
 * One thread.
 */
#ifndef XMCAST_CLUSTER_ROLE_H
#define XMCAST_CLUSTER_ROLE_H

#include <jansson.h>

#include "cluster/config.h"
#include "cluster/protocol.h"

/* How often. */
#define ROLE_NS 500000000ULL

/* Until when another live node holds the shard, as far as is known; 0: none does. */
uint64_t role_elsewhere(const struct protocol *protocol, unsigned int shard);

/* Whether another live node holds the shard and `standbys` others come before this one. */
bool role_is_cold(const struct protocol *protocol, const struct cluster_config *config,
		  unsigned int shard);

/* Add an item of lease.set for each shard that another node holds. */
void role_add(json_t **list, const struct protocol *protocol, const struct cluster_config *config);

#endif
