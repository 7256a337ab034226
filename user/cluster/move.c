/* SPDX-License-Identifier: BSD-2-Clause */
/* Shards that are passed on. See protocol.h, 4 and 5. */
#include "cluster/protocol_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shards are ended one after the other. If none has been for this time, the next one is muted
 * first: a queue that moves may be long. */
#define PATIENCE_NS 10000000000ULL

/* How far ahead an end at a moment is. The longer, the less exactly it is known to the new holder,
 * unless the moment is a time of day. */
#define LEAD_NS	     10000000ULL
#define LEAD_REAL_NS 250000000ULL

/* ---- which ---- */

struct node_ask move_asked(const struct protocol *protocol, const struct view_shard *shard)
{
	struct node_ask ask = {.what = ASK_MOVE, .shard = shard->number};

	if (!*shard->move_to || !shard->move_asked)
		return (struct node_ask){0};
	memcpy(ask.lease, protocol->view.leases[shard->lease].name.name, sizeof(ask.lease));
	memcpy(ask.node, shard->move_to, sizeof(ask.node));
	return ask;
}

/* It is not passed on. */
static void stop(struct protocol *protocol, struct view_shard *shard, const char *reason)
{
	struct node_ask ask = move_asked(protocol, shard);

	if (ask.what)
		request_lose(protocol, &ask, reason);
	if (*shard->move_to && move_has_end(shard))
		move_go_on(protocol, shard);
	*shard->move_to = '\0';
}

static void start(struct protocol *protocol, uint64_t now, struct view_shard *shard,
		  unsigned int to, const char *why)
{
	snprintf(shard->move_to, CLUSTER_NAME_SIZE, "%s", protocol->view.nodes[to].name);
	shard->move_pins = shard->move_mutes = shard->move_asked = false;
	shard->move_since = now;
	shard->why = why;
	protocol->hurry = true;
}

/* A shard that another node can relay and we cannot. Not at once: what has ended here may just be
 * ending there as well. And not often: inputs that come and go must not move shards to and fro. */
void move_plan_unfit(struct protocol *protocol, uint64_t now)
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
		start(protocol, now, shard, best, "it cannot relay it");
		shard->move_mutes = true;
		protocol->unfit_at = now + PROTOCOL_UNFIT_NS;
	}
}

void move_plan(struct protocol *protocol, uint64_t now, unsigned int own)
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
		    (!protocol->drain && (shard->record.pinned ||
					  view_elapsed(now, shard->changed) < settings->settle)))
			continue;
		best = view_ranked(&protocol->view, shard, 0);
		/* See move_plan_unfit(). */
		if (best == NO_NODE || best == own ||
		    (shard->unfit && view_fit(&protocol->view, shard, best) && !protocol->drain))
			continue;
		start(protocol, now, shard, best, protocol->drain ? "drained" : "rebalanced");
		moves--;
	}
	if (moves < settings->moves)
		protocol->moves_at = now + 1000000000ULL;
}

static bool passes(const struct protocol *protocol, const struct txn *txn,
		   const struct view_shard *shard)
{
	bool found = false;

	for (unsigned int i = 0; txn->kind == TXN_PASS && i < txn->nr_shards; i++)
		found |= view_shard(&protocol->view, txn->shards[i].lease, txn->shards[i].number) ==
			 shard;
	return found;
}

bool move_may_begin(const struct protocol *protocol, const struct view_shard *shard)
{
	return is_ours(protocol, shard) &&
	       !(protocol->busy && passes(protocol, &protocol->txn, shard)) &&
	       !(protocol->unresolved && passes(protocol, &protocol->lost, shard));
}

void move_lose_unnamed(struct protocol *protocol, const struct lease_name *leases,
		       unsigned int count)
{
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++) {
		const struct view_shard *shard = &protocol->view.shards[i];
		struct node_ask asked = move_asked(protocol, shard);
		bool named = false;

		for (unsigned int j = 0; j < count; j++)
			named |= strcmp(leases[j].name, asked.lease) == 0 &&
				 shard->number < leases[j].shards;
		if (asked.what && !named)
			request_lose(protocol, &asked, "the rules here name the shard no more");
	}
}

int move_to(struct protocol *protocol, uint64_t now, struct view_shard *shard, const char *node,
	    int64_t at)
{
	unsigned int to = view_find(&protocol->view, node);

	if (to == NO_NODE || view_rank(&protocol->view, shard, to) == NO_NODE)
		return -ENOENT;
	shard->asked = at;
	/* Instead of where it was to move until now. */
	shard->move_asked = false;
	if (strcmp(node, protocol->settings.node) != 0)
		start(protocol, now, shard, to, "moved by hand");
	else
		stop(protocol, shard, NULL);
	shard->move_asked = *shard->move_to;
	shard->move_pins = view_ranked(&protocol->view, shard, 0) != to;
	return 0;
}

int protocol_move(struct protocol *protocol, uint64_t now, unsigned int index, const char *node)
{
	struct view_shard *shard = &protocol->view.shards[index];

	return move_may_begin(protocol, shard)
		       ? move_to(protocol, now, shard, node, protocol->newest)
		       : -ESRCH;
}

const char *protocol_other(const struct protocol *protocol, unsigned int index)
{
	const struct view *view = &protocol->view;
	const struct view_shard *shard = &view->shards[index];
	bool moves = is_ours(protocol, shard) && *shard->move_to;
	unsigned int node = view_ranked(view, shard, 0);

	/* One that is being passed on counts as held where it goes. */
	if (node != NO_NODE &&
	    node == (moves ? view_find(view, shard->move_to) : view_holder(view, shard)))
		node = view_ranked(view, shard, 1);
	return node == NO_NODE ? NULL : view->nodes[node].name;
}

/* ---- the end here ---- */

bool protocol_wants_end(const struct protocol *protocol, unsigned int index, uint64_t now,
			uint64_t *latest)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	*latest = protocol_deadline(protocol);
	return *shard->move_to && !shard->move_mutes && !move_has_end(shard) &&
	       is_ours(protocol, shard) && !protocol_is_ending(protocol) &&
	       shard->sent_until > now && shard->from_mod == shard->mod && shard->from <= now &&
	       shard->old_end <= now && *latest > now &&
	       !view_overruled(&protocol->view, shard, now);
}

/* Whether the node to which it moves can be told a moment by the time of day. */
static bool has_time(const struct protocol *protocol, const struct view_shard *shard)
{
	unsigned int node = view_find(&protocol->view, shard->move_to);

	return node != NO_NODE && view_agrees(&protocol->view, &protocol->view.nodes[node]);
}

uint64_t protocol_lead(const struct protocol *protocol, unsigned int index)
{
	return has_time(protocol, &protocol->view.shards[index]) ? LEAD_REAL_NS : LEAD_NS;
}

void protocol_end_asked(struct protocol *protocol, unsigned int index, uint64_t until)
{
	struct view_shard *shard = &protocol->view.shards[index];

	if (until > shard->sent_until)
		shard->sent_until = until;
	shard->asked_mod = shard->mod;
}

/* Its numbers must not end it: the daemon forgets them with another epoch. (The next change of the
 * key has at least this one.) */
void move_go_on(const struct protocol *protocol, struct view_shard *shard)
{
	int64_t epoch = protocol_epoch(protocol, shard);

	/* What was to be later is not set before it is passed on. */
	shard->ends = shard->ends_later = 0;
	shard->epoch = epoch + 1;
}

void protocol_end_set(struct protocol *protocol, unsigned int index, uint64_t now, uint64_t until,
		      const struct protocol_cut *cut)
{
	struct view_shard *shard = &protocol->view.shards[index];
	uint64_t latest;

	/* If its key has changed meanwhile, the daemon has the end with an older epoch. */
	if (!protocol_wants_end(protocol, index, now, &latest) || shard->asked_mod != shard->mod) {
		move_go_on(protocol, shard);
		return;
	}
	shard->ends_epoch = protocol_epoch(protocol, shard);
	shard->ends = shard->sent_until = until;
	shard->ends_later = cut ? cut->later : 0;
	shard->cut_at = cut && cut->comes < until ? cut->comes : until;
	free(shard->cut);
	shard->cut = cut ? strdup(cut->numbers) : NULL;
	protocol->moved_at = now;
}

bool protocol_wants_later(const struct protocol *protocol, unsigned int index, uint64_t now,
			  struct protocol_end *end)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	*end = (struct protocol_end){.from = shard->from,
				     .until = shard->ends_later,
				     .epoch = shard->ends_epoch,
				     .cut = shard->cut};
	/* Only a record of ours says `left` while it ends here, so it was passed on. */
	return shard->ends > now && shard->ends_later > shard->ends && shard->record.left &&
	       shard->cut && strcmp(shard->record.node, protocol->settings.node) != 0 &&
	       !view_overruled(&protocol->view, shard, now);
}

void protocol_later_set(struct protocol *protocol, unsigned int index, bool accepted)
{
	struct view_shard *shard = &protocol->view.shards[index];

	if (accepted)
		shard->ends = shard->ends_later;
	shard->ends_later = 0;
}

void move_passed(struct view_shard *shard, uint64_t now)
{
	shard->late |= shard->ends && shard->cut && now > shard->cut_at;
}

void move_stop_all(struct protocol *protocol, const char *reason)
{
	for (unsigned int i = 0; i < protocol->view.nr_shards; i++)
		stop(protocol, &protocol->view.shards[i], reason);
}

/* Whether the daemon sends it no longer, or is going to end it without us. What is muted stays
 * muted until it is passed on. */
static bool may_pass(const struct protocol *protocol, struct view_shard *shard, uint64_t now)
{
	if (move_has_end(shard))
		return true;
	/* It has to come to us first: its former holder ends it only once. */
	if (shard->quiet > now || shard->old_end > now)
		return false;
	if (view_elapsed(now, shard->move_since) > PATIENCE_NS &&
	    view_elapsed(now, protocol->moved_at) > PATIENCE_NS)
		shard->move_mutes = true;
	if (shard->sent_until > now)
		return false;
	shard->move_mutes = true;
	return true;
}

uint64_t move_left(const struct view_shard *shard, uint64_t now)
{
	uint64_t until = shard->ends > shard->quiet ? shard->ends : shard->quiet;

	if (shard->ends_later > until)
		until = shard->ends_later;
	if (shard->old_end > until)
		until = shard->old_end;
	return until > now ? until - now : 0;
}

bool move_pass(struct protocol *protocol, uint64_t now)
{
	struct txn *txn = &protocol->txn;
	unsigned int to = NO_NODE, found = 0;

	for (unsigned int i = 0; i < protocol->view.nr_shards && found < TXN_SHARDS; i++) {
		struct view_shard *shard = &protocol->view.shards[i];
		struct shard_record *becomes;
		unsigned int node;

		if (!*shard->move_to || !is_ours(protocol, shard))
			continue;
		node = view_find(&protocol->view, shard->move_to);
		if (node == NO_NODE || view_rank(&protocol->view, shard, node) == NO_NODE) {
			stop(protocol, shard, NOT_ACCEPTED); /* any more: we go on */
			continue;
		}
		if ((to != NO_NODE && node != to) || !may_pass(protocol, shard, now))
			continue;
		to = node;
		if (!found++)
			protocol_start(protocol, now, TXN_PASS, protocol->mod);
		becomes = &protocol_add(protocol, shard, shard->move_to,
					protocol->view.nodes[node].term)
				   ->becomes;
		becomes->pinned = shard->move_pins;
		becomes->left = move_left(shard, now);
		becomes->cut = becomes->left ? shard->cut : NULL;
		if (becomes->left && !becomes->cut && has_time(protocol, shard))
			becomes->until_real = now + becomes->left + (uint64_t)protocol->view.real;
	}
	if (!found)
		return false;
	snprintf(txn->other, CLUSTER_NAME_SIZE, "%s", protocol->view.nodes[to].name);
	txn->other_mod = protocol->view.nodes[to].term;
	return true;
}

/* ---- the beginning there ---- */

const char *protocol_cut(const struct protocol *protocol, unsigned int index, uint64_t now)
{
	const struct view_shard *shard = &protocol->view.shards[index];

	return is_ours(protocol, shard) && !shard->ends && !shard->cut_set &&
			       shard->from_mod == shard->mod && shard->from > now
		       ? shard->cut
		       : NULL;
}

void protocol_cut_set(struct protocol *protocol, unsigned int index, uint64_t now)
{
	struct view_shard *shard = &protocol->view.shards[index];
	uint64_t left = shard->record.left;

	shard->cut_set = true;
	/* The numbers were chosen to come in the middle of that time, which is longer here by the
	 * share of the guard. What has passed of it before the record came, only the former holder
	 * can know: move_passed(). */
	shard->late |= shard->quiet <
		       now + left / 2 + left * protocol->view.guard / protocol->view.deadline;
	protocol->hurry |= shard->late;
}

uint64_t protocol_withheld(const struct protocol *protocol)
{
	return protocol->settings.gap + protocol->settings.deadline;
}

void protocol_cut_refused(struct protocol *protocol, unsigned int index, uint64_t now)
{
	struct view_shard *shard = &protocol->view.shards[index];
	uint64_t from = (shard->quiet > now ? shard->quiet : now) + protocol->settings.gap;

	shard->cut_set = shard->late = protocol->hurry = true;
	if (shard->from_mod == shard->mod && shard->from > from)
		shard->from = from;
}

bool move_is_over(const struct protocol *protocol, const struct view_shard *shard, uint64_t now)
{
	return is_ours(protocol, shard) && shard->record.left && !shard->ends &&
	       shard->from_mod == shard->mod && shard->from <= now && shard->old_end <= now;
}
