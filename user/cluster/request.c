/* SPDX-License-Identifier: BSD-2-Clause */
/* What nodes ask each other for. See ask.h. */
#include "cluster/ask.h"
#include "cluster/protocol_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void request_lose(struct protocol *protocol, const struct node_ask *ask, const char *reason)
{
	struct lost_ask *list =
		realloc(protocol->lost_asks, (protocol->nr_lost + 1UL) * sizeof(*list));

	if (ask->id) /* of protocol_ask() */
		protocol->told[protocol->nr_told++ % PROTOCOL_ASKS] =
			(struct lost_ask){*ask, reason};
	if (!list)
		return;
	protocol->lost_asks = list;
	list[protocol->nr_lost++] = (struct lost_ask){*ask, reason};
	protocol->hurry = true;
}

int protocol_ask(struct protocol *protocol, struct node_ask *ask)
{
	const struct view *view = &protocol->view;
	unsigned int node = view_find(view, ask->node);
	const struct view_shard *shard = view_shard(view, ask->lease, ask->shard);

	if (node == NO_NODE || !view->nodes[node].live)
		return -ENOENT;
	if (ask->what == ASK_MOVE && (!shard || view_holder(view, shard) == NO_NODE ||
				      view_rank(view, shard, node) == NO_NODE))
		return -ENOENT;
	if (protocol->nr_asks == PROTOCOL_ASKS)
		return -EBUSY;
	ask->id = (protocol->settings.instance + ++protocol->serial) & ASK_IDS;
	protocol->asks[protocol->nr_asks++] = *ask;
	protocol->renew_at = 0;
	return 0;
}

int protocol_asked(const struct protocol *protocol, uint64_t id, const char **reason)
{
	bool waits = protocol->ask_until && protocol->ask.id == id;
	uint64_t number = (id - protocol->settings.instance) & ASK_IDS;

	if (id > ASK_IDS || !number || number > protocol->serial)
		return -ESRCH;
	for (unsigned int i = 0; i < protocol->nr_asks; i++)
		waits |= protocol->asks[i].id == id;
	for (unsigned int i = 0; i < PROTOCOL_ASKS; i++) {
		*reason = protocol->told[i].reason;
		if (*reason && protocol->told[i].ask.id == id)
			return -ENOENT;
	}
	return waits ? -EAGAIN : 0;
}

void request_is_shown(struct protocol *protocol, const struct node_record *own, int64_t revision)
{
	if (!protocol->ask.at && own->ask.id == protocol->ask.id)
		protocol->ask.at = revision;
}

struct node_ask request_shown(const struct protocol *protocol)
{
	return protocol->ask_until ? protocol->ask : (struct node_ask){0};
}

void request_answers(const struct protocol *protocol, struct node_record *own)
{
	for (unsigned int i = 0; i < CLUSTER_NODES && own->nr_heard < CLUSTER_HEARD; i++) {
		const struct view_node *node = &protocol->view.nodes[i];

		if (node->record.ask.what && node->answered == node->record.ask.id)
			own->heard[own->nr_heard++] =
				(struct ask_answer){node->answered, node->accepted};
	}
}

static void drain(struct protocol *protocol, bool drains, int64_t at)
{
	protocol->drain = drains;
	protocol->drain_asked = at;
	protocol->renew_at = 0;
}

void protocol_drain(struct protocol *protocol, bool drains)
{
	drain(protocol, drains, protocol->newest);
}

/* What another node asks for. If it is not for us, the node that holds the shard answers. */
static void obey(struct protocol *protocol, uint64_t now, struct view_node *node)
{
	const struct node_ask *ask = &node->record.ask;
	struct view_shard *shard = view_shard(&protocol->view, ask->lease, ask->shard);
	/* Its record cannot have it from later on. */
	int64_t at = ask->at && ask->at < node->mod ? ask->at : node->ask_at;

	/* A record that nobody renews may be of a process that ended long ago. */
	if (!ask->what || node->answered == ask->id || !node->renewed)
		return;
	if (ask->what == ASK_MOVE ? !shard || !move_may_begin(protocol, shard)
				  : strcmp(ask->node, protocol->settings.node) != 0)
		return;
	node->accepted = true;
	if (ask->what == ASK_MOVE && at > shard->asked)
		node->accepted = !move_to(protocol, now, shard, ask->node, at);
	else if (ask->what != ASK_MOVE && at > protocol->drain_asked)
		drain(protocol, ask->what == ASK_DRAIN, at);
	node->answered = ask->id;
	protocol->renew_at = 0;
}

/* What we ask for is for us to do, because the shard has become ours. True: that is over. */
static bool obey_own(struct protocol *protocol, uint64_t now, const struct node_ask *ask)
{
	struct view_shard *shard = view_shard(&protocol->view, ask->lease, ask->shard);
	int64_t at = ask->at ? ask->at : protocol->newest;

	if (ask->what != ASK_MOVE || !shard || !move_may_begin(protocol, shard))
		return false;
	/* Its former holder has done it, or something newer. */
	if (ask->at && at <= shard->asked)
		return true;
	if (move_to(protocol, now, shard, ask->node, at))
		request_lose(protocol, ask, NOT_ACCEPTED);
	return true;
}

static void obey_all_own(struct protocol *protocol, uint64_t now)
{
	unsigned int left = 0;

	if (protocol->ask_until && obey_own(protocol, now, &protocol->ask))
		protocol->ask_until = 0;
	for (unsigned int i = 0; i < protocol->nr_asks; i++) {
		if (!obey_own(protocol, now, &protocol->asks[i]))
			protocol->asks[left++] = protocol->asks[i];
	}
	protocol->nr_asks = left;
}

/* Whether a node has answered what we ask for. */
static void hear(struct protocol *protocol, const struct node_record *record)
{
	for (unsigned int i = 0; i < record->nr_heard && protocol->ask_until; i++) {
		if (record->heard[i].id != protocol->ask.id)
			continue;
		if (!record->heard[i].accepted)
			request_lose(protocol, &protocol->ask, NOT_ACCEPTED);
		protocol->ask_until = 0;
	}
}

void request_forget(struct protocol *protocol, const char *reason)
{
	if (protocol->ask_until)
		request_lose(protocol, &protocol->ask, reason);
	for (unsigned int i = 0; i < protocol->nr_asks; i++)
		request_lose(protocol, &protocol->asks[i], reason);
	protocol->ask_until = protocol->nr_asks = 0;
	protocol->drain_asked = 0;
}

void request_obey(struct protocol *protocol, uint64_t now)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		struct view_node *node = &protocol->view.nodes[i];

		if (!*node->name)
			continue;
		hear(protocol, &node->record);
		if (strcmp(node->name, protocol->settings.node) != 0)
			obey(protocol, now, node);
	}
	obey_all_own(protocol, now);
	if (protocol->ask_until && now >= protocol->ask_until) {
		request_lose(protocol, &protocol->ask, "no node has answered in time");
		protocol->ask_until = 0;
	}
	if (protocol->ask_until || !protocol->nr_asks)
		return;
	protocol->ask = protocol->asks[0];
	protocol->ask_until = now + ASK_NS;
	protocol->renew_at = 0;
	memmove(protocol->asks, protocol->asks + 1, --protocol->nr_asks * sizeof(*protocol->asks));
}
