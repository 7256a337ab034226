/* SPDX-License-Identifier: BSD-2-Clause */
/* The leases of the configuration (leases.h) and their shards, as plain data: their slots, and the
 * readers of these. Main thread; the egress threads read the slots. */
#ifndef XMCAST_RELAY_LEASE_TABLE_H
#define XMCAST_RELAY_LEASE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "dataplane/cut.h"
#include "rules/config.h"

struct guard;

/* What is known of a shard besides its slot. */
struct shard {
	uint64_t epoch;
	uint64_t elsewhere_ns; /* see struct lease_change */
	uint64_t seen_ns;      /* when somebody was last known to hold it */
	enum cut_side side;    /* of the last move, see leases_move() */
	uint64_t latest_ns;
	unsigned int rules;
	bool held;   /* as it was reported */
	bool unheld; /* likewise */
	bool cold;   /* see struct lease_change */
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
	bool waits;   /* leases_wait() */
	bool changed; /* leases_changed() */
	bool cold_changed;
	bool taken[XMC_LEASE_SLOTS];
	/* Sorted by name and number of shards. */
	unsigned int nr_leases;
	struct lease **list;
};

/* 0 or -ENOMEM. */
int leases_open(struct leases **out);
void leases_close(struct leases *leases); /* accepts NULL */

/* Give the leases of a configuration slots. 0; -ENOSPC: too many shards, also with those of the
 * configuration that it replaces; -ENOMEM. */
int leases_add(struct leases *leases, const struct config *config);

/* Forget those that the configuration does not name. No packet reads their slots any more. */
void leases_trim(struct leases *leases, const struct config *config);

/* The slot of the rule's shard; 0: it has no lease, or `leases` is NULL. */
uint16_t leases_find(const struct leases *leases, const struct rule *rule);

/* What the egress threads read. Valid as long as `leases`. */
const struct xmc_lease *leases_slot(const struct leases *leases, uint16_t slot);

/* See stream_set_lease(). */
int leases_guard(const struct leases *leases);

/* Keep a map of leases (steering/leases.h) up to date. NULL is ignored. 0 or -ENOMEM. */
int leases_add_reader(struct leases *leases, struct xmc_lease *map);
void leases_remove_reader(struct leases *leases, const struct xmc_lease *map);

/* A predecessor still relays: its sockets are ours as well, so the guard must not check them before
 * leases_begin(). Before leases_add(). */
void leases_wait(struct leases *leases);
void leases_begin(struct leases *leases);

/* The lease with this number of shards, or NULL. */
struct lease *lease_find(const struct leases *leases, const char *name, unsigned int shards);

/* The lease of this name that the configuration names: with a number of shards that its rules agree
 * on. NULL: none. */
struct lease *lease_find_used(const struct leases *leases, const char *name);

/* Write a slot, and the same in all readers. */
void lease_write_slot(struct leases *leases, unsigned int slot, uint64_t from_ns,
		      uint64_t until_ns);

#endif
