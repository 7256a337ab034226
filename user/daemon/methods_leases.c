/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/methods_leases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "daemon/daemon.h"
#include "relay/leases.h"

/* ---- lease.set ---- */

/* What a change is made of: in the request itself, or in each item of "leases". */
static const char expected[] =
	"{\"name\": NAME, \"until\": NANOSECONDS} with \"shard\", \"shards\", \"from\", \"epoch\", "
	"\"elsewhere\", \"from_seq\" or \"until_seq\" as needed, or {\"name\": NAME, "
	"\"elsewhere\": "
	"NANOSECONDS} with \"shard\", \"shards\" or \"cold\", all numbers from 0 on";

static bool read_number(const json_t *object, const char *key, json_int_t most, bool needed,
			json_int_t *number)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return !needed;
	*number = json_integer_value(value);
	return json_is_integer(value) && *number >= 0 && *number <= most;
}

/* "from_seq" or "until_seq": {RULE: NUMBER, …}. */
static bool read_cuts(const json_t *object, const char *key, enum cut_side side,
		      struct lease_change *change)
{
	json_t *numbers = json_object_get(object, key);
	struct lease_cut *cuts;
	const char *rule;
	json_t *number;

	if (!numbers)
		return true;
	if (change->nr_cuts || !json_object_size(numbers))
		return false;
	cuts = calloc(json_object_size(numbers), sizeof(*cuts));
	if (!cuts)
		return false;
	change->cuts = cuts;
	change->side = side;
	json_object_foreach(numbers, rule, number)
	{
		json_int_t value = json_integer_value(number);

		if (!json_is_integer(number) || value < 0 || value > UINT32_MAX)
			return false;
		cuts[change->nr_cuts++] = (struct lease_cut){rule, (uint32_t)value};
	}
	return true;
}

/* Higher ones are left for holders after this one: xmcast-cluster goes on from the highest epoch
 * that a daemon has, and a daemon accepts no lower one. */
#define EPOCH_MAX (INT64_MAX / 4)

static bool read_change(const json_t *object, struct lease_change *change)
{
	static const char *const optional[] = {"elsewhere", "shard", "shards",	 "cold",
					       "from",	    "epoch", "from_seq", "until_seq"};
	json_int_t shards = 0, shard = -1, from = 0, until = 0, epoch = -1, elsewhere = 0;
	size_t keys, known;

	/* Without "until" only the first four have a meaning. */
	change->keep = !json_object_get(object, "until");
	keys = change->keep ? 1 : 2;
	known = change->keep ? 4 : sizeof(optional) / sizeof(optional[0]);
	change->name = json_string_value(json_object_get(object, "name"));
	if (!change->name || !read_number(object, "shards", LEASE_SHARDS_MAX, false, &shards) ||
	    !read_number(object, "shard", LEASE_SHARDS_MAX - 1, false, &shard) ||
	    !read_number(object, "from", INT64_MAX, false, &from) ||
	    !read_number(object, "until", INT64_MAX, false, &until) ||
	    !read_number(object, "epoch", EPOCH_MAX, false, &epoch) ||
	    !read_number(object, "elsewhere", INT64_MAX, change->keep, &elsewhere) ||
	    !read_cuts(object, "from_seq", CUT_FROM, change) ||
	    !read_cuts(object, "until_seq", CUT_UNTIL, change))
		return false;
	for (size_t i = 0; i < known; i++)
		keys += json_object_get(object, optional[i]) != NULL;
	change->shards = (unsigned int)shards;
	change->shard = (int)shard;
	change->from_ns = (uint64_t)from;
	change->until_ns = (uint64_t)until;
	change->epoch = epoch < 0 ? LEASE_SAME_EPOCH : (uint64_t)epoch;
	change->elsewhere_ns = (uint64_t)elsewhere;
	change->cold = json_is_true(json_object_get(object, "cold"));
	if (json_object_get(object, "cold") &&
	    (!change->keep || !json_is_boolean(json_object_get(object, "cold"))))
		return false;
	return json_object_size(object) == keys;
}

static void fail(struct control_reply *reply, int err, const char *reason)
{
	control_fail(reply,
		     err == -ENOENT  ? CONTROL_NOT_FOUND
		     : err == -EBUSY ? CONTROL_FAILED
				     : CONTROL_REFUSED,
		     "%s; nothing was changed", reason);
}

/* Shards that a refusal names: all of one lease. */
#define STALE_MOST LEASE_SHARDS_MAX

static void add_stale(void *context, const struct lease_state *state)
{
	if (json_array_size(*(json_t **)context) == STALE_MOST)
		return;
	json_add(context, json_pack("{s:s, s:i, s:I}", "name", state->name, "shard",
				    (int)state->shard, "epoch", (json_int_t)state->epoch));
}

static void set(const struct daemon *daemon, struct lease_change *changes, size_t count,
		struct control_reply *reply)
{
	json_t *stale = json_array();
	char reason[REASON_SIZE];
	int err = relay_set_leases(daemon->relay, changes, (unsigned int)count, reason);

	if (err)
		fail(reply, err, reason);
	else
		reply->result = json_pack("{s:I}", "set", (json_int_t)count);
	if (err == -ESTALE) {
		leases_list_stale(relay_leases(daemon->relay), changes, (unsigned int)count,
				  add_stale, &stale);
		reply->data = json_pack("{s:O}", "stale", stale);
	}
	json_decref(stale);
}

/* With "sole": true a client becomes the only one that may say so, until it disconnects: two
 * programs that hand out leases would end each other's. False: refused. */
static bool become_sole(struct daemon *daemon, const json_t *sole, struct control_reply *reply)
{
	if (!sole)
		return true;
	if (!json_is_true(sole)) {
		control_fail(reply, RPC_INVALID_PARAMS, "sole: expected true, beside leases");
		return false;
	}
	if (daemon->lease_client != reply->client &&
	    control_server_has(daemon->control, daemon->lease_client)) {
		control_fail(reply, CONTROL_TAKEN,
			     "another program hands out the leases of this daemon");
		return false;
	}
	daemon->lease_client = reply->client;
	return true;
}

void method_lease_set(void *context, const json_t *params, struct control_reply *reply)
{
	const json_t *list = json_object_get(params, "leases");
	const json_t *sole = json_object_get(params, "sole");
	struct lease_change *changes;
	size_t count = 1;

	if (list && json_object_size(params) != 1 + (sole != NULL)) {
		control_fail(reply, RPC_INVALID_PARAMS,
			     "leases: expected no other key than \"sole\" beside it");
		return;
	}
	if (!become_sole(context, sole, reply))
		return;
	if (sole && json_is_array(list) && !json_array_size(list)) {
		reply->result = json_pack("{s:i}", "set", 0);
		return;
	}
	if (list) {
		list = control_param_objects(params, "leases", XMC_LEASE_SLOTS, reply);
		if (!list)
			return;
		count = json_array_size(list);
	}
	changes = calloc(count, sizeof(*changes));
	if (!changes)
		return;
	for (size_t i = 0; i < count; i++) {
		if (read_change(list ? json_array_get(list, i) : params, &changes[i]))
			continue;
		if (list)
			control_fail(reply, RPC_INVALID_PARAMS, "leases: item %zu: expected %s",
				     i + 1, expected);
		else
			control_fail(reply, RPC_INVALID_PARAMS, "expected %s", expected);
		goto out;
	}
	set(context, changes, count, reply);
out:
	for (size_t i = 0; i < count; i++)
		free((void *)changes[i].cuts);
	free(changes);
}

/* ---- lease.release ---- */

void method_lease_release(void *context, const json_t *params, struct control_reply *reply)
{
	const char *name = control_param_string(params, "name", reply);
	const struct daemon *daemon = context;
	char reason[REASON_SIZE];
	size_t shard = SIZE_MAX;
	int err;

	if (!name ||
	    !control_param_unsigned(params, "shard", 0, LEASE_SHARDS_MAX - 1, &shard, reply))
		return;
	err = relay_release_lease(daemon->relay, name, shard == SIZE_MAX ? -1 : (int)shard, reason);
	if (err)
		fail(reply, err, reason);
	else
		reply->result = json_object();
}

/* ---- lease.list ---- */

/* The page that is being filled; what is known of a shard is at its slot. */
struct listing {
	json_t *list;
	uint64_t now_ns;
	struct control_page page;
	size_t index;
	bool *wanted;
	struct lease_load *loads;
};

static bool is_on_page(struct listing *listing)
{
	size_t i = listing->index++;

	return i >= listing->page.offset && i - listing->page.offset < listing->page.limit;
}

static void want_shard(void *context, const struct lease_state *state)
{
	struct listing *listing = context;

	listing->wanted[state->slot] = is_on_page(listing);
}

static void list_shard(void *context, const struct lease_state *state)
{
	struct listing *listing = context;
	const struct lease_load *load = &listing->loads[state->slot];
	uint64_t remaining_ns = state->held ? state->until_ns - listing->now_ns : 0;

	if (!is_on_page(listing))
		return;
	json_add(&listing->list,
		 json_pack("{s:s, s:i, s:i, s:s, s:I, s:I, s:I, s:I, s:b, s:i, s:I, s:i}", "name",
			   state->name, "shards", (int)state->shards, "shard", (int)state->shard,
			   "state", state->held ? "held" : "standby", "from",
			   (json_int_t)state->from_ns, "until", (json_int_t)state->until_ns,
			   "remaining_ns", (json_int_t)remaining_ns, "epoch",
			   (json_int_t)state->epoch, "moving", state->moving != CUT_NONE, "rules",
			   (int)state->rules, "received_packets", (json_int_t)load->received,
			   "outputs_down", (int)load->outputs_down));
}

void method_lease_list(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	const struct leases *leases = relay_leases(daemon->relay);
	struct listing listing = {.now_ns = clock_ns()};

	if (!control_param_page(params, &listing.page, reply))
		return;
	listing.wanted = calloc(XMC_LEASE_SLOTS, sizeof(*listing.wanted));
	listing.loads = calloc(XMC_LEASE_SLOTS, sizeof(*listing.loads));
	if (!listing.wanted || !listing.loads)
		goto out;
	leases_list(leases, listing.now_ns, want_shard, &listing);
	if (relay_read_lease_loads(daemon->relay, listing.wanted, listing.loads))
		goto out;
	listing.index = 0;
	listing.list = json_array();
	leases_list(leases, listing.now_ns, list_shard, &listing);
	reply->result =
		json_pack("{s:i, s:I, s:b, s:i, s:I, s:o}", "total", (int)listing.index,
			  "generation", (json_int_t)relay_generation(daemon->relay), "guarded",
			  leases_guard(leases) >= 0, "unheld", (int)leases_unheld(leases), "now",
			  (json_int_t)listing.now_ns, "leases", listing.list);
out:
	free(listing.wanted);
	free(listing.loads);
}

/* ---- lease.sequence ---- */

/* The rules so far, and the name of one that has no sequence number. */
struct sequences {
	const struct daemon *daemon;
	json_t *rules;
	const char *without;
};

static void add_sequence(void *context, const struct rule_counts *counts)
{
	struct sequences *sequences = context;
	json_t *object = json_pack("{s:i}", "bits", (int)counts->rule->sequence_bits);
	uint64_t interval_us = sampler_interval_us(sequences->daemon->sampler, counts->id);

	if (interval_us)
		json_put(&object, "interval_us", json_integer((json_int_t)interval_us));
	if (counts->has_sequence && counts->received)
		json_put(&object, "last", json_integer((json_int_t)counts->sequence));
	json_put(&sequences->rules, counts->rule->name, object);
	if (!counts->rule->sequence_bits && !sequences->without)
		sequences->without = counts->rule->name;
}

void method_lease_sequence(void *context, const json_t *params, struct control_reply *reply)
{
	const struct daemon *daemon = context;
	const char *name = control_param_string(params, "name", reply);
	struct sequences sequences = {.daemon = daemon};
	size_t shard = 0;

	if (!name ||
	    !control_param_unsigned(params, "shard", 0, LEASE_SHARDS_MAX - 1, &shard, reply))
		return;
	sequences.rules = json_object();
	if (relay_read_shard(daemon->relay, name, (unsigned int)shard, add_sequence, &sequences))
		goto out;
	if (sequences.without)
		control_fail(reply, CONTROL_REFUSED,
			     "rule %.127s has no `sequence`: its lease can move at a moment only",
			     sequences.without);
	else if (!json_object_size(sequences.rules))
		control_fail(reply, CONTROL_NOT_FOUND, "no rule is in the shard %zu of a lease %s",
			     shard, name);
	else
		reply->result = json_pack("{s:O}", "rules", sequences.rules);
out:
	json_decref(sequences.rules);
}

/* ---- counts ---- */

struct counts {
	int held, all;
};

static void count_shard(void *context, const struct lease_state *state)
{
	struct counts *counts = context;

	counts->held += state->held;
	counts->all++;
}

json_t *method_lease_counts(const struct daemon *daemon)
{
	const struct leases *leases = relay_leases(daemon->relay);
	struct counts counts = {};

	leases_list(leases, clock_ns(), count_shard, &counts);
	return json_pack("{s:i, s:i, s:i, s:I}", "held_shards", counts.held, "standby_shards",
			 counts.all - counts.held, "unheld_shards", (int)leases_unheld(leases),
			 "double_sources", (json_int_t)relay_double_sources(daemon->relay));
}
