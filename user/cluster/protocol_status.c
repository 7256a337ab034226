/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/protocol_state.h"

#include <string.h>

/* ---- how it stands ---- */

enum protocol_state protocol_state(const struct protocol *protocol)
{
	return protocol->state;
}

const struct view *protocol_view(const struct protocol *protocol)
{
	return &protocol->view;
}

const char *protocol_wrong_clock(const struct protocol *protocol, unsigned int index)
{
	const struct view_node *node = &protocol->view.nodes[index];

	/* Ours was written before our clock has stepped, and is seen after that. */
	return protocol->settings.clock_error && *node->name &&
			       strcmp(node->name, protocol->settings.node) != 0 &&
			       node->nr_delays >= VIEW_DELAYS && !view_agrees(&protocol->view, node)
		       ? node->name
		       : NULL;
}

bool protocol_name_taken(const struct protocol *protocol)
{
	return !protocol->term && protocol->stranger_renewals > QUIET_PERIODS;
}

unsigned int protocol_shards(const struct protocol *protocol)
{
	return protocol->view.nr_shards;
}

const struct lease_name *protocol_lease(const struct protocol *protocol, unsigned int index)
{
	return index < protocol->view.nr_leases ? &protocol->view.leases[index].name : NULL;
}

void protocol_shard_name(const struct protocol *protocol, unsigned int index,
			 struct shard_status *status)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	*status = (struct shard_status){.lease = &protocol->view.leases[shard->lease].name,
					.number = shard->number};
}

const char *protocol_ruler(const struct protocol *protocol, unsigned int index)
{
	const struct view_lease *lease = &protocol->view.leases[index];

	const char *ruler = lease->overruled ? protocol->view.nodes[lease->ruler].name : NULL;

	/* Until its own record has a new number, the node overrules itself. */
	return ruler && strcmp(ruler, protocol->settings.node) != 0 ? ruler : NULL;
}

const char *protocol_why(const struct protocol *protocol, unsigned int index)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	if (!protocol->term)
		return protocol_is_ending(protocol) ? "the node left"
						    : "the node was declared dead";
	return shard->why ? shard->why : "passed on by its holder";
}

uint64_t protocol_moment(const struct protocol *protocol, unsigned int index)
{
	return protocol->view.shards[index].exact;
}

bool protocol_is_set(const struct protocol *protocol, unsigned int shard)
{
	return protocol->view.shards[shard].sent_until;
}

bool protocol_is_ours(const struct protocol *protocol, unsigned int index)
{
	return is_ours(protocol, &protocol->view.shards[index]);
}

static const char *name_of(const struct view *view, unsigned int node)
{
	return node == NO_NODE ? NULL : view->nodes[node].name;
}

void protocol_shard(const struct protocol *protocol, unsigned int index,
		    struct shard_status *status)
{
	const struct view *view = &protocol->view;
	const struct view_shard *shard = &view->shards[index];
	unsigned int holder = view_holder(view, shard);
	unsigned int next = view_ranked(view, shard, 0);

	if (next != NO_NODE && next == holder)
		next = view_ranked(view, shard, 1);
	*status = (struct shard_status){
		.lease = &view->leases[shard->lease].name,
		.number = shard->number,
		.owner = name_of(view, holder),
		.standby = name_of(view, next),
		.ours = is_ours(protocol, shard),
		.moving = *shard->move_to,
	};
}

bool protocol_node(const struct protocol *protocol, unsigned int index, uint64_t now,
		   struct node_status *status)
{
	const struct view *view = &protocol->view;
	const struct view_node *node = &view->nodes[index];

	if (!*node->name)
		return false;
	*status = (struct node_status){
		.name = node->name,
		.weight = node->record.weight,
		.live = node->live,
		.draining = node->record.draining,
		.silent = view_elapsed(now, node->seen),
	};
	for (unsigned int i = 0; i < view->nr_shards; i++)
		status->shards += view_holder(view, &view->shards[i]) == index;
	return true;
}

bool protocol_wants_reading(struct protocol *protocol)
{
	bool wants = protocol->wants_reading;

	protocol->wants_reading = false;
	return wants;
}

bool protocol_lost_ask(struct protocol *protocol, struct node_ask *ask, const char **reason)
{
	if (!protocol->nr_lost)
		return false;
	*ask = protocol->lost_asks[--protocol->nr_lost].ask;
	*reason = protocol->lost_asks[protocol->nr_lost].reason;
	return true;
}

bool protocol_late(struct protocol *protocol, unsigned int index)
{
	bool late = protocol->view.shards[index].late;

	protocol->view.shards[index].late = false;
	return late;
}

bool protocol_hurries(struct protocol *protocol)
{
	bool hurry = protocol->hurry;

	protocol->hurry = false;
	return hurry;
}
