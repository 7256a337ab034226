/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/protocol_state.h"

#include <stdlib.h>
#include <string.h>

struct protocol *protocol_new(const struct protocol_settings *settings)
{
	struct protocol *protocol = calloc(1, sizeof(*protocol));

	if (!protocol)
		return NULL;
	protocol->settings = *settings;
	protocol->view.deadline = settings->deadline;
	protocol->view.guard = settings->guard;
	protocol->view.clock_error = settings->clock_error;
	return protocol;
}

void protocol_free(struct protocol *protocol)
{
	if (!protocol)
		return;
	view_free(&protocol->view);
	free(protocol->dropped);
	free(protocol->lost_asks);
	free(protocol);
}

/* ---- reports ---- */

struct txn_shard protocol_describe(const struct protocol *protocol, const struct view_shard *shard)
{
	struct txn_shard entry = {.number = shard->number, .mod = shard->mod};

	memcpy(entry.lease, protocol->view.leases[shard->lease].name.name, CLUSTER_NAME_SIZE);
	return entry;
}

void protocol_set_real(struct protocol *protocol, uint64_t now, int64_t offset)
{
	view_set_real(&protocol->view, now, offset);
}

static void note_newest(struct protocol *protocol, int64_t revision)
{
	if (revision > protocol->newest)
		protocol->newest = revision;
}

void protocol_see_node(struct protocol *protocol, uint64_t now, const char *name, int64_t create,
		       int64_t mod, const struct node_record *record)
{
	note_newest(protocol, mod);
	/* The watch may be faster than the answer, which may be lost. */
	if (record && strcmp(name, protocol->settings.node) == 0)
		request_is_shown(protocol, record, mod);
	view_see_node(&protocol->view, now, name, create, mod, record);
}

static struct view_shard *see_shard(struct protocol *protocol, uint64_t now, const char *lease,
				    unsigned int number, int64_t mod,
				    const struct shard_record *record)
{
	const struct view_shard *known = view_shard(&protocol->view, lease, number);
	struct node_ask asked = known ? move_asked(protocol, known) : (struct node_ask){0};
	struct view_shard *shard = view_see_shard(&protocol->view, now, lease, number, mod, record);

	note_newest(protocol, mod);
	if (shard && asked.what && !*shard->move_to &&
	    (!record || strcmp(record->node, asked.node) != 0))
		request_lose(protocol, &asked, "this node holds the shard no more");
	return shard;
}

void protocol_see_shard(struct protocol *protocol, uint64_t now, const char *lease,
			unsigned int number, int64_t mod, const struct shard_record *record)
{
	const struct view_shard *known = view_shard(&protocol->view, lease, number);
	bool was_ours = known && is_ours(protocol, known);
	struct view_shard *shard = see_shard(protocol, now, lease, number, mod, record);

	if (!shard)
		return;
	if (was_ours && !is_ours(protocol, shard))
		move_passed(shard, now);
	/* The watch may be faster than the answer to our own claim. */
	if (is_ours(protocol, shard) && !(protocol->busy && protocol->txn.kind == TXN_CLAIM))
		shard->why = NULL;
	protocol->hurry = true;
}

void protocol_reading(struct protocol *protocol)
{
	view_reading(&protocol->view);
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

void protocol_set_epoch(struct protocol *protocol, unsigned int shard, int64_t epoch)
{
	if (epoch >= protocol->view.shards[shard].epoch && epoch < INT64_MAX / 2)
		protocol->view.shards[shard].epoch = epoch + 1;
}

void protocol_muted(struct protocol *protocol, unsigned int shard)
{
	protocol->view.shards[shard].sent_until = 0;
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

bool protocol_is_ending(const struct protocol *protocol)
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

int64_t protocol_epoch(const struct protocol *protocol, const struct view_shard *shard)
{
	int64_t epoch = shard->mod > protocol->first ? shard->mod : protocol->first;

	return shard->epoch > epoch ? shard->epoch : epoch;
}

/* Whether we are to send it from some time on. */
static bool is_wanted(const struct protocol *protocol, const struct view_shard *shard, uint64_t now)
{
	bool passed_on = *shard->move_to && (shard->move_mutes || move_has_end(shard));

	return is_ours(protocol, shard) && !passed_on && !protocol_is_ending(protocol) &&
	       !view_overruled(&protocol->view, shard, now);
}

/* When we may begin to send a shard that has become ours. */
static uint64_t begin_of(const struct protocol *protocol, const struct view_shard *shard,
			 uint64_t now)
{
	if (shard->exact)
		return shard->exact;
	/* With numbers it does not matter, unless they do not come in time. Then packets that wait
	 * here for a busy worker, and that the former holder has sent, must be out by then. */
	if (shard->cut && shard->quiet > now)
		return shard->quiet + protocol_withheld(protocol);
	return (shard->quiet > now ? shard->quiet : now) + protocol->settings.gap;
}

uint64_t protocol_until(struct protocol *protocol, unsigned int index, uint64_t now, uint64_t *from,
			int64_t *epoch)
{
	struct view_shard *shard = &protocol->view.shards[index];
	uint64_t until = now + protocol->settings.daemon;

	*from = 0;
	/* Whether it was passed on is unknown for as long as the store is gone, and perhaps nobody
	 * sends it. It goes on when others of its lease begin to be held without the store. */
	if (move_has_end(shard) && now >= protocol_deadline(protocol) &&
	    is_held_without_store(protocol, shard, now))
		move_go_on(protocol, shard);
	*epoch = protocol_epoch(protocol, shard);
	if (!is_wanted(protocol, shard, now))
		return 0;
	view_resume(shard);
	if (!is_held_without_store(protocol, shard, now))
		until = least(until, protocol_deadline(protocol));
	if (until <= now)
		return 0;
	if (until > shard->sent_until)
		shard->sent_until = until;
	if (shard->from_mod != shard->mod) {
		shard->from_mod = shard->mod;
		shard->from = begin_of(protocol, shard, now);
	}
	*from = shard->from;
	return until;
}

bool protocol_ends(const struct protocol *protocol, unsigned int index, uint64_t now)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	return shard->ends > now && !is_wanted(protocol, shard, now) &&
	       !view_overruled(&protocol->view, shard, now);
}

/* Whether the daemon may still send any of our shards. */
static bool any_sent(const struct protocol *protocol, uint64_t now)
{
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		const struct view_shard *shard = &protocol->view.shards[i];

		/* One that is passed on ends by itself: its record says so. */
		if (shard->sent_until > now && is_ours(protocol, shard))
			return true;
	}
	return false;
}

/* ---- transactions: what to do ---- */

bool protocol_start(struct protocol *protocol, uint64_t now, enum txn_kind kind, int64_t mod)
{
	struct txn *txn = &protocol->txn;
	unsigned int first = 0;

	*txn = (struct txn){.kind = kind, .mod = mod};
	txn->own = (struct node_record){
		.instance = protocol->settings.instance,
		.host = protocol->settings.host,
		.serial = ++protocol->serial,
		.weight = protocol->settings.weight,
		.draining = protocol->drain,
		.ask = request_shown(protocol),
		.real = protocol->settings.clock_error ? now + (uint64_t)protocol->view.real : 0,
		.nr_leases = protocol->view.nr_leases,
	};
	request_answers(protocol, &txn->own);
	for (unsigned int i = 0; i < protocol->view.nr_leases; i++) {
		txn->own.leases[i] = protocol->view.leases[i].hash;
		txn->own.names[i] = protocol->view.leases[i].of_name;
		txn->own.first[i] = (uint16_t)first;
		first += protocol->view.leases[i].name.shards;
	}
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++)
		txn->own.unfit[i / 64] |= (uint64_t)protocol->view.shards[i].unfit << i % 64;
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
		protocol_start(protocol, now, TXN_ADOPT, node->mod);
		protocol->txn.other_mod = node->term;
		return true;
	}
	if (view_elapsed(now, node->seen) > settings->deadline + settings->guard)
		return protocol_start(protocol, now, TXN_CLEAR, node->mod);
	return false;
}

static bool join(struct protocol *protocol, uint64_t now)
{
	unsigned int own = view_find(&protocol->view, protocol->settings.node);

	if (!protocol->read || protocol_is_ending(protocol) || now < protocol->renew_at)
		return false;
	if (own == NO_NODE)
		return protocol_start(protocol, now, TXN_JOIN, 0);
	return replace_stranger(protocol, now, &protocol->view.nodes[own]);
}

struct txn_shard *protocol_add(struct protocol *protocol, const struct view_shard *shard,
			       const char to[CLUSTER_NAME_SIZE], int64_t term)
{
	struct txn_shard *entry = &protocol->txn.shards[protocol->txn.nr_shards++];

	*entry = protocol_describe(protocol, shard);
	entry->becomes.asked = shard->asked;
	memcpy(entry->becomes.node, to, CLUSTER_NAME_SIZE);
	entry->becomes.term = term;
	return entry;
}

bool protocol_request(struct protocol *protocol, uint64_t now, struct txn *txn)
{
	bool found;

	if (protocol->busy || protocol->state == PROTOCOL_REPLACED ||
	    protocol->state == PROTOCOL_LEFT)
		return false;
	view_refresh(&protocol->view, now);
	request_obey(protocol, now);
	if (protocol_is_ending(protocol) && any_sent(protocol, now))
		return false;
	if (!protocol->term && protocol->leaving) {
		request_forget(protocol, "this node has left");
		protocol->state = PROTOCOL_LEFT;
		return false;
	}
	if (!protocol->term)
		found = join(protocol, now);
	else if (protocol->unresolved || now >= protocol->renew_at)
		found = now >= protocol->renew_at &&
			protocol_start(protocol, now,
				       protocol_is_ending(protocol) && !protocol->unresolved
					       ? TXN_LEAVE
					       : TXN_RENEW,
				       protocol->mod);
	else if (protocol_is_ending(protocol))
		found = protocol_start(protocol, now, TXN_LEAVE, protocol->mod);
	else
		found = protocol_decide(protocol, now);
	if (found)
		*txn = protocol->txn;
	return found;
}

uint64_t protocol_next(const struct protocol *protocol, uint64_t now)
{
	uint64_t soon = now + protocol->settings.renew / 4;

	/* A node is declared dead without delay. */
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const struct view_node *node = &protocol->view.nodes[i];
		uint64_t dead = node->seen + protocol->view.deadline + protocol->view.guard + 1;

		if (*node->name && dead > now)
			soon = least(soon, dead);
	}

	return protocol->term && protocol->renew_at > now ? least(soon, protocol->renew_at) : soon;
}

/* ---- transactions: what has become of them ---- */

/* Our term has ended: somebody has declared us dead, or we have left. */
static void become_absent(struct protocol *protocol)
{
	protocol->term = protocol->mod = 0;
	protocol->nr_dropped = 0;
	protocol->unresolved = false;
	protocol->state = PROTOCOL_ABSENT;
	protocol->hurry = true;
	move_stop_all(protocol, "this node is no member any more");
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
		/* It goes on, unless it was just beginning. */
		shard->from_mod = shard->mod;
		shard->from = shard->quiet > now ? begin_of(protocol, shard, now) : 0;
	}
}

/* We have claimed the shard, whose key had this mod_revision before, and nobody has passed it on to
 * us: the gap counts from the end of the holder that is gone, or of those that may have sent it for
 * longer: who had passed it on to that one, and nodes with another number of shards. */
static void begin_claimed(const struct protocol *protocol, struct view_shard *shard, int64_t mod)
{
	uint64_t agreed = protocol->view.leases[shard->lease].agreed_at;
	uint64_t end = shard->ended > shard->quiet ? shard->ended : shard->quiet;

	if (!shard->ended || shard->ended_mod != mod || shard->record.left)
		return;
	shard->from_mod = shard->mod;
	shard->from = (end > agreed ? end : agreed) + protocol->settings.gap;
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
	if (txn->kind == TXN_JOIN) {
		protocol->first = protocol->term = revision;
		protocol->joined = now;
	} else if (txn->kind == TXN_ADOPT)
		inherit(protocol, now, txn->other_mod, revision);
	protocol->mod = revision;
	protocol->state = PROTOCOL_MEMBER;
	note_newest(protocol, revision);
	request_is_shown(protocol, &txn->own, revision);
	view_see_node(view, now, protocol->settings.node, protocol->term, revision, &txn->own);
	/* The watch may not have shown it yet, and what it held is to be claimed. */
	if (txn->kind == TXN_BURY)
		view_see_node(view, now, txn->other, 0, revision, NULL);
	if (txn->kind == TXN_RELEASE)
		protocol_keep_dropped(protocol, txn->nr_shards);
	for (unsigned int i = 0; i < txn->nr_shards; i++) {
		const struct txn_shard *entry = &txn->shards[i];
		struct view_shard *shard = view_shard(view, entry->lease, entry->number);
		struct shard_record becomes = entry->becomes;

		/* The text in the transaction may be gone; it was this one. */
		becomes.cut = becomes.cut && shard ? shard->cut : NULL;
		/* The watch has not shown it yet. */
		if (shard && txn->kind == TXN_PASS && is_ours(protocol, shard))
			move_passed(shard, now);
		see_shard(protocol, now, entry->lease, entry->number, revision,
			  txn->kind == TXN_RELEASE ? NULL : &becomes);
		if (shard && txn->kind == TXN_CLAIM && shard->mod == revision)
			begin_claimed(protocol, shard, entry->mod);
	}
	view->look = true;
	protocol->hurry = protocol->hurry || txn->kind != TXN_RENEW;
}

static void done(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	/* After an interruption that muted us, the others have to renew their keys as well: each
	 * may wait for an answer that does not come, and its next request is seen somewhat later.
	 * Those that are gone since its beginning do not: nobody waits for them much longer. */
	if (protocol->confirmed &&
	    view_elapsed(now, protocol->confirmed) > protocol->settings.deadline)
		view_forgive(&protocol->view, now,
			     PROTOCOL_TIMEOUT(protocol->settings.deadline) +
				     protocol->settings.renew / 2);
	protocol->unresolved = false; /* it was not made */
	protocol->confirmed = protocol->sent;
	protocol->renew_at = protocol->sent + protocol->settings.renew;
	apply(protocol, now, &protocol->txn, answer->revision);
}

/* A comparison has failed. Our key shows why. */
static void refused(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	bool known = answer->mod && answer->own.instance == protocol->settings.instance;

	if (!known) {
		view_see_node(&protocol->view, now, protocol->settings.node, answer->create,
			      answer->mod ? answer->mod : INT64_MAX,
			      answer->mod ? &answer->own : NULL);
		/* A key that cannot be read is no other process: it is quiet, and cleared. */
		if (answer->mod && protocol->term && answer->own.instance)
			protocol->state = PROTOCOL_REPLACED;
		if (protocol->state != PROTOCOL_REPLACED)
			become_absent(protocol);
		protocol->term = 0;
		protocol->renew_at = now + protocol->settings.renew / 2;
		return;
	}
	if (answer->mod == protocol->mod) {
		/* Another part has failed: somebody was faster, which the watch will show. */
		protocol->decide_at = now + protocol->settings.renew / 4;
		protocol->renew_at = now;
		if (protocol->txn.kind == TXN_PASS)
			move_stop_all(protocol,
				      "etcd has refused it, as a node or shard has changed");
		else if (protocol->txn.kind == TXN_RELEASE)
			protocol_keep_dropped(protocol, protocol->txn.nr_shards);
		return;
	}
	/* One of ours was made whose answer was lost. */
	request_is_shown(protocol, &answer->own, answer->mod);
	if (protocol->unresolved && protocol->lost.own.serial == answer->own.serial)
		apply(protocol, now, &protocol->lost, answer->mod);
	else if (!protocol->term)
		inherit(protocol, now, answer->create, answer->mod);
	protocol->unresolved = false;
	protocol->state = PROTOCOL_MEMBER;
	protocol->mod = answer->mod;
	protocol->renew_at = now;
}

/* What is known is of another store: begin again. */
static void forget_store(struct protocol *protocol, uint64_t now)
{
	become_absent(protocol);
	view_forget(&protocol->view, now);
	request_forget(protocol, "etcd's data were replaced");
	protocol->newest = 0;
	protocol->read = false;
	protocol->wants_reading = true;
	protocol->renew_at = now + protocol->settings.renew;
}

/* All have been reported: only now is it clear that some are older than what was known. */
void protocol_see_all(struct protocol *protocol, uint64_t now, int64_t revision)
{
	protocol->read = true;
	if (view_see_all(&protocol->view, now, revision))
		forget_store(protocol, now);
}

/* The store has a revision. Revisions only grow, unless its data were replaced by older ones: then
 * what is known of it is wrong. True: they were. */
static bool is_another_store(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	/* A restored store may go on with a higher revision, but has an older state of our key. */
	bool another =
		answer->revision < protocol->revision ||
		(answer->kind == ANSWER_REFUSED && answer->mod && answer->mod < protocol->mod);

	protocol->revision = answer->revision;
	if (!another)
		return false;
	forget_store(protocol, now);
	return true;
}

void protocol_answer(struct protocol *protocol, uint64_t now, const struct answer *answer)
{
	protocol->busy = false;
	if (answer->revision && is_another_store(protocol, now, answer))
		return;
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
