/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What xmcastctl cluster asks xmcast-cluster, by the same protocol as xmcastd's
 * (docs/control-protocol.md): cluster.status, cluster.move, cluster.drain,
 * cluster.asked. Main thread.
 */
#ifndef XMCAST_CLUSTER_STATUS_H
#define XMCAST_CLUSTER_STATUS_H

#include "cluster/config.h"
#include "cluster/protocol.h"
#include "control/method.h"

struct local;

/* How a shard came to where it is. */
struct status_move {
	uint64_t at; /* CLOCK_MONOTONIC; 0: it has not moved since we run */
	char owner[CLUSTER_NAME_SIZE];
	const char *why; /* constant text */
};

/* What the methods read: the context of the server. */
struct status {
	const struct cluster_config *config;
	struct protocol *protocol;
	const struct store *store;
	const struct local *local;
	uint64_t moves; /* shards that we have got or lost */
	struct status_move last[CLUSTER_SHARDS];
};

extern const struct control_method status_methods[];

/* A shard has become ours, or another one's. */
void status_moved(struct status *status, unsigned int shard, const char *owner, const char *why);

#endif
