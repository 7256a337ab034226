// SPDX-License-Identifier: BSD-2-Clause
/* The world of test_cluster_model.c: a store, agents and daemons, and what can happen to them, in
 * ticks. Included there, so that a unit test remains one file. */
#include "cluster_model.h"

static const char *const names[] = {"a", "b", "c"};
static const struct lease_name leases[] = {{"radio", SHARDS}, {"radio", 1}};

/* The rules of a node have a shard for each stream, or one for all. */
static const struct lease_name *lease_of(unsigned int shards)
{
	return &leases[shards != SHARDS];
}

/* The numbers of datagrams as texts, which outlive every transaction that has them. */
static const char *number_text(unsigned int number)
{
	static char texts[1024][12];

	assert_true(number < 1024);
	snprintf(texts[number], sizeof(texts[0]), "%u", number);
	return texts[number];
}

static unsigned int number_of(const char *text)
{
	return text ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

static const struct fault *active(const struct world *world, enum fault_kind kind,
				  unsigned int node)
{
	for (unsigned int i = 0; i < world->nr_faults; i++) {
		const struct fault *fault = &world->faults[i];

		if (fault->kind == kind && (fault->node == node || kind == STORE_DOWN) &&
		    world->tick >= fault->start && world->tick < fault->start + fault->ticks)
			return fault;
	}
	return NULL;
}

static uint64_t clock_of(const struct world *world, unsigned int node)
{
	return (1000 + world->tick) * TICK * MS / 1000 * world->rate[node];
}

static void start_agent(struct world *world, unsigned int i, bool same_host)
{
	struct node *node = &world->nodes[i];
	struct protocol_settings settings = {
		.instance = 10 * ++node->instance + i,
		.weight = 1,
		.deadline = DEADLINE * MS,
		.guard = world->guard,
		.gap = 15 * MS,
		.renew = 100 * MS,
		.daemon = 250 * MS,
		.settle = 1000 * MS,
		.moves = 1,
	};

	node->host += !same_host;
	settings.host = 10 * node->host + i;
	strcpy(settings.node, names[i]);
	node->protocol = protocol_new(&settings);
	assert_non_null(node->protocol);
	node->shards = node->rules ? node->rules : SHARDS;
	node->rules = node->shards;
	node->drain_id = 0;
	assert_true(protocol_set_leases(node->protocol, lease_of(node->shards), 1) >= 0);
	node->number = 0;
	node->read = node->asked = node->draining = false;
}

static void end_agent(struct node *node)
{
	protocol_free(node->protocol);
	node->protocol = NULL;
}

/* ---- the store ---- */

static unsigned int node_of(const char *name)
{
	return (unsigned int)(name[0] - 'a');
}

static bool holds(const struct world *world, const struct txn *txn, unsigned int own)
{
	const struct event *keys = world->keys;

	if (keys[own].mod != txn->mod)
		return false;
	if (txn->kind == TXN_BURY && keys[node_of(txn->other)].mod != txn->other_mod)
		return false;
	if (txn->kind == TXN_PASS && keys[node_of(txn->other)].create != txn->other_mod)
		return false;
	for (unsigned int i = 0; i < txn->nr_shards; i++) {
		const struct txn_shard *shard = &txn->shards[i];

		if (keys[NODES + shard->number].mod != shard->mod)
			return false;
		if (*shard->ended_node &&
		    keys[node_of(shard->ended_node)].create == shard->ended_term)
			return false;
	}
	return true;
}

static void publish(struct world *world, unsigned int key)
{
	assert_true(world->nr_events < EVENTS);
	world->events[world->nr_events++] = world->keys[key];
	if (world->keys[key].gone)
		world->keys[key] = (struct event){.index = world->keys[key].index,
						  .is_shard = world->keys[key].is_shard};
}

static void write_node(struct world *world, unsigned int i, const struct node_record *record)
{
	struct event *key = &world->keys[i];

	if (!key->mod)
		key->create = world->revision;
	key->index = i;
	key->mod = world->revision;
	key->gone = !record;
	if (record)
		key->node = *record;
	publish(world, i);
}

static void commit(struct world *world, struct message *message)
{
	const struct txn *txn = &message->txn;
	unsigned int own = message->node;
	struct answer *answer = &message->answer;

	*answer = (struct answer){.kind = ANSWER_REFUSED};
	if (!holds(world, txn, own)) {
		answer->create = world->keys[own].create;
		answer->mod = world->keys[own].mod;
		answer->own = world->keys[own].node;
		answer->revision = world->revision;
		return;
	}
	world->revision++;
	*answer = (struct answer){.kind = ANSWER_DONE, .revision = world->revision};
	write_node(world, own, txn->kind == TXN_CLEAR || txn->kind == TXN_LEAVE ? NULL : &txn->own);
	if (txn->kind == TXN_BURY)
		write_node(world, node_of(txn->other), NULL);
	for (unsigned int i = 0; i < txn->nr_shards; i++) {
		unsigned int number = NODES + txn->shards[i].number;

		world->keys[number] = (struct event){.is_shard = true,
						     .index = txn->shards[i].number,
						     .mod = world->revision,
						     .shard = txn->shards[i].becomes};
		if (world->mutation == NO_LEFT)
			world->keys[number].shard.left = 0;
		if (world->mutation == NO_ORDER)
			world->keys[number].shard.asked = 0;
		world->keys[number].gone = txn->kind == TXN_RELEASE;
		publish(world, number);
	}
}

static void delete_keys(struct world *world)
{
	world->revision++;
	for (unsigned int i = 0; i < NODES + SHARDS; i++) {
		if (!world->keys[i].mod)
			continue;
		world->keys[i].gone = true;
		world->keys[i].mod = world->revision;
		publish(world, i);
	}
}

static void run_store(struct world *world)
{
	for (unsigned int i = 0; i < MESSAGES; i++) {
		struct message *message = &world->messages[i];

		if (!message->used || message->answered || world->tick < message->arrives ||
		    active(world, STORE_DOWN, 0))
			continue;
		message->answered = true;
		commit(world, message);
	}
}

/* ---- a node ---- */

static void send_request(struct world *world, unsigned int i, const struct txn *txn)
{
	const struct fault *late = active(world, REQUESTS_LATE, i);
	unsigned int j = 0;

	while (world->messages[j].used)
		assert_true(++j < MESSAGES);
	world->messages[j] = (struct message){.used = true,
					      .node = i,
					      .number = ++world->requests,
					      .txn = *txn,
					      .arrives = world->tick};
	for (unsigned int s = 0; s < txn->nr_shards; s++) {
		const char **cut = &world->messages[j].txn.shards[s].becomes.cut;

		*cut = *cut ? number_text(number_of(*cut)) : NULL;
	}
	world->nodes[i].number = world->requests;
	world->nodes[i].number_sent = clock_of(world, i);
	if (late)
		world->messages[j].arrives = late->start + late->ticks;
	if (active(world, REQUESTS_LOST, i) || active(world, CUT_OFF, i) ||
	    active(world, STORE_DOWN, 0))
		world->messages[j].used = false;
}

static void receive_answers(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	static const struct answer unknown = {.kind = ANSWER_UNKNOWN};

	for (unsigned int j = 0; j < MESSAGES; j++) {
		struct message *message = &world->messages[j];

		if (!message->used || !message->answered || message->node != i)
			continue;
		if (active(world, ANSWERS_LATE, i))
			continue;
		message->used = false;
		if (message->number == node->number && !active(world, ANSWERS_LOST, i) &&
		    !active(world, CUT_OFF, i)) {
			node->number = 0;
			protocol_answer(node->protocol, clock_of(world, i), &message->answer);
		}
	}
	if (node->number && clock_of(world, i) - node->number_sent >= TIMEOUT * MS) {
		node->number = 0;
		protocol_answer(node->protocol, clock_of(world, i), &unknown);
	}
}

static void report(struct world *world, unsigned int i, const struct event *event)
{
	struct protocol *protocol = world->nodes[i].protocol;
	struct node_record record = event->node;

	if (world->mutation == NO_RULER)
		record.leases[0] = lease_hash("radio", world->nodes[i].shards);
	if (event->is_shard)
		protocol_see_shard(protocol, clock_of(world, i), "radio", event->index, event->mod,
				   event->gone ? NULL : &event->shard);
	else
		protocol_see_node(protocol, clock_of(world, i), names[event->index], event->create,
				  event->mod, event->gone ? NULL : &record);
}

static void watch(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];

	if (active(world, WATCH_LATE, i) || active(world, CUT_OFF, i) ||
	    active(world, STORE_DOWN, 0))
		return;
	if (!node->read) {
		protocol_reading(node->protocol);
		for (unsigned int j = 0; j < NODES + SHARDS; j++) {
			if (world->keys[j].mod)
				report(world, i, &world->keys[j]);
		}
		protocol_see_all(node->protocol, clock_of(world, i), world->revision);
		node->read = true;
		node->seen = world->nr_events;
	}
	while (node->seen < world->nr_events)
		report(world, i, &world->events[node->seen++]);
}

/* What the agent asks the daemon for. */
static void ask_deadlines(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	uint64_t now = clock_of(world, i), latest;
	struct protocol_end end;

	for (unsigned int s = 0; s < node->shards; s++) {
		struct deadline *asks = &node->asks[s];

		*asks = (struct deadline){0};
		node->later[s] = protocol_wants_later(node->protocol, s, now, &end);
		if (node->later[s]) {
			*asks = (struct deadline){end.from, end.until, end.epoch,
						  number_of(end.cut), 0};
			protocol_end_asked(node->protocol, s, end.until);
			node->ends[s] = node->left_alone[s] = false;
			continue;
		}
		node->left_alone[s] = protocol_ends(node->protocol, s, now);
		if (node->left_alone[s])
			continue;
		asks->until = protocol_until(node->protocol, s, now, &asks->from, &asks->epoch);
		asks->begin_at = number_of(protocol_cut(node->protocol, s, now));
		node->ends[s] = protocol_wants_end(node->protocol, s, now, &latest);
		if (!node->ends[s])
			continue;
		asks->end_at = s ? 0 : world->tick + 30;
		asks->until = s && now + 75 * MS < latest ? now + 75 * MS : latest;
		protocol_end_asked(node->protocol, s, asks->until);
		if (world->mutation == EARLY_END)
			protocol_end_set(node->protocol, s, now, asks->until, NULL);
	}
}

/* One request at a time, and the daemon obeys what was asked last. */
static void ask_daemon(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	uint64_t now = clock_of(world, i);

	if (active(world, DAEMON_LEAVES, i)) {
		node->asked = false;
		protocol_set_daemon(node->protocol, false);
		return;
	}
	if (node->asked) {
		protocol_set_daemon(node->protocol, now - node->asked_at < 250 * MS);
		return;
	}
	protocol_set_daemon(node->protocol, true);
	/* It refuses a lease with another number of shards, until the agent has read its leases. */
	if (node->rules != node->shards) {
		if (protocol_set_leases(node->protocol, lease_of(node->rules), 1))
			return;
		node->shards = node->rules;
		node->read = false;
	}
	node->asked = true;
	node->asked_at = now;
	ask_deadlines(world, i);
}

/* See docs/leases.md: another epoch, or a shard that had ended, forgets the numbers. */
static void obey(struct world *world, unsigned int i, unsigned int s)
{
	struct node *node = &world->nodes[i];
	struct deadline *obeys = &node->obeys[s];
	struct deadline asks = node->asks[s];
	bool keeps = asks.epoch == obeys->epoch && obeys->until > clock_of(world, i);

	if (!asks.end_at && !asks.begin_at && keeps) {
		asks.end_at = obeys->end_at;
		asks.begin_at = obeys->begin_at;
	}
	*obeys = asks;
}

static void run_daemon(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	bool hears = node->protocol && !active(world, AGENT_STOPS, i);
	unsigned int rules = active(world, RESHARDED, i) ? 1 : SHARDS;

	/* It mutes what it does not name any more: all of it, whose number has changed. */
	if (!active(world, DAEMON_STOPS, i) && node->rules != rules) {
		node->rules = rules;
		node->asked = false;
		memset(node->obeys, 0, sizeof(node->obeys));
	}
	if (!node->asked || active(world, DAEMON_STOPS, i))
		return;
	node->asked = false;
	for (unsigned int s = 0; s < node->shards; s++) {
		const struct deadline *asks = &node->asks[s];

		if (node->left_alone[s] || asks->epoch < node->obeys[s].epoch)
			continue;
		obey(world, i, s);
		if (hears && !asks->until)
			protocol_muted(node->protocol, s);
		if (hears && asks->begin_at)
			protocol_cut_set(node->protocol, s, clock_of(world, i));
		if (hears && node->later[s])
			protocol_later_set(node->protocol, s, true);
		if (hears && node->ends[s]) {
			const struct protocol_cut cut = {
				.numbers = number_text(asks->end_at),
				.comes = asks->until,
				.later = asks->until + LATER * MS,
			};

			protocol_end_set(node->protocol, s, clock_of(world, i), asks->until,
					 asks->end_at ? &cut : NULL);
		}
	}
}

static bool is_held(const struct node *node)
{
	bool held = false;

	for (unsigned int s = 0; s < SHARDS; s++)
		held |= node->obeys[s].until != 0;
	return held;
}

/* As `xmcastctl cluster move`. */
static void move(struct world *world, unsigned int i, unsigned int shard, const char *to)
{
	struct protocol *protocol = world->nodes[i].protocol;
	struct node_ask ask = {.what = ASK_MOVE, .shard = shard};
	int err = protocol_move(protocol, clock_of(world, i), shard, to);

	strcpy(ask.lease, "radio");
	strcpy(ask.node, to);
	if (err == -ESRCH)
		err = protocol_ask(protocol, &ask);
	world->lost += err != 0;
}

/* As `xmcastctl cluster drain`, again and again until the next node obeys. */
static void ask_drain(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	struct node_ask ask;
	const char *reason;

	node->wants_drain = active(world, DRAIN_ASKED, i);
	if (node->wants_drain == node->asks_drain &&
	    (!node->drain_id || protocol_asked(node->protocol, node->drain_id, &reason) != -ENOENT))
		return;
	ask = (struct node_ask){.what = node->wants_drain ? ASK_DRAIN : ASK_UNDRAIN};
	strcpy(ask.node, names[(i + 1) % world->nr_nodes]);
	if (protocol_ask(node->protocol, &ask))
		return;
	node->asks_drain = node->wants_drain;
	node->drain_id = ask.id;
}

/* What an administrator does. */
static void administer(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	const struct fault *moved = active(world, MOVED, i);
	bool drains = active(world, DRAINED, i);

	for (unsigned int s = world->moved;
	     moved && moved->start == world->tick && s < node->shards; s++)
		move(world, i, s, names[(i + 1) % world->nr_nodes]);
	ask_drain(world, i);
	if (drains != node->draining)
		protocol_drain(node->protocol, drains);
	node->draining = drains;
}

static void run_node(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	struct node_ask ask;
	const char *reason;
	struct txn txn;

	for (unsigned int s = 0; active(world, HOST_DIES, i) && s < SHARDS; s++)
		node->obeys[s].until = 0;
	node->asked &= !active(world, HOST_DIES, i);
	if (active(world, AGENT_KILLED, i) || active(world, HOST_DIES, i)) {
		end_agent(node);
		return;
	}
	if (!node->protocol)
		start_agent(world, i, is_held(node));
	if (active(world, AGENT_STOPS, i))
		return;
	administer(world, i);
	/* A request may be made, answered and followed by the next one within one tick. */
	for (unsigned int round = 0; round < 3; round++) {
		receive_answers(world, i);
		watch(world, i);
		if (protocol_request(node->protocol, clock_of(world, i), &txn))
			send_request(world, i, &txn);
		run_store(world);
	}
	while (protocol_lost_ask(node->protocol, &ask, &reason))
		world->lost++;
	ask_daemon(world, i);
}

static unsigned int senders(const struct world *world, unsigned int stream)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < world->nr_nodes; i++) {
		const struct node *node = &world->nodes[i];
		const struct deadline *obeys = &node->obeys[node->rules == SHARDS ? stream : 0];
		uint64_t now = clock_of(world, i);
		bool begun =
			now >= obeys->from || (obeys->begin_at && world->tick >= obeys->begin_at);

		count += begun && now < obeys->until &&
			 !(obeys->end_at && world->tick >= obeys->end_at);
	}
	return count;
}

/* False: two sent at once. */
static bool step(struct world *world)
{
	bool fine = true;

	for (unsigned int i = 0; i < world->nr_nodes; i++) {
		const struct fault *deleted = active(world, KEYS_DELETED, i);

		if (deleted && deleted->start == world->tick)
			delete_keys(world);
	}
	for (unsigned int i = 0; i < world->nr_nodes; i++) {
		run_node(world, i);
		run_daemon(world, i);
	}
	/* Deadlines pass between the ticks: the end of this tick is before the next step. */
	for (unsigned int s = 0; s < SHARDS; s++)
		fine = fine && senders(world, s) <= 1;
	world->tick++;
	return fine;
}
