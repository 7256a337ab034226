/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/leases.h"

#include <errno.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/log.h"
#include "relay/lease_table.h"

/* ---- changes ---- */

/* The lease, if it has this shard; -1: any. Otherwise `reason` says what there is. */
static struct lease *require(const struct leases *leases, const char *name, int shard,
			     char reason[REASON_SIZE])
{
	struct lease *lease = lease_find_used(leases, name);

	if (!lease) {
		explain(reason, -ENOENT,
			"no rule has a lease %.63s: `xmcastctl lease list` shows those that exist",
			name);
	} else if (shard >= (int)lease->shards) {
		explain(reason, -ENOENT, "lease %.63s has no shard %d: its shards are 0 to %u",
			name, shard, lease->shards - 1);
		lease = NULL;
	}
	return lease;
}

/* The shards of a change: from `i` up to, and without, `end`. */
static unsigned int first_shard(int shard, const struct lease *lease, unsigned int *end)
{
	*end = shard < 0 ? lease->shards : (unsigned int)shard + 1;
	return shard < 0 ? 0 : (unsigned int)shard;
}

/* A shard that goes on keeps the time from which it is held, so that no packet sees it change. */
static void apply(struct leases *leases, unsigned int slot, uint64_t from_ns, uint64_t until_ns,
		  uint64_t now_ns)
{
	const struct xmc_lease *before = &leases->slots[slot];

	/* What has arrived in time is still sent. */
	if (until_ns < now_ns)
		until_ns = before->until_ns < now_ns ? before->until_ns : now_ns;
	if (from_ns <= now_ns && before->from_ns <= now_ns)
		from_ns = before->from_ns;
	lease_write_slot(leases, slot, from_ns, until_ns);
}

/* ---- events ---- */

static bool is_held(const struct xmc_lease *slot, uint64_t now_ns)
{
	return slot->from_ns <= now_ns && now_ns < slot->until_ns;
}

/* The shards of a lease to which the same has happened, for one event. */
struct happening {
	unsigned int count, first; /* the number of the first one */
};

static void happen(struct happening *happening, unsigned int shard)
{
	if (!happening->count++)
		happening->first = shard;
}

/* `alone`: nobody has asked for what has changed. */
static void report_changes(const struct leases *leases, struct lease *lease, uint64_t now_ns,
			   bool alone)
{
	struct happening held = {}, ended = {};

	for (unsigned int i = 0; i < lease->shards; i++) {
		bool now = is_held(&leases->slots[lease->first + i], now_ns);

		if (now != lease->state[i].held)
			happen(now ? &held : &ended, i);
		lease->state[i].held = now;
	}
	if (held.count)
		log_event(LOG_LEVEL_INFO, "lease-held", LOG_NAME("lease", lease->name),
			  LOG_UINT("shard", held.first), LOG_UINT("shards", held.count));
	if (ended.count && alone)
		log_event(LOG_LEVEL_WARNING, "lease-expired", LOG_NAME("lease", lease->name),
			  LOG_UINT("shard", ended.first), LOG_UINT("shards", ended.count));
	else if (ended.count)
		log_event(LOG_LEVEL_INFO, "lease-standby", LOG_NAME("lease", lease->name),
			  LOG_UINT("shard", ended.first), LOG_UINT("shards", ended.count));
}

static void report_unheld(struct lease *lease, uint64_t now_ns, unsigned int unheld_after)
{
	struct happening unheld = {};

	for (unsigned int i = 0; i < lease->shards; i++) {
		struct shard *shard = &lease->state[i];
		bool now;

		if (shard->held || now_ns < shard->elsewhere_ns)
			shard->seen_ns = now_ns;
		now = unheld_after && now_ns - shard->seen_ns >= unheld_after * NS_PER_SECOND;
		if (now && !shard->unheld)
			happen(&unheld, i);
		shard->unheld = now;
	}
	if (unheld.count)
		log_event(LOG_LEVEL_WARNING, "lease-unheld", LOG_NAME("lease", lease->name),
			  LOG_UINT("shard", unheld.first), LOG_UINT("shards", unheld.count));
}

void leases_look(struct leases *leases, uint64_t now_ns, unsigned int unheld_after)
{
	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		report_changes(leases, leases->list[i], now_ns, true);
		report_unheld(leases->list[i], now_ns, unheld_after);
	}
}

unsigned int leases_unheld(const struct leases *leases)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		for (unsigned int j = 0; j < leases->list[i]->shards; j++)
			count += leases->list[i]->state[j].unheld;
	}
	return count;
}

/* ---- changes ---- */

static int check(const struct leases *leases, const struct lease_change *change,
		 char reason[REASON_SIZE])
{
	const struct lease *lease = require(leases, change->name, change->shard, reason);
	unsigned int i, end;

	if (!lease)
		return -ENOENT;
	if (change->shards && change->shards != lease->shards)
		return explain(reason, -ENOENT, "lease %.63s has %u shards, not %u", change->name,
			       lease->shards, change->shards);
	for (i = first_shard(change->shard, lease, &end); i < end; i++) {
		if (change->epoch < lease->state[i].epoch)
			return explain(reason, -ESTALE,
				       "lease %.63s, shard %u: epoch %llu is lower than the last "
				       "one, %llu",
				       change->name, i, (unsigned long long)change->epoch,
				       (unsigned long long)lease->state[i].epoch);
	}
	return 0;
}

static bool ends_move(const struct shard *shard, const struct lease_change *change, uint64_t now_ns)
{
	return shard->side == CUT_NONE || shard->latest_ns <= now_ns ||
	       change->until_ns <= now_ns ||
	       (change->epoch != LEASE_SAME_EPOCH && change->epoch != shard->epoch);
}

static void change_shard(struct leases *leases, struct shard *shard, unsigned int slot,
			 const struct lease_change *change, uint64_t now_ns)
{
	uint64_t from_ns = change->from_ns;

	shard->elsewhere_ns = change->elsewhere_ns;
	leases->cold_changed |= shard->cold != change->cold;
	shard->cold = change->cold;
	if (change->keep)
		return;
	if (change->nr_cuts) {
		shard->side = change->side;
		shard->latest_ns = change->side == CUT_FROM ? from_ns : change->until_ns;
	} else if (ends_move(shard, change, now_ns)) {
		shard->side = CUT_NONE;
	}
	/* Until the latest moment, numbers decide. */
	if (shard->side == CUT_FROM && from_ns == shard->latest_ns)
		from_ns = 0;
	if (change->epoch != LEASE_SAME_EPOCH) {
		leases->changed |= shard->epoch != change->epoch;
		shard->epoch = change->epoch;
	}
	apply(leases, slot, from_ns, change->until_ns, now_ns);
}

static void carry_out(struct leases *leases, const struct lease_change *change, uint64_t now_ns)
{
	struct lease *lease = lease_find_used(leases, change->name);
	unsigned int i, end;

	if (!lease)
		return; /* leases_check() has found it */
	for (i = first_shard(change->shard, lease, &end); i < end; i++)
		change_shard(leases, &lease->state[i], lease->first + i, change, now_ns);
}

static bool prepare(struct leases *leases, const struct lease_change *change, uint64_t now_ns)
{
	const struct lease *lease = lease_find_used(leases, change->name);
	bool later = change->from_ns > now_ns && change->side != CUT_FROM;
	bool begins = false;
	unsigned int i, end;

	for (i = first_shard(change->shard, lease, &end); i < end; i++) {
		const struct xmc_lease *slot = &leases->slots[lease->first + i];
		const struct shard *shard = &lease->state[i];
		bool held = is_held(slot, now_ns);
		/* A renewal of a shard that numbers begin does not end it until the latest moment.
		 */
		bool ends =
			later && (shard->side != CUT_FROM || change->from_ns != shard->latest_ns ||
				  ends_move(shard, change, now_ns));

		if (held && ends)
			lease_write_slot(leases, lease->first + i, slot->from_ns, now_ns);
		begins |= change->until_ns > now_ns && (!held || ends);
	}
	return begins;
}

bool leases_prepare(struct leases *leases, const struct lease_change *changes, unsigned int count)
{
	uint64_t now_ns = clock_ns();
	bool begins = false;

	for (unsigned int i = 0; i < count; i++) {
		if (!changes[i].keep)
			begins |= prepare(leases, &changes[i], now_ns);
	}
	return begins;
}

int leases_check(const struct leases *leases, const struct lease_change *changes,
		 unsigned int count, char reason[REASON_SIZE])
{
	int err = 0;

	for (unsigned int i = 0; !err && i < count; i++)
		err = check(leases, &changes[i], reason);
	return err;
}

int leases_change(struct leases *leases, const struct lease_change *changes, unsigned int count,
		  char reason[REASON_SIZE])
{
	uint64_t now_ns = clock_ns();
	int err = leases_check(leases, changes, count, reason);

	if (err)
		return err;
	for (unsigned int i = 0; i < count; i++)
		carry_out(leases, &changes[i], now_ns);
	for (unsigned int i = 0; i < leases->nr_leases; i++)
		report_changes(leases, leases->list[i], now_ns, false);
	return 0;
}

static enum cut_side move_of(const struct shard *shard, uint64_t now_ns)
{
	return now_ns < shard->latest_ns ? shard->side : CUT_NONE;
}

static void show(const struct leases *leases, const struct lease *lease, unsigned int i,
		 uint64_t now_ns, lease_handler *handle, void *context)
{
	const struct xmc_lease *slot = &leases->slots[lease->first + i];
	const struct lease_state state = {
		.name = lease->name,
		.shards = lease->shards,
		.shard = i,
		.from_ns = slot->from_ns,
		.until_ns = slot->until_ns,
		.epoch = lease->state[i].epoch,
		.held = is_held(slot, now_ns),
		.rules = lease->state[i].rules,
		.slot = (uint16_t)(lease->first + i),
		.moving = move_of(&lease->state[i], now_ns),
	};

	handle(context, &state);
}

void leases_list(const struct leases *leases, uint64_t now_ns, lease_handler *handle, void *context)
{
	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		for (unsigned int j = 0; j < leases->list[i]->shards; j++)
			show(leases, leases->list[i], j, now_ns, handle, context);
	}
}

void leases_list_stale(const struct leases *leases, const struct lease_change *changes,
		       unsigned int count, lease_handler *handle, void *context)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct lease *lease = lease_find_used(leases, changes[i].name);
		unsigned int j = 0, end = 0;

		if (lease && changes[i].shard < (int)lease->shards)
			j = first_shard(changes[i].shard, lease, &end);
		for (; j < end; j++) {
			if (changes[i].epoch < lease->state[j].epoch)
				show(leases, lease, j, clock_ns(), handle, context);
		}
	}
}

/* NULL: the rule has no lease. */
static const struct shard *shard_of(const struct leases *leases, const struct rule *rule)
{
	const struct lease *lease = leases && rule->lease_shards
					    ? lease_find(leases, rule->lease, rule->lease_shards)
					    : NULL;

	return lease ? &lease->state[rule_shard(rule)] : NULL;
}

uint64_t leases_epoch(const struct leases *leases, const struct rule *rule)
{
	const struct shard *shard = shard_of(leases, rule);

	return shard ? shard->epoch : 0;
}

bool leases_cold(const struct leases *leases, const struct rule *rule, uint64_t now_ns)
{
	const struct shard *shard = leases ? shard_of(leases, rule) : NULL;

	return shard && shard->cold && now_ns < shard->elsewhere_ns &&
	       leases_mute(leases, rule, now_ns);
}

bool leases_cold_changed(struct leases *leases)
{
	bool changed = leases->cold_changed;

	leases->cold_changed = false;
	return changed;
}

enum cut_side leases_move(const struct leases *leases, const struct rule *rule, uint64_t now_ns,
			  uint64_t *latest_ns)
{
	const struct shard *shard = shard_of(leases, rule);

	*latest_ns = shard ? shard->latest_ns : 0;
	return shard ? move_of(shard, now_ns) : CUT_NONE;
}

bool leases_ends_move(const struct leases *leases, const struct rule *rule,
		      const struct lease_change *change, uint64_t now_ns)
{
	const struct shard *shard = shard_of(leases, rule);

	return !shard || ends_move(shard, change, now_ns);
}

bool leases_had_move(const struct leases *leases, const struct lease_change *change,
		     uint64_t now_ns)
{
	const struct lease *lease = lease_find_used(leases, change->name);
	bool had = lease && change->nr_cuts && change->side == CUT_FROM && change->from_ns &&
		   change->from_ns <= now_ns;
	unsigned int i, end;

	for (i = had ? first_shard(change->shard, lease, &end) : 0; had && i < end; i++)
		had = lease->state[i].latest_ns == change->from_ns;
	return had;
}

bool leases_changed(struct leases *leases)
{
	bool changed = leases->changed;

	leases->changed = false;
	return changed;
}

bool leases_mute(const struct leases *leases, const struct rule *rule, uint64_t now_ns)
{
	uint16_t slot = leases_find(leases, rule);

	return slot && !is_held(&leases->slots[slot], now_ns);
}

/* ---- from one process to the next ---- */

static json_t *describe_shard(const struct lease *lease, unsigned int i,
			      const struct xmc_lease *slot)
{
	const struct shard *shard = &lease->state[i];

	return json_pack("{s:s, s:i, s:i, s:I, s:I, s:I, s:i, s:I}", "name", lease->name, "shards",
			 (int)lease->shards, "shard", (int)i, "from", (json_int_t)slot->from_ns,
			 "until", (json_int_t)slot->until_ns, "epoch", (json_int_t)shard->epoch,
			 "side", (int)shard->side, "latest", (json_int_t)shard->latest_ns);
}

json_t *leases_describe(const struct leases *leases)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		const struct lease *lease = leases->list[i];

		for (unsigned int j = 0; j < lease->shards; j++) {
			const struct xmc_lease *slot = &leases->slots[lease->first + j];

			if (slot->until_ns || lease->state[j].epoch)
				json_add(&list, describe_shard(lease, j, slot));
		}
	}
	return list;
}

static uint64_t get_number(const json_t *object, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(object, key));

	return number > 0 ? (uint64_t)number : 0;
}

void leases_adopt(struct leases *leases, const json_t *list, bool held)
{
	uint64_t now_ns = clock_ns();
	const json_t *object;
	size_t i;

	json_array_foreach(list, i, object)
	{
		const char *name = json_string_value(json_object_get(object, "name"));
		uint64_t shards = get_number(object, "shards"),
			 number = get_number(object, "shard");
		uint64_t side = get_number(object, "side");
		struct lease *lease = name && shards <= LEASE_SHARDS_MAX && number < shards
					      ? lease_find(leases, name, (unsigned int)shards)
					      : NULL;
		struct shard *shard = lease ? &lease->state[number] : NULL;

		if (!shard)
			continue;
		shard->epoch = get_number(object, "epoch");
		shard->side =
			side == CUT_FROM || side == CUT_UNTIL ? (enum cut_side)side : CUT_NONE;
		shard->latest_ns = get_number(object, "latest");
		if (held)
			lease_write_slot(leases, lease->first + (unsigned int)number,
					 get_number(object, "from"), get_number(object, "until"));
		/* The predecessor has reported it. */
		shard->held = is_held(&leases->slots[lease->first + number], now_ns);
	}
}
