/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/rendezvous.h"

void view_free(struct view *view)
{
	for (unsigned int i = 0; i < view->nr_shards; i++)
		free(view->shards[i].cut);
	free(view->shards);
	view->shards = NULL;
	view->nr_shards = 0;
}

/* ---- leases ---- */

/* Whether the node's rules name the lease; then *same says whether with our number of shards. */
static bool names_lease(const struct node_record *record, const struct view_lease *lease,
			bool *same)
{
	for (unsigned int i = 0; i < record->nr_leases; i++) {
		if (record->names[i] != lease->of_name)
			continue;
		*same = record->leases[i] == lease->hash;
		return true;
	}
	return false;
}

static void find_rulers(struct view *view, uint64_t now)
{
	for (unsigned int i = 0; i < view->nr_leases; i++) {
		struct view_lease *lease = &view->leases[i];
		int64_t oldest = INT64_MAX;
		bool before = lease->overruled, same;

		lease->ruler = NO_NODE;
		lease->overruled = false;
		for (unsigned int j = 0; j < CLUSTER_NODES; j++) {
			const struct view_node *node = &view->nodes[j];

			if (!*node->name || node->term >= oldest ||
			    !names_lease(&node->record, lease, &same))
				continue;
			oldest = node->term;
			lease->ruler = j;
			lease->overruled = !same;
		}
		if (before && !lease->overruled)
			lease->agreed_at = now + view->deadline + view->guard;
	}
}

/* ---- shards ---- */

struct view_shard *view_shard(const struct view *view, const char *lease, unsigned int number)
{
	unsigned int first = 0;

	for (unsigned int i = 0; i < view->nr_leases; i++) {
		const struct lease_name *name = &view->leases[i].name;

		if (strcmp(name->name, lease) == 0)
			return number < name->shards ? &view->shards[first + number] : NULL;
		first += name->shards;
	}
	return NULL;
}

bool view_same_leases(const struct view *view, const struct lease_name *leases, unsigned int count)
{
	if (count != view->nr_leases)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(view->leases[i].name.name, leases[i].name) != 0 ||
		    view->leases[i].name.shards != leases[i].shards)
			return false;
	}
	return true;
}

static int count_shards(const struct lease_name *leases, unsigned int count, unsigned int *shards)
{
	*shards = 0;
	if (count > CLUSTER_LEASES)
		return -E2BIG;
	for (unsigned int i = 0; i < count; i++) {
		if (leases[i].shards > CLUSTER_LEASE_SHARDS)
			return -E2BIG;
		*shards += leases[i].shards;
	}
	return *shards > CLUSTER_SHARDS ? -E2BIG : 0;
}

static void enter_lease(struct view *next, const struct view *view, const struct lease_name *name)
{
	struct view_lease *lease = &next->leases[next->nr_leases];

	*lease = (struct view_lease){.name = *name,
				     .hash = lease_hash(name->name, name->shards),
				     .of_name = name_hash(name->name)};
	for (unsigned int i = 0; i < view->nr_leases; i++) {
		const struct view_lease *before = &view->leases[i];

		if (before->hash == lease->hash)
			*lease = *before;
		else if (before->of_name == lease->of_name)
			lease->hold = before->hold;
	}
	for (unsigned int i = 0; i < name->shards; i++) {
		const struct view_shard *known = view_shard(view, name->name, i);
		struct view_shard *shard = &next->shards[next->nr_shards++];

		*shard = known ? *known : (struct view_shard){.number = i};
		shard->lease = next->nr_leases;
		shard->hash = lease->hash;
	}
	next->nr_leases++;
}

/* What the shards have that are not in `next`. */
static void free_others(const struct view *view, const struct view *next)
{
	for (unsigned int i = 0; i < view->nr_shards; i++) {
		struct view_shard *shard = &view->shards[i];

		if (!view_shard(next, view->leases[shard->lease].name.name, shard->number))
			free(shard->cut);
	}
}

int view_set_leases(struct view *view, const struct lease_name *leases, unsigned int count)
{
	struct view *next;
	unsigned int shards;
	int err = count_shards(leases, count, &shards);

	if (err || view_same_leases(view, leases, count))
		return err;
	next = malloc(sizeof(*next));
	if (!next)
		return -ENOMEM;
	*next = *view;
	next->nr_leases = next->nr_shards = 0;
	next->shards = calloc(shards + 1, sizeof(*next->shards));
	if (!next->shards) {
		free(next);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < count; i++)
		enter_lease(next, view, &leases[i]);
	free_others(view, next);
	free(view->shards);
	*view = *next;
	find_rulers(view, 0); /* it only overrules */
	free(next);
	return 1;
}

/* A message that has taken longer than this, as the time of day says, was not sent then. */
#define LONGEST_DELAY_NS 100000000LL

/* When the former holder has ended, by the time of day; 0: that cannot be trusted. */
static uint64_t exact_end(const struct view *view, uint64_t now, const struct shard_record *record,
			  uint64_t quiet)
{
	int64_t end = (int64_t)record->until_real - view->real;
	int64_t delay = (int64_t)(now + record->left) - end;

	if (!view->clock_error || !record->until_real || end < 0 || now < view->real_from)
		return 0;
	if (delay < -(int64_t)view->clock_error || delay > LONGEST_DELAY_NS ||
	    (uint64_t)end + view->clock_error > quiet)
		return 0;
	return (uint64_t)end + view->clock_error;
}

void view_resume(struct view_shard *shard)
{
	if (shard->ends > shard->old_end)
		shard->old_end = shard->ends;
	if (shard->ends_later > shard->old_end)
		shard->old_end = shard->ends_later;
	shard->ends = shard->ends_later = 0;
}

/* Its holder has changed, or what is known of the last change. */
static void keep_record(struct view *view, uint64_t now, struct view_shard *shard, int64_t mod,
			const struct shard_record *record)
{
	bool same = record->term == shard->record.term && *record->node &&
		    strcmp(record->node, shard->record.node) == 0;
	char *cut;
	uint64_t quiet = now + record->left + record->left * view->guard / view->deadline;

	/* Its holder goes on. With `left` it was another node's meanwhile, which was not seen. An
	 * end that is set is of the older key: the daemon obeys it until it has a newer epoch. */
	if (same && !record->left && shard->from_mod == shard->mod) {
		shard->from_mod = mod;
		view_resume(shard);
	}
	shard->mod = mod;
	cut = record->cut ? strdup(record->cut) : NULL; /* it may be the same */
	free(shard->cut);
	shard->cut = cut;
	shard->cut_set = false;
	shard->record = *record;
	shard->record.cut = NULL;
	/* What a change obeys was asked for before it. */
	if (record->asked > shard->asked && record->asked < mod)
		shard->asked = record->asked;
	shard->exact = exact_end(view, now, record, quiet);
	/* Of an end here, only others know no better. */
	if (record->left && quiet > shard->quiet && shard->ends <= now &&
	    shard->ends_later <= now && shard->old_end <= now)
		shard->quiet = quiet;
}

/* Its key has vanished or cannot be read. Perhaps its holder does not know that yet. */
static void wait_for_holder(const struct view *view, uint64_t now, struct view_shard *shard)
{
	uint64_t end = now + view->deadline + view->guard;

	if (end > shard->quiet)
		shard->quiet = end;
}

struct view_shard *view_see_shard(struct view *view, uint64_t now, const char *lease,
				  unsigned int number, int64_t mod,
				  const struct shard_record *record)
{
	static const struct shard_record none;
	struct view_shard *shard = view_shard(view, lease, number);
	bool stays;

	if (!shard)
		return NULL;
	shard->listed = mod;
	view->replaced |= mod == shard->mod && record &&
			  (record->term != shard->record.term ||
			   strcmp(record->node, shard->record.node) != 0);
	if (mod <= shard->mod)
		return NULL;
	view->look = true;
	if (record ? !*record->node : shard->mod != 0)
		wait_for_holder(view, now, shard);
	/* A move that waits goes on if the same holder has renewed the record. */
	stays = record && !record->left && record->term == shard->record.term &&
		strcmp(record->node, shard->record.node) == 0;
	keep_record(view, now, shard, record ? mod : 0, record ? record : &none);
	if (!stays)
		*shard->move_to = '\0';
	return shard;
}

/* ---- nodes ---- */

unsigned int view_find(const struct view *view, const char *name)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		if (*name && strcmp(view->nodes[i].name, name) == 0)
			return i;
	}
	return NO_NODE;
}

static unsigned int free_place(const struct view *view)
{
	unsigned int i = 0;

	while (i < CLUSTER_NODES && *view->nodes[i].name)
		i++;
	return i;
}

static void forget(struct view *view, uint64_t now, struct view_node *node)
{
	/* It has left, or was declared dead, so it has ended. */
	for (unsigned int i = 0; i < view->nr_shards; i++) {
		struct view_shard *shard = &view->shards[i];

		if (shard->record.term != node->term || strcmp(shard->record.node, node->name) != 0)
			continue;
		shard->ended = now;
		shard->ended_mod = shard->mod;
	}
	*node = (struct view_node){0};
	view->changed = now;
	view->look = true;
	find_rulers(view, now);
}

static bool is_fit(const struct node_record *record, const struct view_shard *shard)
{
	for (unsigned int i = 0; i < record->nr_leases; i++) {
		unsigned int bit = record->first[i] + shard->number;

		if (record->leases[i] == shard->hash)
			return bit >= CLUSTER_SHARDS || !(record->unfit[bit / 64] >> bit % 64 & 1);
	}
	return true;
}

/* Inputs that come and go count as well for how long a shard has been stable. */
static void note_inputs(struct view *view, uint64_t now, const struct node_record *before,
			const struct node_record *record)
{
	for (unsigned int i = 0; i < view->nr_shards; i++) {
		struct view_shard *shard = &view->shards[i];

		if (is_fit(record, shard) != is_fit(before, shard))
			shard->changed = now;
	}
}

void view_see_node(struct view *view, uint64_t now, const char *name, int64_t term, int64_t mod,
		   const struct node_record *record)
{
	unsigned int found = view_find(view, name);
	struct view_node *node;
	bool renamed;

	if (found == NO_NODE) {
		found = record ? free_place(view) : NO_NODE;
		if (found == NO_NODE)
			return; /* a 65th node gets nothing from us; its own shards are its own */
		snprintf(view->nodes[found].name, CLUSTER_NAME_SIZE, "%s", name);
		view->nodes[found].hash = name_hash(name);
	}
	node = &view->nodes[found];
	node->listed = mod;
	view->replaced |= mod == node->mod && record &&
			  (term != node->term || record->instance != node->record.instance);
	if (mod <= node->mod)
		return;
	if (!record) {
		forget(view, now, node);
		return;
	}
	if (record->real)
		node->delays[node->nr_delays++ % VIEW_DELAYS] =
			(int64_t)now + view->real - (int64_t)record->real;
	if (record->ask.id != node->record.ask.id)
		node->ask_at = mod;
	if (term != node->term) {
		node->since = view->changed = now;
		node->live = view->look = true;
	}
	renamed = term != node->term || record->nr_leases != node->record.nr_leases ||
		  memcmp(record->leases, node->record.leases, sizeof(record->leases)) != 0;
	if (renamed || memcmp(record->unfit, node->record.unfit, sizeof(record->unfit)) != 0)
		note_inputs(view, now, &node->record, record);
	node->renewed = node->mod;
	node->term = term;
	node->mod = mod;
	node->seen = now;
	node->record = *record;
	if (renamed)
		find_rulers(view, now);
}

/* What the nodes' delays say, and moments that were agreed on, is of the time before the step. */
void view_set_real(struct view *view, uint64_t now, int64_t offset)
{
	uint64_t step = (uint64_t)(offset > view->real ? offset - view->real : view->real - offset);

	if (view->clock_error && view->real && step > view->clock_error) {
		view->real_from = now + VIEW_STEP_NS;
		for (unsigned int i = 0; i < CLUSTER_NODES; i++)
			view->nodes[i].nr_delays = 0;
	}
	view->real = offset;
}

bool view_agrees(const struct view *view, const struct view_node *node)
{
	bool agrees = view->clock_error && node->nr_delays >= VIEW_DELAYS;

	for (unsigned int i = 0; i < VIEW_DELAYS; i++)
		agrees = agrees && node->delays[i] >= -(int64_t)view->clock_error;
	return agrees;
}

void view_forget(struct view *view, uint64_t now)
{
	static const struct shard_record none;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++)
		view->nodes[i] = (struct view_node){0};
	for (unsigned int i = 0; i < view->nr_shards; i++) {
		struct view_shard *shard = &view->shards[i];

		wait_for_holder(view, now, shard);
		keep_record(view, now, shard, 0, &none);
		*shard->move_to = '\0';
		/* Its revisions may be those of other changes. */
		shard->from_mod = -1;
		shard->ended = 0;
		shard->asked = 0;
	}
	view->changed = now;
	find_rulers(view, now);
}

void view_reading(struct view *view)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++)
		view->nodes[i].listed = 0;
	for (unsigned int i = 0; i < view->nr_shards; i++)
		view->shards[i].listed = 0;
	view->replaced = false;
}

/* A key that was written at a revision cannot be read with an older one after that. */
static bool is_older(int64_t listed, int64_t mod, int64_t revision)
{
	return listed && listed < mod && mod <= revision;
}

bool view_see_all(struct view *view, uint64_t now, int64_t revision)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		struct view_node *node = &view->nodes[i];

		view->replaced |= is_older(node->listed, node->mod, revision);
		if (*node->name && !node->listed && node->mod <= revision)
			forget(view, now, node);
	}
	for (unsigned int i = 0; i < view->nr_shards; i++) {
		struct view_shard *shard = &view->shards[i];

		view->replaced |= is_older(shard->listed, shard->mod, revision);
		if (!shard->listed && shard->mod <= revision) {
			static const struct shard_record none;

			if (shard->mod)
				wait_for_holder(view, now, shard);
			keep_record(view, now, shard, 0, &none);
		}
	}
	view->look = true;
	return view->replaced;
}

void view_refresh(struct view *view, uint64_t now)
{
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		struct view_node *node = &view->nodes[i];
		bool live = *node->name &&
			    view_elapsed(now, node->seen) <= view->deadline + view->guard;

		if (live != node->live) {
			view->changed = now;
			view->look = true;
		}
		node->live = live;
	}
}

void view_forgive(struct view *view, uint64_t now, uint64_t time)
{
	uint64_t patience = view->deadline + view->guard;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		struct view_node *node = &view->nodes[i];

		if (*node->name && node->seen + patience < now + time)
			node->seen = now + time - patience;
	}
}

/* ---- whose a shard should be ---- */

unsigned int view_holder(const struct view *view, const struct view_shard *shard)
{
	unsigned int node = view_find(view, shard->record.node);

	return node != NO_NODE && view->nodes[node].term == shard->record.term ? node : NO_NODE;
}

static bool may_hold(const struct view_node *node, const struct view_shard *shard)
{
	if (!node->live || node->record.draining)
		return false;
	for (unsigned int i = 0; i < node->record.nr_leases; i++) {
		if (node->record.leases[i] == shard->hash)
			return true;
	}
	return false;
}

/* The highest bit is that it can relay the shard. */
static uint64_t score(const struct view_node *node, const struct view_shard *shard)
{
	uint64_t ticket =
		rendezvous_score(node->hash, node->record.weight, shard->hash, shard->number);

	return (uint64_t)is_fit(&node->record, shard) << 63 | ticket >> 1;
}

bool view_fit(const struct view *view, const struct view_shard *shard, unsigned int node)
{
	return is_fit(&view->nodes[node].record, shard);
}

/* A selection by rank: the nodes are few, and ranks beyond 2 are rare. */
unsigned int view_ranked(const struct view *view, const struct view_shard *shard, unsigned int rank)
{
	uint64_t below = UINT64_MAX;
	unsigned int best;

	do {
		uint64_t high = 0;

		best = NO_NODE;
		for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
			uint64_t ticket;

			if (!may_hold(&view->nodes[i], shard))
				continue;
			ticket = score(&view->nodes[i], shard);
			if (ticket < below && ticket >= high) {
				high = ticket;
				best = i;
			}
		}
		below = high;
	} while (rank-- && best != NO_NODE);
	return best;
}

unsigned int view_rank(const struct view *view, const struct view_shard *shard, unsigned int node)
{
	uint64_t own = score(&view->nodes[node], shard);
	unsigned int rank = 0;

	if (!may_hold(&view->nodes[node], shard))
		return NO_NODE;
	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		if (may_hold(&view->nodes[i], shard) && score(&view->nodes[i], shard) > own)
			rank++;
	}
	return rank;
}

static uint64_t ticket_of(const struct view_node *node, const struct view_shard *shard)
{
	return rendezvous_score(node->hash, node->record.weight, shard->hash, shard->number);
}

bool view_is_behind(const struct view *view, const struct view_shard *shard, unsigned int node,
		    unsigned int most)
{
	uint64_t own = ticket_of(&view->nodes[node], shard);
	unsigned int before = 0;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const struct view_node *other = &view->nodes[i];

		before += may_hold(other, shard) && is_fit(&other->record, shard) &&
			  ticket_of(other, shard) > own;
	}
	return before >= most;
}

unsigned int view_bury_rank(const struct view *view, unsigned int dead, unsigned int node)
{
	uint64_t own = rendezvous_score(view->nodes[node].hash, 1, view->nodes[dead].hash, 0);
	unsigned int rank = 0;

	for (unsigned int i = 0; i < CLUSTER_NODES; i++) {
		const struct view_node *other = &view->nodes[i];

		if (i != dead && other->live &&
		    rendezvous_score(other->hash, 1, view->nodes[dead].hash, 0) > own)
			rank++;
	}
	return rank;
}
