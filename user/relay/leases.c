/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/leases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/log.h"
#include "steering/guard.h"
#include "steering/leases.h"

/* What is known of a shard besides its slot. */
struct shard {
	uint64_t epoch;
	uint64_t elsewhere_ns; /* see struct lease_change */
	uint64_t seen_ns;      /* when somebody was last known to hold it */
	unsigned int rules;
	bool held;   /* as it was reported */
	bool unheld; /* likewise */
};

struct lease {
	char name[LEASE_NAME_SIZE];
	unsigned int shards;
	uint16_t first; /* slot of shard 0 */
	bool used;	/* by the configuration */
	struct shard state[];
};

struct leases {
	struct xmc_lease *slots; /* what the egress threads read */
	unsigned int nr_readers;
	struct xmc_lease **readers; /* further maps, written like the slots */
	struct guard *guard;	    /* NULL: no rule has had a lease yet, or there is none */
	bool guard_tried;
	bool taken[XMC_LEASE_SLOTS];
	/* Sorted by name and number of shards. */
	unsigned int nr_leases;
	struct lease **list;
};

int leases_open(struct leases **out)
{
	struct leases *leases = calloc(1, sizeof(*leases));
	size_t size = XMC_LEASE_SLOTS * sizeof(*leases->slots);

	if (!leases)
		return -ENOMEM;
	leases->taken[0] = true;
	leases->slots = aligned_alloc(sizeof(*leases->slots), size);
	if (!leases->slots) {
		free(leases);
		return -ENOMEM;
	}
	memset(leases->slots, 0, size);
	*out = leases;
	return 0;
}

void leases_close(struct leases *leases)
{
	if (!leases)
		return;
	guard_close(leases->guard);
	for (unsigned int i = 0; i < leases->nr_leases; i++)
		free(leases->list[i]);
	free(leases->list);
	free(leases->readers);
	free(leases->slots);
	free(leases);
}

/* ---- readers ---- */

int leases_add_reader(struct leases *leases, struct xmc_lease *map)
{
	struct xmc_lease **readers;

	if (!map)
		return 0;
	readers = realloc(leases->readers, (leases->nr_readers + 1UL) * sizeof(*readers));
	if (!readers)
		return -ENOMEM;
	leases->readers = readers;
	leases->readers[leases->nr_readers++] = map;
	for (unsigned int i = 0; i < XMC_LEASE_SLOTS; i++)
		lease_write(&map[i], leases->slots[i].from_ns, leases->slots[i].until_ns);
	return 0;
}

void leases_remove_reader(struct leases *leases, const struct xmc_lease *map)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < leases->nr_readers; i++) {
		if (leases->readers[i] != map)
			leases->readers[left++] = leases->readers[i];
	}
	leases->nr_readers = left;
}

static void write_slot(struct leases *leases, unsigned int slot, uint64_t from_ns,
		       uint64_t until_ns)
{
	lease_write(&leases->slots[slot], from_ns, until_ns);
	for (unsigned int i = 0; i < leases->nr_readers; i++)
		lease_write(&leases->readers[i][slot], from_ns, until_ns);
}

/* Without it, the other two checks go on. */
static void open_guard(struct leases *leases)
{
	const char *step;
	int err;

	if (leases->guard_tried)
		return;
	leases->guard_tried = true;
	err = guard_open(&leases->guard, &step);
	if (!err) {
		step = "memory";
		err = leases_add_reader(leases, guard_leases(leases->guard));
	}
	if (err) {
		/* Attached with an empty map, it would drop everything. */
		guard_close(leases->guard);
		leases->guard = NULL;
		log_warning("lease-unguarded", LOG_NAME("step", step), LOG_ERROR(err),
			    LOG_TEXT("hint", "the kernel does not check leases behind the egress "
					     "threads: mount cgroup2"));
	}
}

int leases_guard(const struct leases *leases)
{
	return guard_sockets(leases->guard);
}

/* ---- leases ---- */

static int compare(const char *name, unsigned int shards, const struct lease *lease)
{
	int order = strcmp(name, lease->name);

	return order ? order : (shards > lease->shards) - (shards < lease->shards);
}

/* The place of a lease in the list, or where it would be. With 0 shards: of the first of that
 * name. */
static unsigned int place_of(const struct leases *leases, const char *name, unsigned int shards)
{
	unsigned int low = 0, high = leases->nr_leases;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (compare(name, shards, leases->list[middle]) > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct lease *find(const struct leases *leases, const char *name, unsigned int shards)
{
	unsigned int place = place_of(leases, name, shards);
	struct lease *lease = place < leases->nr_leases ? leases->list[place] : NULL;

	return lease && compare(name, shards, lease) == 0 ? lease : NULL;
}

/* The lease of this name that the configuration names: with a number of shards that its rules agree
 * on. */
static struct lease *find_used(const struct leases *leases, const char *name)
{
	for (unsigned int i = place_of(leases, name, 0);
	     i < leases->nr_leases && strcmp(leases->list[i]->name, name) == 0; i++) {
		if (leases->list[i]->used)
			return leases->list[i];
	}
	return NULL;
}

/* Consecutive free slots; 0: there are none. */
static uint16_t take_slots(struct leases *leases, unsigned int count)
{
	unsigned int free_slots = 0;

	for (unsigned int i = 0; i < XMC_LEASE_SLOTS; i++) {
		free_slots = leases->taken[i] ? 0 : free_slots + 1;
		if (free_slots < count)
			continue;
		memset(&leases->taken[i + 1 - count], true, count);
		return (uint16_t)(i + 1 - count);
	}
	return 0;
}

static int add(struct leases *leases, const struct rule *rule)
{
	unsigned int shards = rule->lease_shards;
	unsigned int place = place_of(leases, rule->lease, shards);
	struct lease **list =
		realloc(leases->list, (leases->nr_leases + 1UL) * sizeof(*leases->list));
	struct lease *lease;

	if (!list)
		return -ENOMEM;
	leases->list = list;
	lease = calloc(1, sizeof(*lease) + shards * sizeof(lease->state[0]));
	if (!lease)
		return -ENOMEM;
	memcpy(lease->name, rule->lease, sizeof(lease->name));
	lease->shards = shards;
	lease->first = take_slots(leases, shards);
	for (unsigned int i = 0; i < shards; i++)
		lease->state[i].seen_ns = clock_ns();
	if (!lease->first) {
		free(lease);
		return -ENOSPC;
	}
	memmove(&list[place + 1], &list[place], (leases->nr_leases - place) * sizeof(*list));
	list[place] = lease;
	leases->nr_leases++;
	return 0;
}

int leases_add(struct leases *leases, const struct config *config)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];

		if (!rule->lease_shards)
			continue;
		open_guard(leases);
		if (!find(leases, rule->lease, rule->lease_shards))
			err = add(leases, rule);
	}
	return err;
}

static void drop(struct leases *leases, struct lease *lease)
{
	for (unsigned int i = 0; i < lease->shards; i++)
		write_slot(leases, lease->first + i, 0, 0);
	memset(&leases->taken[lease->first], false, lease->shards);
	free(lease);
}

void leases_trim(struct leases *leases, const struct config *config)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		struct lease *lease = leases->list[i];

		lease->used = false;
		for (unsigned int j = 0; j < lease->shards; j++)
			lease->state[j].rules = 0;
	}
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];
		struct lease *lease =
			rule->lease_shards ? find(leases, rule->lease, rule->lease_shards) : NULL;

		if (!lease)
			continue;
		lease->used = true;
		lease->state[rule_shard(rule)].rules++;
	}
	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		if (leases->list[i]->used)
			leases->list[left++] = leases->list[i];
		else
			drop(leases, leases->list[i]);
	}
	leases->nr_leases = left;
}

uint16_t leases_find(const struct leases *leases, const struct rule *rule)
{
	const struct lease *lease =
		leases && rule->lease_shards ? find(leases, rule->lease, rule->lease_shards) : NULL;

	return lease ? (uint16_t)(lease->first + rule_shard(rule)) : 0;
}

const struct xmc_lease *leases_slot(const struct leases *leases, uint16_t slot)
{
	return &leases->slots[slot];
}

/* ---- changes ---- */

/* The lease, if it has this shard; -1: any. Otherwise `reason` says what there is. */
static struct lease *require(const struct leases *leases, const char *name, int shard,
			     char reason[REASON_SIZE])
{
	struct lease *lease = find_used(leases, name);

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
	write_slot(leases, slot, from_ns, until_ns);
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

static void carry_out(struct leases *leases, const struct lease_change *change, uint64_t now_ns)
{
	struct lease *lease = find_used(leases, change->name);
	unsigned int i, end;

	if (!lease)
		return; /* leases_check() has found it */
	for (i = first_shard(change->shard, lease, &end); i < end; i++) {
		lease->state[i].elsewhere_ns = change->elsewhere_ns;
		if (change->keep)
			continue;
		if (change->epoch != LEASE_SAME_EPOCH)
			lease->state[i].epoch = change->epoch;
		apply(leases, lease->first + i, change->from_ns, change->until_ns, now_ns);
	}
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

int leases_release(struct leases *leases, const char *name, int shard, char reason[REASON_SIZE])
{
	const struct lease_change change = {
		.name = name, .shard = shard, .epoch = LEASE_SAME_EPOCH};

	return leases_change(leases, &change, 1, reason);
}

void leases_list(const struct leases *leases, uint64_t now_ns, lease_handler *handle, void *context)
{
	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		const struct lease *lease = leases->list[i];

		for (unsigned int j = 0; j < lease->shards; j++) {
			const struct xmc_lease *slot = &leases->slots[lease->first + j];
			struct lease_state state = {
				.name = lease->name,
				.shards = lease->shards,
				.shard = j,
				.from_ns = slot->from_ns,
				.until_ns = slot->until_ns,
				.epoch = lease->state[j].epoch,
				.held = is_held(slot, now_ns),
				.rules = lease->state[j].rules,
				.slot = (uint16_t)(lease->first + j),
			};

			handle(context, &state);
		}
	}
}

uint64_t leases_epoch(const struct leases *leases, const struct rule *rule)
{
	const struct lease *lease =
		rule->lease_shards ? find(leases, rule->lease, rule->lease_shards) : NULL;

	return lease ? lease->state[rule_shard(rule)].epoch : 0;
}

bool leases_mute(const struct leases *leases, const struct rule *rule, uint64_t now_ns)
{
	uint16_t slot = leases_find(leases, rule);

	return slot && !is_held(&leases->slots[slot], now_ns);
}

/* ---- from one process to the next ---- */

json_t *leases_describe(const struct leases *leases)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < leases->nr_leases; i++) {
		const struct lease *lease = leases->list[i];

		for (unsigned int j = 0; j < lease->shards; j++) {
			const struct xmc_lease *slot = &leases->slots[lease->first + j];

			if (!slot->until_ns && !lease->state[j].epoch)
				continue;
			json_add(&list,
				 json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "name", lease->name,
					   "shards", (int)lease->shards, "shard", (int)j, "from",
					   (json_int_t)slot->from_ns, "until",
					   (json_int_t)slot->until_ns, "epoch",
					   (json_int_t)lease->state[j].epoch));
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
		uint64_t shards = get_number(object, "shards"), shard = get_number(object, "shard");
		struct lease *lease = name && shards <= LEASE_SHARDS_MAX && shard < shards
					      ? find(leases, name, (unsigned int)shards)
					      : NULL;

		if (!lease)
			continue;
		lease->state[shard].epoch = get_number(object, "epoch");
		if (held)
			write_slot(leases, lease->first + (unsigned int)shard,
				   get_number(object, "from"), get_number(object, "until"));
		/* The predecessor has reported it. */
		lease->state[shard].held = is_held(&leases->slots[lease->first + shard], now_ns);
	}
}
