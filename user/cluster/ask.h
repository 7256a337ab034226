/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator asks of another node than the one that holds the shard, or is to drain: the
 * node that was asked says so in its record until the node that it concerns answers in its own one,
 * at most for ASK_NS.
 *
 *     "ask": {"what": "move"|"drain"|"undrain", "id", "at", "lease", "shard", "node"}
 *     "heard": {ID: ACCEPTED, …}
 *
 * The node that holds the shard obeys, also one that gets it meanwhile. Of several requests for a
 * shard that one counts which is the last in the store (`at`): the shard's record has which one was
 * obeyed, so that its next holder obeys no older one.
 *
 * Pure; any thread.
 */
#ifndef XMCAST_CLUSTER_ASK_H
#define XMCAST_CLUSTER_ASK_H

#include <jansson.h>

#include "cluster/record.h"

/* Some renewals. */
#define ASK_NS 2000000000ULL

/* The highest `id`: most readers of JSON keep numbers exact only up to this one. */
#define ASK_IDS ((1ULL << 53) - 1)

/* NULL: no memory. */
json_t *ask_json(const struct node_ask *ask);

/* NULL is no request. False: not one that ask_json() makes. */
bool ask_read(const json_t *json, struct node_ask *ask);

/* The answers of a record: NULL if there is none, or no memory. Others than ask_heard_json() makes
 * are ignored. */
json_t *ask_heard_json(const struct node_record *record);
void ask_heard_read(const json_t *json, struct node_record *record);

#endif
