/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "cluster/local.h"

static const char *const states[] = {"absent", "member", "left", "replaced"};

void status_moved(struct status *status, unsigned int shard, const char *owner, const char *why)
{
	struct status_move *last = &status->last[shard];

	status->moves++;
	last->at = clock_ns();
	last->why = why;
	snprintf(last->owner, sizeof(last->owner), "%s", owner ? owner : "nobody");
}

/* ---- cluster.status ---- */

static json_t *nodes_json(const struct status *status, uint64_t now)
{
	json_t *nodes = json_array();
	struct node_status node;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const char *state;

		if (!protocol_node(status->protocol, i, now, &node))
			continue;
		state = !node.live ? "silent" : node.draining ? "draining" : "active";
		json_add(&nodes,
			 json_pack("{s:s, s:s, s:i, s:i, s:I}", "name", node.name, "state", state,
				   "weight", (int)node.weight, "shards", (int)node.shards,
				   "silent_ms", (json_int_t)(node.silent / NS_PER_MS)));
	}
	return nodes;
}

static json_t *shard_json(const struct status *status, unsigned int index, uint64_t now)
{
	const struct status_move *last = &status->last[index];
	char text[2 * CLUSTER_NAME_SIZE + 64] = "";
	struct shard_status shard;

	protocol_shard(status->protocol, index, &shard);
	if (last->at)
		snprintf(text, sizeof(text), "%llu s ago to %s: %s",
			 (unsigned long long)((now - last->at) / NS_PER_SECOND), last->owner,
			 last->why);
	return json_pack("{s:s, s:i, s:s?, s:s?, s:s, s:s?}", "lease", shard.lease->name, "shard",
			 (int)shard.number, "owner", shard.owner, "standby", shard.standby, "state",
			 shard.moving  ? "moving"
			 : shard.owner ? "held"
				       : "free",
			 "last_move", last->at ? text : NULL);
}

/* The leases of which nothing is sent here, because another node has another number of shards. */
static json_t *overruled_json(const struct status *status)
{
	json_t *list = json_array();
	const struct lease_name *lease;

	for (unsigned int i = 0; (lease = protocol_lease(status->protocol, i)); i++) {
		const char *ruler = protocol_ruler(status->protocol, i);

		if (ruler)
			json_add(&list, json_pack("{s:s, s:i, s:s}", "lease", lease->name, "shards",
						  (int)lease->shards, "node", ruler));
	}
	return list;
}

static json_t *store_json(const struct store *store)
{
	struct store_status status;

	store_status(store, &status);
	return json_pack("{s:s, s:b, s:b, s:o, s:I, s:I, s:I}", "endpoint", status.endpoint,
			 "reachable", status.reachable, "watching", status.watching, "error",
			 json_text_string(status.error), "failures", (json_int_t)status.failures,
			 "watch_losses", (json_int_t)status.watch_losses, "strange_keys",
			 (json_int_t)status.strange_keys);
}

static void method_status(void *context, const json_t *params, struct control_reply *reply)
{
	const struct status *status = context;
	uint64_t now = clock_ns(), deadline = protocol_deadline(status->protocol);
	unsigned int total = protocol_shards(status->protocol);
	json_t *shards = json_array();
	struct control_page page;
	const char *reason;
	bool answers = local_answers(status->local, &reason);

	if (!control_param_page(params, &page, reply)) {
		json_decref(shards);
		return;
	}
	for (size_t i = 0; i < control_page_count(&page, total); i++)
		json_add(&shards, shard_json(status, (unsigned int)(page.offset + i), now));
	reply->result = json_pack(
		"{s:s, s:s, s:I, s:I, s:{s:b, s:o}, s:o, s:o, s:o, s:i, s:o}", "node",
		status->config->node, "state", states[protocol_state(status->protocol)],
		"deadline_ms", (json_int_t)(deadline > now ? (deadline - now) / NS_PER_MS : 0),
		"moves", (json_int_t)status->moves, "daemon", "answers", answers, "reason",
		json_text_string(reason), "store", store_json(status->store), "overruled",
		overruled_json(status), "nodes", nodes_json(status, now), "total", (int)total,
		"shards", shards);
}

/* ---- cluster.move, cluster.drain ---- */

/* The index of a shard; CLUSTER_SHARDS: there is none. */
static unsigned int find_shard(const struct status *status, const char *lease, size_t number)
{
	struct shard_status shard;

	for (unsigned int i = 0; i < protocol_shards(status->protocol); i++) {
		protocol_shard_name(status->protocol, i, &shard);
		if (strcmp(shard.lease->name, lease) == 0 && shard.number == number)
			return i;
	}
	return CLUSTER_SHARDS;
}

/* An optional string. */
static const char *param_node(const json_t *params, const char *standard)
{
	const char *node = json_string_value(json_object_get(params, "node"));

	return node ? node : standard;
}

/* Of a node that is to answer: cluster.asked says what has become of it. */
static void ask_node(const struct status *status, struct node_ask *ask, int *err,
		     struct control_reply *reply)
{
	*err = protocol_ask(status->protocol, ask);
	if (!*err)
		reply->result = json_pack("{s:I}", "asked", (json_int_t)ask->id);
	else if (*err == -EBUSY)
		control_fail(reply, CONTROL_REFUSED,
			     "other nodes have not answered earlier requests yet; try again");
}

static void method_move(void *context, const json_t *params, struct control_reply *reply)
{
	const struct status *status = context;
	const char *lease = control_param_string(params, "lease", reply), *node;
	struct node_ask ask = {.what = ASK_MOVE};
	unsigned int index;
	size_t number = 0;
	int err;

	if (!lease ||
	    !control_param_unsigned(params, "shard", 0, CLUSTER_LEASE_SHARDS - 1, &number, reply))
		return;
	index = find_shard(status, lease, number);
	if (index == CLUSTER_SHARDS) {
		control_fail(reply, CONTROL_NOT_FOUND, "no shard %zu of a lease %s", number, lease);
		return;
	}
	node = param_node(params, protocol_other(status->protocol, index));
	err = node ? protocol_move(status->protocol, clock_ns(), index, node) : -ENOENT;
	if (err == -ESRCH) {
		ask.shard = (unsigned int)number;
		snprintf(ask.lease, sizeof(ask.lease), "%s", lease);
		snprintf(ask.node, sizeof(ask.node), "%s", node);
		ask_node(status, &ask, &err, reply);
	} else if (!err) {
		reply->result = json_object();
	}
	if (err == -ENOENT)
		control_fail(reply, CONTROL_NOT_FOUND,
			     "no live node %s that has the lease %s and does not drain, or nobody "
			     "holds it",
			     node ? node : "but this one", lease);
}

static void method_drain(void *context, const json_t *params, struct control_reply *reply)
{
	const struct status *status = context;
	const json_t *drain = json_object_get(params, "drain");
	const char *node = param_node(params, status->config->node);
	struct node_ask ask = {.what = json_is_true(drain) ? ASK_DRAIN : ASK_UNDRAIN};
	int err;

	if (!json_is_boolean(drain)) {
		control_fail(reply, RPC_INVALID_PARAMS, "drain: expected true or false");
		return;
	}
	snprintf(ask.node, sizeof(ask.node), "%s", node);
	if (strcmp(node, status->config->node) == 0) {
		protocol_drain(status->protocol, json_is_true(drain));
		reply->result = json_object();
		return;
	}
	ask_node(status, &ask, &err, reply);
	if (err == -ENOENT)
		control_fail(reply, CONTROL_NOT_FOUND, "no live node %s", node);
}

static void method_asked(void *context, const json_t *params, struct control_reply *reply)
{
	const struct status *status = context;
	const char *reason = NULL;
	size_t id = 0;
	int err;

	if (!control_param_unsigned(params, "id", 1, INT64_MAX, &id, reply))
		return;
	err = protocol_asked(status->protocol, id, &reason);
	if (err == -ESRCH) {
		control_fail(reply, CONTROL_NOT_FOUND, "no request with the id %zu", id);
		return;
	}
	reply->result = json_pack("{s:s, s:s?}", "state",
				  !err		   ? "accepted"
				  : err == -EAGAIN ? "waiting"
						   : "lost",
				  "reason", err == -ENOENT ? reason : NULL);
}

static const char *const page_keys[] = {"offset", "limit", NULL};
static const char *const move_keys[] = {"lease", "shard", "node", NULL};
static const char *const drain_keys[] = {"drain", "node", NULL};
static const char *const asked_keys[] = {"id", NULL};

const struct control_method status_methods[] = {
	{"cluster.status", CONTROL_READ, page_keys, method_status},
	{"cluster.move", CONTROL_CHANGE, move_keys, method_move},
	{"cluster.drain", CONTROL_CHANGE, drain_keys, method_drain},
	{"cluster.asked", CONTROL_READ, asked_keys, method_asked},
	{0},
};
