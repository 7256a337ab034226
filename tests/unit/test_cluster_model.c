// SPDX-License-Identifier: BSD-2-Clause
/*
 * The lease protocol of xmcast-cluster (cluster/protocol.h) in a simulated world: a store, nodes
 * with clocks of different rates, agents, daemons that obey deadlines only. All schedules with up
 * to two faults are run, and then random ones with more: agents and daemons that stop, are killed
 * and come back, requests, answers and events of the watch that are lost or late, nodes that are
 * cut off, a store that is down. In no schedule do two daemons send the same shard, and at its end
 * every shard is sent. Shards are also moved, by hand, by draining and by themselves: shard 0 at a
 * datagram (one arrives in every tick), shard 1 at a moment.
 *
 * The same without a guard has to fail, and with moves whose order is wrong; otherwise this test
 * would show nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/protocol.h"
#include "cluster/rendezvous.h"

#define MS	 1000000ULL

#define TICK	 25 /* ms of real time; a node does one step in each */
#define DEADLINE 600
#define GUARD	 100
#define TIMEOUT	 150 /* of a request */
#define LATER	 400 /* after its deadline a move at a datagram may end */
#define NODES	 3   /* at most */
#define SHARDS	 2
#define MESSAGES 64
#define EVENTS	 1024

enum fault_kind {
	AGENT_STOPS,  /* SIGSTOP, and SIGCONT after `ticks` */
	AGENT_KILLED, /* and started again after `ticks` */
	DAEMON_STOPS,
	DAEMON_LEAVES, /* the connection to it; its deadlines hold */
	HOST_DIES,     /* both are killed, and come back after `ticks` */
	REQUESTS_LOST, /* those sent during `ticks` */
	REQUESTS_LATE, /* they arrive at the end */
	ANSWERS_LOST,
	ANSWERS_LATE,
	WATCH_LATE,
	CUT_OFF,
	KEYS_DELETED, /* all of them, by somebody else */
	MOVED,	      /* by hand, to the next node */
	DRAINED,      /* for `ticks` */
	STORE_DOWN,
	KINDS,
};

struct fault {
	enum fault_kind kind;
	unsigned int node, start, ticks;
};

struct message {
	bool used, answered;
	unsigned int node, number;
	unsigned int arrives, returns; /* UINT_MAX: never */
	struct txn txn;
	struct answer answer;
};

/* What is wrong with this world. */
enum mutation {
	NO_MUTATION,
	NO_LEFT,   /* the new holder does not learn how long the former one may send */
	EARLY_END, /* an end counts as set before the daemon has confirmed it */
};

/* What the watch reports. */
struct event {
	bool is_shard, gone;
	unsigned int index; /* of the node or shard */
	int64_t create, mod;
	struct node_record node;
	struct shard_record shard;
};

/* What a daemon knows of a shard, or is asked for. */
struct deadline {
	uint64_t from, until;
	int64_t epoch;
	unsigned int end_at, begin_at; /* datagrams; 0: none */
};

struct node {
	struct protocol *protocol;
	unsigned int instance, host, number; /* of the request that is waited for; 0: none */
	uint64_t number_sent;		     /* when, by its clock */
	unsigned int seen;		     /* events */
	bool read;			     /* all keys */
	struct deadline obeys[SHARDS];	     /* the daemon */
	/* The request to the daemon: */
	bool asked, draining;
	uint64_t asked_at;
	struct deadline asks[SHARDS];
	bool ends[SHARDS];	 /* it is protocol_end_asked() */
	bool later[SHARDS];	 /* it is protocol_wants_later() */
	bool left_alone[SHARDS]; /* nothing is asked for */
};

struct world {
	unsigned int tick, requests, nr_nodes;
	uint64_t guard;
	enum mutation mutation;
	unsigned int rate[NODES]; /* of its clock, in thousandths */
	struct node nodes[NODES];
	int64_t revision;
	struct event keys[NODES + SHARDS]; /* mod 0: does not exist */
	struct event events[EVENTS];
	unsigned int nr_events;
	struct message messages[MESSAGES];
	const struct fault *faults;
	unsigned int nr_faults;
};

static const char *const names[] = {"a", "b", "c"};
static const struct lease_name lease = {"radio", SHARDS};

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
	assert_true(protocol_set_leases(node->protocol, &lease, 1) >= 0);
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

	if (event->is_shard)
		protocol_see_shard(protocol, clock_of(world, i), lease.name, event->index,
				   event->mod, event->gone ? NULL : &event->shard);
	else
		protocol_see_node(protocol, clock_of(world, i), names[event->index], event->create,
				  event->mod, event->gone ? NULL : &event->node);
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

	for (unsigned int s = 0; s < SHARDS; s++) {
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

	if (!node->asked || active(world, DAEMON_STOPS, i))
		return;
	node->asked = false;
	for (unsigned int s = 0; s < SHARDS; s++) {
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

/* What an administrator does. */
static void administer(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
	const struct fault *moved = active(world, MOVED, i);
	bool drains = active(world, DRAINED, i);

	for (unsigned int s = 0; moved && moved->start == world->tick && s < SHARDS; s++)
		protocol_move(node->protocol, clock_of(world, i), s,
			      names[(i + 1) % world->nr_nodes]);
	if (drains != node->draining)
		protocol_drain(node->protocol, drains);
	node->draining = drains;
}

static void run_node(struct world *world, unsigned int i)
{
	struct node *node = &world->nodes[i];
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
	ask_daemon(world, i);
}

static unsigned int senders(const struct world *world, unsigned int shard)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < world->nr_nodes; i++) {
		const struct deadline *obeys = &world->nodes[i].obeys[shard];
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

/* ---- schedules ---- */

#define WARM  40 /* ticks until both have joined, and shards have been claimed */
#define FIRST 40 /* ticks in which faults begin */
#define TAIL  96 /* ticks after the last fault in which all must have come back */

struct result {
	bool doubled, silent;
	unsigned int lost; /* datagrams of shard 0 */
};

static void free_world(struct world *world)
{
	for (unsigned int i = 0; i < NODES; i++)
		protocol_free(world->nodes[i].protocol);
	free(world);
}

/* How a schedule is run. */
struct conditions {
	unsigned int nodes;
	uint64_t guard;
	enum mutation mutation;
};

static struct world *new_world(const struct conditions *conditions, const unsigned int rates[NODES])
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->nr_nodes = conditions->nodes;
	world->guard = conditions->guard * MS;
	world->mutation = conditions->mutation;
	memcpy(world->rate, rates, sizeof(world->rate));
	return world;
}

static bool verbose;

static void print_world(const struct world *world)
{
	print_message("tick %u, revision %ld\n", world->tick, (long)world->revision);
	for (unsigned int i = 0; i < world->nr_nodes; i++) {
		const struct node *node = &world->nodes[i];
		uint64_t now = clock_of(world, i);

		print_message("  key of %s: term %ld, mod %ld\n", names[i],
			      (long)world->keys[i].create, (long)world->keys[i].mod);
		if (node->protocol)
			print_message("  %s: state %d, deadline in %ld ms\n", names[i],
				      protocol_state(node->protocol),
				      (long)(protocol_deadline(node->protocol) - now) / 1000000);
		for (unsigned int s = 0; s < SHARDS; s++)
			print_message("    shard %u: term %ld, %ld ms, epoch %ld\n", s,
				      (long)world->keys[NODES + s].shard.term,
				      (long)(node->obeys[s].until - now) / 1000000,
				      (long)node->obeys[s].epoch);
	}
}

static struct result run(const struct conditions *conditions, const unsigned int rates[NODES],
			 const struct fault *faults, unsigned int nr_faults)
{
	struct world *world = new_world(conditions, rates);
	struct result result = {0};
	unsigned int end = WARM, sent[SHARDS] = {0};

	world->faults = faults;
	world->nr_faults = nr_faults;
	for (unsigned int i = 0; i < nr_faults; i++) {
		if (faults[i].start + faults[i].ticks > end)
			end = faults[i].start + faults[i].ticks;
	}
	while (world->tick < end + TAIL && !result.doubled) {
		result.doubled = !step(world);
		for (unsigned int s = 0; s < SHARDS; s++)
			sent[s] = senders(world, s) ? world->tick : sent[s];
		result.lost += world->tick > WARM && sent[0] != world->tick;
	}
	/* A shard that is just passed on is not sent for a tick or two. */
	for (unsigned int s = 0; s < SHARDS; s++)
		result.silent = result.silent || sent[s] + 4 < world->tick;
	if (verbose)
		print_world(world);
	free_world(world);
	return result;
}

static const char *const kinds[] = {
	"agent stops",	 "agent killed",  "daemon stops", "daemon leaves", "host dies",
	"requests lost", "requests late", "answers lost", "answers late",  "watch late",
	"cut off",	 "keys deleted",  "moved",	  "drained",	   "store down"};

static void print_schedule(const char *what, const unsigned int rates[NODES],
			   const struct fault *faults, unsigned int count)
{
	print_message("%s: clocks %u %u %u\n", what, rates[0], rates[1], rates[2]);
	for (unsigned int i = 0; i < count; i++)
		print_message("  node %s: %s, ticks %u to %u\n", names[faults[i].node],
			      kinds[faults[i].kind], faults[i].start,
			      faults[i].start + faults[i].ticks);
}

/* Each clock may be faster than the other by the share of the guard. */
#define FASTER (1000 + 1000 * GUARD / DEADLINE)
static const unsigned int rates_within[][NODES] = {
	{1000, 1000, 1000}, {1000, FASTER, 1000}, {FASTER, 1000, FASTER}};

#define NR_RATES (sizeof(rates_within) / sizeof(rates_within[0]))

/* One result of many schedules. */
struct tally {
	unsigned int runs, doubled;
};

static const struct conditions two = {.nodes = 2, .guard = GUARD};
static const struct conditions three = {.nodes = 3, .guard = GUARD};

static bool is_sound(const struct conditions *conditions)
{
	return conditions->guard && conditions->mutation == NO_MUTATION;
}

static void try_schedule(const struct conditions *conditions, const unsigned int rates[NODES],
			 const struct fault *faults, unsigned int count, struct tally *tally)
{
	struct result result = run(conditions, rates, faults, count);

	tally->runs++;
	tally->doubled += result.doubled;
	if (is_sound(conditions) && (result.doubled || result.silent)) {
		print_schedule(result.doubled ? "two send" : "nobody sends", rates, faults, count);
		verbose = true;
		run(conditions, rates, faults, count);
		verbose = false;
		fail();
	}
}

/* A fault of each kind on each node; the store is one. */
static unsigned int nr_faults(const struct conditions *conditions)
{
	return (KINDS - 1) * conditions->nodes + 1;
}

static struct fault nth_fault(const struct conditions *conditions, unsigned int i,
			      unsigned int start, unsigned int ticks)
{
	return (struct fault){i / conditions->nodes, i % conditions->nodes, start, ticks};
}

/* Lengths in ticks: an answer that is as late as it may be; a renewal or two are missed, but not
 * the deadline; the deadline is missed. */
static const unsigned int lengths[] = {5, 12, 34};

/* One fault, at every tick. In a world that is wrong until two nodes send. */
static void explore_one(const struct conditions *conditions, struct tally *tally)
{
	const unsigned int faults = nr_faults(conditions);

	for (unsigned int i = 0; i < faults * FIRST * 3; i++) {
		struct fault fault = nth_fault(conditions, i % faults, WARM + i / faults % FIRST,
					       lengths[i / faults / FIRST]);

		if (!is_sound(conditions) && tally->doubled)
			return;
		try_schedule(conditions, rates_within[i % NR_RATES], &fault, 1, tally);
	}
}

/* Two faults: the second one begins with the first one, within it, and just before, at and after
 * its end. The first one begins between two renewals, or when a shard is just passed on. */
static void explore_two(const struct conditions *conditions, struct tally *tally)
{
	static const unsigned int starts[] = {45, 65};
	const unsigned int all = nr_faults(conditions);

	for (unsigned int i = 0; i < 2 * all * 2; i++) {
		unsigned int ticks = lengths[i % 2 * 2];
		unsigned int offsets[] = {0, 2, ticks - 1, ticks, ticks + 2};

		for (unsigned int j = 0; j < all * 5; j++) {
			unsigned int start = starts[i / 2 / all];
			const struct fault faults[] = {
				nth_fault(conditions, i / 2 % all, start, ticks),
				nth_fault(conditions, j / 5, start + offsets[j % 5],
					  lengths[(i + j) % 2 * 2])};

			if (!is_sound(conditions) && tally->doubled)
				return;
			try_schedule(conditions, rates_within[(i + j) % NR_RATES], faults, 2,
				     tally);
		}
	}
}

/* Schedules of up to six faults, by a seed. */
static void wander(const struct conditions *conditions, unsigned int seed, unsigned int runs,
		   struct tally *tally)
{
	srand(seed);
	while (runs-- && (is_sound(conditions) || !tally->doubled)) {
		unsigned int count = 3 + (unsigned int)rand() % 4;
		struct fault faults[6];

		for (unsigned int i = 0; i < count; i++)
			faults[i] =
				nth_fault(conditions, (unsigned int)rand() % nr_faults(conditions),
					  WARM + (unsigned int)rand() % (2 * FIRST),
					  1 + (unsigned int)rand() % FIRST);
		try_schedule(conditions, rates_within[(unsigned int)rand() % NR_RATES], faults,
			     count, tally);
	}
}

static void no_two_nodes_send_one_shard(void **state)
{
	struct tally tally = {0};

	explore_one(&two, &tally);
	explore_two(&two, &tally);
	wander(&two, 1, 1000, &tally);
	wander(&three, 2, 4000, &tally);
	print_message("%u schedules\n", tally.runs);
}

/* Otherwise the simulation would see nothing. */
static void check_finds(const char *what, struct conditions conditions)
{
	struct tally tally = {0};

	explore_one(&conditions, &tally);
	explore_two(&conditions, &tally);
	wander(&conditions, 3, 20000, &tally);
	print_message("%s: two nodes send in schedule %u\n", what, tally.runs);
	assert_true(tally.doubled > 0);
}

static void without_a_guard_two_nodes_do(void **state)
{
	check_finds("no guard", (struct conditions){.nodes = 2});
}

static void moves_in_a_wrong_order_are_found(void **state)
{
	check_finds("no time left",
		    (struct conditions){.nodes = 2, .guard = GUARD, .mutation = NO_LEFT});
	check_finds("an end that is not confirmed",
		    (struct conditions){.nodes = 2, .guard = GUARD, .mutation = EARLY_END});
}

/* All nodes and the store run, one is drained or moves its shards away. */
static void a_move_at_a_datagram_loses_none(void **state)
{
	for (unsigned int i = 0; i < 2 * NODES * FIRST; i++) {
		const struct fault fault = {i % 2 ? MOVED : DRAINED, i / 2 % NODES,
					    WARM + i / 2 / NODES, 40};
		struct result result = run(&three, rates_within[i % NR_RATES], &fault, 1);

		if (result.lost || result.doubled)
			print_schedule("lost", rates_within[i % NR_RATES], &fault, 1);
		assert_false(result.doubled);
		assert_int_equal(result.lost, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_two_nodes_send_one_shard),
		cmocka_unit_test(without_a_guard_two_nodes_do),
		cmocka_unit_test(moves_in_a_wrong_order_are_found),
		cmocka_unit_test(a_move_at_a_datagram_loses_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
