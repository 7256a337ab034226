/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_RULES
#include "relay/lease_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "steering/guard.h"
#include "steering/leases.h"

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

void lease_write_slot(struct leases *leases, unsigned int slot, uint64_t from_ns, uint64_t until_ns)
{
	lease_write(&leases->slots[slot], from_ns, until_ns);
	for (unsigned int i = 0; i < leases->nr_readers; i++)
		lease_write(&leases->readers[i][slot], from_ns, until_ns);
}

static void give_up_guard(struct leases *leases, const char *step, int err)
{
	if (leases->guard)
		leases_remove_reader(leases, guard_leases(leases->guard));
	guard_close(leases->guard);
	leases->guard = NULL;
	log_warning("lease-unguarded", LOG_NAME("step", step), LOG_ERROR(err),
		    LOG_TEXT("hint", "the kernel does not check leases behind the egress threads: "
				     "mount cgroup2"));
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
	if (!err && !leases->waits)
		err = guard_attach(leases->guard, &step);
	if (err)
		give_up_guard(leases, step, err);
}

void leases_wait(struct leases *leases)
{
	leases->waits = true;
}

void leases_begin(struct leases *leases)
{
	const char *step;
	int err = leases->waits && leases->guard ? guard_attach(leases->guard, &step) : 0;

	leases->waits = false;
	if (err)
		give_up_guard(leases, step, err);
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

struct lease *lease_find(const struct leases *leases, const char *name, unsigned int shards)
{
	unsigned int place = place_of(leases, name, shards);
	struct lease *lease = place < leases->nr_leases ? leases->list[place] : NULL;

	return lease && compare(name, shards, lease) == 0 ? lease : NULL;
}

struct lease *lease_find_used(const struct leases *leases, const char *name)
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
		if (!lease_find(leases, rule->lease, rule->lease_shards))
			err = add(leases, rule);
	}
	return err;
}

static void drop(struct leases *leases, struct lease *lease)
{
	for (unsigned int i = 0; i < lease->shards; i++)
		lease_write_slot(leases, lease->first + i, 0, 0);
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
		struct lease *lease = rule->lease_shards
					      ? lease_find(leases, rule->lease, rule->lease_shards)
					      : NULL;

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
	const struct lease *lease = leases && rule->lease_shards
					    ? lease_find(leases, rule->lease, rule->lease_shards)
					    : NULL;

	return lease ? (uint16_t)(lease->first + rule_shard(rule)) : 0;
}

const struct xmc_lease *leases_slot(const struct leases *leases, uint16_t slot)
{
	return &leases->slots[slot];
}
