/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/view.h"

/* A key of our name on our host that nobody renewed for this many periods is of a process that has
 * ended: a new one goes on in its place, before the shards are muted. */
#define QUIET_PERIODS 3

/* If the first node for a shard does not claim it, the next one does after this many periods. */
#define RANK_PERIODS 2

struct protocol {
	struct protocol_settings settings;
	struct view view;
	bool read; /* all keys were reported, for the leases that we have */
	bool wants_reading;
	bool daemon; /* answers */
	bool drain;
	bool leaving; /* for good */
	bool hurry;   /* see protocol_hurries() */
	enum protocol_state state;
	int64_t term, mod;  /* of our key; 0: we are no member */
	int64_t first;	    /* the revision at which this process wrote it first */
	uint64_t confirmed; /* the moment before the last transaction that succeeded */
	uint64_t serial;
	uint64_t unknown_at; /* when an answer was last missing */
	uint64_t renew_at, decide_at, look_at, moves_at, unfit_at;
	unsigned int stranger_renewals; /* of a key of our name by another process */
	int64_t stranger_mod;
	/* Shards of our term whose leases our rules name no more: their keys are deleted, so that
	 * other nodes can claim them. */
	struct txn_shard *dropped;
	unsigned int nr_dropped;
	bool busy; /* a transaction is under way: */
	struct txn txn;
	uint64_t sent; /* when it was made */
	/* The last one other than RENEW whose answer was lost, until a later one shows whether it
	 * was made. */
	bool unresolved;
	struct txn lost;
};

struct protocol *protocol_new(const struct protocol_settings *settings)
{
	struct protocol *protocol = calloc(1, sizeof(*protocol));

	if (!protocol)
		return NULL;
	protocol->settings = *settings;
	protocol->view.patience = settings->deadline + settings->guard;
	return protocol;
}

void protocol_free(struct protocol *protocol)
{
	if (protocol)
		view_free(&protocol->view);
	if (protocol)
		free(protocol->dropped);
	free(protocol);
}

/* ---- reports ---- */

static bool is_ours(const struct protocol *protocol, const struct view_shard *shard)
{
	return protocol->term && shard->record.term == protocol->term &&
	       strcmp(shard->record.node, protocol->settings.node) == 0;
}

static struct txn_shard describe(const struct protocol *protocol, const struct view_shard *shard)
{
	struct txn_shard entry = {.number = shard->number, .mod = shard->mod};

	memcpy(entry.lease, protocol->view.leases[shard->lease].name.name, CLUSTER_NAME_SIZE);
	return entry;
}

/* Note all of our shards as dropped. */
static int drop_all(struct protocol *protocol)
{
	struct txn_shard *list =
		realloc(protocol->dropped,
			(protocol->nr_dropped + protocol->view.nr_shards + 1UL) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	protocol->dropped = list;
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		if (is_ours(protocol, &protocol->view.shards[i]))
			list[protocol->nr_dropped++] =
				describe(protocol, &protocol->view.shards[i]);
	}
	return 0;
}

/* Except those that we have, and the first ones. */
static void keep_dropped(struct protocol *protocol, unsigned int first)
{
	unsigned int left = 0;

	for (unsigned int i = first; i < protocol->nr_dropped; i++) {
		const struct txn_shard *shard = &protocol->dropped[i];

		if (!view_shard(&protocol->view, shard->lease, shard->number))
			protocol->dropped[left++] = *shard;
	}
	protocol->nr_dropped = left;
}

/* A transaction that is under way, or was perhaps made, gives or takes shards. */
static bool shards_change(const struct protocol *protocol)
{
	return (protocol->busy && protocol->txn.nr_shards) ||
	       (protocol->unresolved && protocol->lost.nr_shards);
}

int protocol_set_leases(struct protocol *protocol, const struct lease_name *leases,
			unsigned int count)
{
	int changed = view_same_leases(&protocol->view, leases, count) ? 0
		      : shards_change(protocol)			       ? -EAGAIN
								       : drop_all(protocol);

	if (!changed)
		changed = view_set_leases(&protocol->view, leases, count);
	keep_dropped(protocol, 0);
	if (changed <= 0)
		return changed;
	protocol->renew_at = 0; /* the others learn it from our record */
	protocol->read = false;
	protocol->wants_reading = true;
	return 0;
}

void protocol_set_hold(struct protocol *protocol, const char *lease, bool hold)
{
	for (unsigned int i = 0; i < protocol->view.nr_leases; i++) {
		if (strcmp(protocol->view.leases[i].name.name, lease) == 0)
			protocol->view.leases[i].hold = hold;
	}
}

void protocol_see_node(struct protocol *protocol, uint64_t now, const char *name, int64_t create,
		       int64_t mod, const struct node_record *record)
{
	view_see_node(&protocol->view, now, name, create, mod, record);
}

void protocol_see_shard(struct protocol *protocol, const char *lease, unsigned int number,
			int64_t mod, const struct shard_record *record)
{
	struct view_shard *shard = view_see_shard(&protocol->view, lease, number, mod, record);

	if (!shard)
		return;
	/* The watch may be faster than the answer to our own claim. */
	if (is_ours(protocol, shard) && !(protocol->busy && protocol->txn.kind == TXN_CLAIM))
		shard->why = NULL;
	protocol->hurry = true;
}

void protocol_reading(struct protocol *protocol)
{
	view_reading(&protocol->view);
}

void protocol_see_all(struct protocol *protocol, uint64_t now, int64_t revision)
{
	view_see_all(&protocol->view, now, revision);
	protocol->read = true;
}

void protocol_set_daemon(struct protocol *protocol, bool answers)
{
	protocol->daemon = answers;
}

void protocol_set_fit(struct protocol *protocol, unsigned int shard, bool fit)
{
	if (protocol->view.shards[shard].unfit == !fit)
		return;
	protocol->view.shards[shard].unfit = !fit;
	protocol->view.shards[shard].unfit_since = 0;
	protocol->renew_at = 0; /* the others learn it from our record */
}

void protocol_muted(struct protocol *protocol, unsigned int shard)
{
	protocol->view.shards[shard].sent_until = 0;
}

void protocol_drain(struct protocol *protocol, bool drain)
{
	protocol->drain = drain;
	protocol->renew_at = 0;
}

void protocol_leave(struct protocol *protocol)
{
	protocol->leaving = protocol->hurry = true;
}

/* ---- deadlines ---- */

/* A LEAVE that is under way, or whose answer is missing, may be made: even if the daemon answers
 * again, nothing may be sent until that is known. */
static bool may_have_left(const struct protocol *protocol)
{
	return (protocol->busy && protocol->txn.kind == TXN_LEAVE) ||
	       (protocol->unresolved && protocol->lost.kind == TXN_LEAVE);
}

static bool is_ending(const struct protocol *protocol)
{
	return protocol->leaving || !protocol->daemon || may_have_left(protocol);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t protocol_deadline(const struct protocol *protocol)
{
	return protocol->term ? protocol->confirmed + protocol->settings.deadline : 0;
}

/* Only while requests fail: after an interruption of our own, others may have taken the shard. */
static bool is_held_without_store(const struct protocol *protocol, const struct view_shard *shard,
				  uint64_t now)
{
	return protocol->view.leases[shard->lease].hold &&
	       protocol->unknown_at > protocol->confirmed &&
	       view_elapsed(now, protocol->unknown_at) < protocol->settings.deadline;
}

uint64_t protocol_until(struct protocol *protocol, unsigned int index, uint64_t now, uint64_t *from,
			int64_t *epoch)
{
	struct view_shard *shard = &protocol->view.shards[index];
	uint64_t until = now + protocol->settings.daemon;

	*from = 0;
	*epoch = shard->mod > protocol->first ? shard->mod : protocol->first;
	if (!is_ours(protocol, shard) || *shard->move_to || is_ending(protocol))
		return 0;
	if (!is_held_without_store(protocol, shard, now))
		until = least(until, protocol_deadline(protocol));
	if (until <= now)
		return 0;
	if (until > shard->sent_until)
		shard->sent_until = until;
	if (shard->from_mod != shard->mod) {
		shard->from_mod = shard->mod;
		shard->from = now + protocol->settings.gap;
	}
	*from = shard->from;
	return until;
}

bool protocol_is_set(const struct protocol *protocol, unsigned int shard)
{
	return protocol->view.shards[shard].sent_until;
}

bool protocol_wants_reading(struct protocol *protocol)
{
	bool wants = protocol->wants_reading;

	protocol->wants_reading = false;
	return wants;
}

bool protocol_hurries(struct protocol *protocol)
{
	bool hurry = protocol->hurry;

	protocol->hurry = false;
	return hurry;
}

/* Whether the daemon may still send any of our shards. */
static bool any_sent(const struct protocol *protocol, uint64_t now)
{
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		if (protocol->view.shards[i].sent_until > now)
			return true;
	}
	return false;
}

/* ---- transactions: what to do ---- */

static bool start(struct protocol *protocol, uint64_t now, enum txn_kind kind, int64_t mod)
{
	struct txn *txn = &protocol->txn;

	*txn = (struct txn){.kind = kind, .mod = mod};
	txn->own = (struct node_record){
		.instance = protocol->settings.instance,
		.host = protocol->settings.host,
		.serial = ++protocol->serial,
		.weight = protocol->settings.weight,
		.draining = protocol->drain,
		.nr_leases = protocol->view.nr_leases,
	};
	for (unsigned int i = 0; i < protocol->view.nr_leases; i++)
		txn->own.leases[i] = protocol->view.leases[i].hash;
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		if (protocol->view.shards[i].unfit && txn->own.nr_unfit++ < CLUSTER_UNFIT)
			txn->own.unfit[txn->own.nr_unfit - 1] = protocol->view.shards[i].name;
	}
	protocol->sent = now;
	protocol->busy = true;
	return true;
}

/* A key of our name, of another process. One that is renewed belongs to a process that runs. */
static bool replace_stranger(struct protocol *protocol, uint64_t now, const struct view_node *node)
{
	const struct protocol_settings *settings = &protocol->settings;

	bool ours = node->record.instance == settings->instance; /* the answer was lost */

	if (!ours && node->mod != protocol->stranger_mod) {
		protocol->stranger_mod = node->mod;
		protocol->stranger_renewals++;
	}
	if (ours || (node->record.host == settings->host &&
		     view_elapsed(now, node->seen) > QUIET_PERIODS * settings->renew)) {
		start(protocol, now, TXN_ADOPT, node->mod);
		protocol->txn.other_mod = node->term;
		return true;
	}
	if (view_elapsed(now, node->seen) > settings->deadline + settings->guard)
		return start(protocol, now, TXN_CLEAR, node->mod);
	return false;
}

static bool join(struct protocol *protocol, uint64_t now)
{
	unsigned int own = view_find(&protocol->view, protocol->settings.node);

	if (!protocol->read || is_ending(protocol) || now < protocol->renew_at)
		return false;
	if (own == NO_NODE)
		return start(protocol, now, TXN_JOIN, 0);
	return replace_stranger(protocol, now, &protocol->view.nodes[own]);
}

static bool bury(struct protocol *protocol, uint64_t now, unsigned int own)
{
	const struct protocol_settings *settings = &protocol->settings;
	uint64_t patience = settings->deadline + settings->guard;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const struct view_node *node = &protocol->view.nodes[i];
		uint64_t silent = view_elapsed(now, node->seen);

		if (!*node->name || i == own || silent <= patience ||
		    silent <= patience +
				      settings->renew / 2 * view_bury_rank(&protocol->view, i, own))
			continue;
		start(protocol, now, TXN_BURY, protocol->mod);
		snprintf(protocol->txn.other, CLUSTER_NAME_SIZE, "%s", node->name);
		protocol->txn.other_mod = node->mod;
		return true;
	}
	return false;
}

static struct txn_shard *add_shard(struct protocol *protocol, const struct view_shard *shard,
				   const char to[CLUSTER_NAME_SIZE], int64_t term)
{
	struct txn_shard *entry = &protocol->txn.shards[protocol->txn.nr_shards++];

	*entry = describe(protocol, shard);
	memcpy(entry->becomes.node, to, CLUSTER_NAME_SIZE);
	entry->becomes.term = term;
	return entry;
}

/* Shards that no node holds, and that are ours by rank, or that nobody else takes. */
static bool claim(struct protocol *protocol, uint64_t now, unsigned int own)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < protocol->view.nr_shards && found < TXN_SHARDS; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		struct txn_shard *entry;
		unsigned int rank;

		if (view_holder(&protocol->view, shard) != NO_NODE) {
			shard->free_since = 0;
			continue;
		}
		if (!shard->free_since)
			shard->free_since = now;
		rank = view_rank(&protocol->view, shard, own);
		if (rank == NO_NODE || view_elapsed(now, shard->free_since) <
					       rank * RANK_PERIODS * protocol->settings.renew)
			continue;
		if (!found++)
			start(protocol, now, TXN_CLAIM, protocol->mod);
		shard->why = *shard->record.node ? "its holder was gone" : "nobody held it";
		entry = add_shard(protocol, shard, protocol->settings.node, protocol->term);
		snprintf(entry->ended_node, CLUSTER_NAME_SIZE, "%s", shard->record.node);
		entry->ended_term = shard->record.term;
	}
	return found;
}

static bool release(struct protocol *protocol, uint64_t now)
{
	struct txn *txn = &protocol->txn;
	unsigned int count = protocol->nr_dropped;

	if (!count)
		return false;
	start(protocol, now, TXN_RELEASE, protocol->mod);
	txn->nr_shards = count < TXN_SHARDS ? count : TXN_SHARDS;
	memcpy(txn->shards, protocol->dropped, txn->nr_shards * sizeof(*txn->shards));
	return true;
}

/* Pass on what is muted, to the node of the first one that is found. */
static bool pass(struct protocol *protocol, uint64_t now)
{
	struct txn *txn = &protocol->txn;
	unsigned int to = NO_NODE, found = 0;

	for (unsigned int i = 0; i < protocol->view.nr_shards && found < TXN_SHARDS; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		unsigned int node;

		if (!*shard->move_to || !is_ours(protocol, shard))
			continue;
		node = view_find(&protocol->view, shard->move_to);
		if (node == NO_NODE || view_rank(&protocol->view, shard, node) == NO_NODE) {
			*shard->move_to = '\0'; /* it does not accept it any more: we go on */
			continue;
		}
		if (shard->sent_until > now || (to != NO_NODE && node != to))
			continue;
		to = node;
		if (!found++)
			start(protocol, now, TXN_PASS, protocol->mod);
		add_shard(protocol, shard, shard->move_to, protocol->view.nodes[node].term)
			->becomes.pinned = shard->move_pins;
	}
	if (!found)
		return false;
	snprintf(txn->other, CLUSTER_NAME_SIZE, "%s", protocol->view.nodes[to].name);
	txn->other_mod = protocol->view.nodes[to].term;
	return true;
}

static void start_move(struct protocol *protocol, struct view_shard *shard, unsigned int to,
		       const char *why)
{
	snprintf(shard->move_to, CLUSTER_NAME_SIZE, "%s", protocol->view.nodes[to].name);
	shard->move_pins = false;
	shard->why = why;
	protocol->hurry = true;
}

/* A shard that another node can relay and we cannot. Not at once: what has ended here may just be
 * ending there as well. And not often: inputs that come and go must not move shards to and fro. */
static void plan_unfit(struct protocol *protocol, uint64_t now)
{
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		unsigned int best = NO_NODE;

		if (shard->unfit && is_ours(protocol, shard) && !*shard->move_to)
			best = view_ranked(&protocol->view, shard, 0);
		if (best == NO_NODE || !view_fit(&protocol->view, shard, best)) {
			shard->unfit_since = 0;
			continue;
		}
		if (!shard->unfit_since)
			shard->unfit_since = now;
		if (view_elapsed(now, shard->unfit_since) < protocol->settings.unfit ||
		    now < protocol->unfit_at)
			continue;
		start_move(protocol, shard, best, "it cannot relay it");
		protocol->unfit_at = now + PROTOCOL_UNFIT_NS;
	}
}

/* Choose shards that other nodes should have, a few a second: after the members have stayed the
 * same for long enough; when we drain, at once. */
static void plan_moves(struct protocol *protocol, uint64_t now, unsigned int own)
{
	const struct protocol_settings *settings = &protocol->settings;
	unsigned int moves = settings->moves;

	if (now < protocol->moves_at ||
	    (!protocol->drain && view_elapsed(now, protocol->view.changed) < settings->settle))
		return;
	for (unsigned int i = 0; i < protocol->view.nr_shards && moves; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		unsigned int best;

		if (!is_ours(protocol, shard) || *shard->move_to ||
		    (shard->record.pinned && !protocol->drain))
			continue;
		best = view_ranked(&protocol->view, shard, 0);
		/* See plan_unfit(). */
		if (best == NO_NODE || best == own ||
		    (shard->unfit && view_fit(&protocol->view, shard, best) && !protocol->drain))
			continue;
		start_move(protocol, shard, best, protocol->drain ? "drained" : "rebalanced");
		moves--;
	}
	if (moves < settings->moves)
		protocol->moves_at = now + 1000000000ULL;
}

int protocol_move(struct protocol *protocol, unsigned int index, const char *node)
{
	struct view_shard *shard = &protocol->view.shards[index];
	unsigned int to = view_find(&protocol->view, node);

	if (!is_ours(protocol, shard))
		return -ESRCH;
	if (to == NO_NODE || view_rank(&protocol->view, shard, to) == NO_NODE)
		return -ENOENT;
	shard->move_pins = view_ranked(&protocol->view, shard, 0) != to;
	shard->why = "moved by hand";
	protocol->hurry = true;
	if (strcmp(node, protocol->settings.node) != 0)
		snprintf(shard->move_to, CLUSTER_NAME_SIZE, "%s", protocol->view.nodes[to].name);
	return 0;
}

/* What can be decided from the view. */
static bool decide(struct protocol *protocol, uint64_t now)
{
	unsigned int own = view_find(&protocol->view, protocol->settings.node);

	if (own == NO_NODE || !protocol->read || now < protocol->decide_at)
		return false;
	if (bury(protocol, now, own) || pass(protocol, now) || release(protocol, now))
		return true;
	if (!protocol->view.look && now < protocol->look_at)
		return false;
	protocol->view.look = false;
	protocol->look_at = now + protocol->settings.renew;
	plan_unfit(protocol, now);
	plan_moves(protocol, now, own);
	return claim(protocol, now, own);
}

bool protocol_request(struct protocol *protocol, uint64_t now, struct txn *txn)
{
	bool found;

	if (protocol->busy || protocol->state == PROTOCOL_REPLACED ||
	    protocol->state == PROTOCOL_LEFT)
		return false;
	view_refresh(&protocol->view, now);
	if (is_ending(protocol) && any_sent(protocol, now))
		return false;
	if (!protocol->term && protocol->leaving) {
		protocol->state = PROTOCOL_LEFT;
		return false;
	}
	if (!protocol->term)
		found = join(protocol, now);
	else if (protocol->unresolved || now >= protocol->renew_at)
		found = now >= protocol->renew_at &&
			start(protocol, now,
			      is_ending(protocol) && !protocol->unresolved ? TXN_LEAVE : TXN_RENEW,
			      protocol->mod);
	else if (is_ending(protocol))
		found = start(protocol, now, TXN_LEAVE, protocol->mod);
	else
		found = decide(protocol, now);
	if (found)
		*txn = protocol->txn;
	return found;
}

uint64_t protocol_next(const struct protocol *protocol, uint64_t now)
{
	uint64_t soon = now + protocol->settings.renew / 4;

	return protocol->term && protocol->renew_at > now ? least(soon, protocol->renew_at) : soon;
}

/* ---- transactions: what has become of them ---- */

static void stop_moves(struct view *view)
{
	for (unsigned int i = 0; i < view->nr_shards; i++)
		*view->shards[i].move_to = '\0';
}

/* Our term has ended: somebody has declared us dead, or we have left. */
static void become_absent(struct protocol *protocol)
{
	protocol->term = protocol->mod = 0;
	protocol->nr_dropped = 0;
	protocol->unresolved = false;
	protocol->state = PROTOCOL_ABSENT;
	protocol->hurry = true;
	stop_moves(&protocol->view);
}

/* Another process was this node. The daemon may have any deadline that it has set: every shard has
 * to be ended, or these deadlines to pass, before it is passed on. */
static void inherit(struct protocol *protocol, uint64_t now, int64_t term, int64_t revision)
{
	protocol->term = term;
	protocol->first = revision;
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		struct view_shard *shard = &protocol->view.shards[i];

		shard->sent_until = now + protocol->settings.deadline;
		shard->from_mod = shard->mod; /* it goes on */
	}
}

/* A transaction was made, and what it wrote has this revision. */
static void apply(struct protocol *protocol, uint64_t now, const struct txn *txn, int64_t revision)
{
	struct view *view = &protocol->view;

	if (txn->kind == TXN_CLEAR || txn->kind == TXN_LEAVE) {
		view_see_node(view, now, protocol->settings.node, 0, revision, NULL);
		become_absent(protocol);
		return;
	}
	if (txn->kind == TXN_JOIN)
		protocol->first = protocol->term = revision;
	else if (txn->kind == TXN_ADOPT)
		inherit(protocol, now, txn->other_mod, revision);
	protocol->mod = revision;
	protocol->state = PROTOCOL_MEMBER;
	view_see_node(view, now, protocol->settings.node, protocol->term, revision, &txn->own);
	if (txn->kind == TXN_RELEASE)
		keep_dropped(protocol, txn->nr_shards);
	for (unsigned int i = 0; i < txn->nr_shards; i++)
		view_see_shard(view, txn->shards[i].lease, txn->shards[i].number, revision,
			       &txn->shards[i].becomes);
	view->look = true;
	protocol->hurry = protocol->hurry || txn->kind != TXN_RENEW;
}

static void done(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	/* After an interruption that muted us, the others have to renew their keys as well. */
	if (protocol->confirmed &&
	    view_elapsed(now, protocol->confirmed) > protocol->settings.deadline)
		view_forgive(&protocol->view, now);
	protocol->unresolved = false;
	protocol->confirmed = protocol->sent;
	protocol->renew_at = protocol->sent + protocol->settings.renew;
	apply(protocol, now, &protocol->txn, answer->revision);
}

/* A comparison has failed. Our key shows why. */
static void refused(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	bool known = answer->mod && answer->own.instance == protocol->settings.instance;
	struct txn *lost = &protocol->lost;

	if (!known) {
		view_see_node(&protocol->view, now, protocol->settings.node, answer->create,
			      answer->mod ? answer->mod : INT64_MAX,
			      answer->mod ? &answer->own : NULL);
		if (answer->mod && protocol->term)
			protocol->state = PROTOCOL_REPLACED;
		if (protocol->state != PROTOCOL_REPLACED)
			become_absent(protocol);
		protocol->term = 0;
		protocol->renew_at = now + protocol->settings.renew / 2;
		return;
	}
	if (answer->mod == protocol->mod) {
		/* Another part has failed: somebody was faster, which the watch will show. */
		protocol->decide_at = now + protocol->settings.renew;
		protocol->renew_at = now;
		if (protocol->txn.kind == TXN_PASS)
			stop_moves(&protocol->view);
		else if (protocol->txn.kind == TXN_RELEASE)
			keep_dropped(protocol, protocol->txn.nr_shards);
		return;
	}
	/* One of ours was made whose answer was lost. */
	if (protocol->unresolved && lost->own.serial == answer->own.serial)
		apply(protocol, now, lost, answer->mod);
	else if (!protocol->term)
		inherit(protocol, now, answer->create, answer->mod);
	protocol->unresolved = false;
	protocol->state = PROTOCOL_MEMBER;
	protocol->mod = answer->mod;
	protocol->renew_at = now;
}

void protocol_answer(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	protocol->busy = false;
	if (answer->kind == ANSWER_DONE) {
		done(protocol, now, answer);
	} else if (answer->kind == ANSWER_REFUSED) {
		refused(protocol, now, answer);
	} else {
		if (protocol->txn.kind != TXN_RENEW && !protocol->unresolved) {
			protocol->lost = protocol->txn;
			protocol->unresolved = true;
		}
		protocol->unknown_at = now;
		protocol->renew_at = protocol->sent + protocol->settings.renew / 2;
	}
}

/* ---- how it stands ---- */

enum protocol_state protocol_state(const struct protocol *protocol)
{
	return protocol->state;
}

const struct view *protocol_view(const struct protocol *protocol)
{
	return &protocol->view;
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

bool protocol_fit(const struct protocol *protocol, unsigned int index)
{
	return !protocol->view.shards[index].unfit;
}

const char *protocol_why(const struct protocol *protocol, unsigned int index)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	if (!protocol->term)
		return is_ending(protocol) ? "the node left" : "the node was declared dead";
	return shard->why ? shard->why : "passed on by its holder";
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
