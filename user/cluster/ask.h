/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator asks of another node than the one that holds the shard, or is to drain: the
 * node that was asked says so in its record for ASK_NS, and the node that it concerns obeys once.
 *
 *     "ask": {"what": "move"|"drain"|"undrain", "id", "lease", "shard", "node", "by", "by_id"}
 *
 * Pure; any thread.
 */
#ifndef XMCAST_CLUSTER_ASK_H
#define XMCAST_CLUSTER_ASK_H

#include <jansson.h>

#include "cluster/record.h"

/* Some renewals. */
#define ASK_NS 2000000000ULL

/* NULL: no memory. */
json_t *ask_json(const struct node_ask *ask);

/* NULL is no request. False: not one that ask_json() makes. */
bool ask_read(const json_t *json, struct node_ask *ask);

#endif
