/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The leases that the rules of the configuration name: which of their shards are held, and until
 * when. Who holds a lease is decided outside of the daemon (lease.set); here the decision is
 * written where packets are checked:
 *
 *     leases ─┬─▶ each steering program    XDP, per packet        (bpf/lease.h)
 *             ├─▶ the egress threads       before each batch      (dataplane/lease.h)
 *             └─▶ the guard                next to the wire       (bpf/guard.bpf.c)
 *
 * A shard that nobody renews ends by itself. Each lease has consecutive slots, one for each shard,
 * as long as a rule names it.
 *
 * Main thread; the egress threads read the slots.
 */
#ifndef XMCAST_RELAY_LEASES_H
#define XMCAST_RELAY_LEASES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "dataplane/cut.h"
#include "relay/lease_table.h"
#include "relay/reason.h"
#include "rules/config.h"

/* ---- for the administrator ---- */

/* The number at which the stream of a rule changes hosts. */
struct lease_cut {
	const char *rule;
	uint32_t number;
};

/* A change of a shard. */
struct lease_change {
	const char *name;
	int shard;		    /* -1: all of them */
	uint64_t from_ns, until_ns; /* CLOCK_MONOTONIC */
	uint64_t epoch;		    /* LEASE_SAME_EPOCH: the last one of each shard */
	/* Another host holds it until then, as far as is known; 0: unknown. */
	uint64_t elsewhere_ns;
	bool keep; /* its times and epoch: nothing but `elsewhere_ns` and `cold` changes */
	bool cold; /* until `elsewhere_ns` its inputs need not be joined here, unless it is held */
	/* At a datagram of each stream instead of at `from_ns`, which then is the latest moment:
	 * the shard is held at once. Or instead of at `until_ns`, likewise. */
	enum cut_side side;
	unsigned int nr_cuts; /* 0: none */
	const struct lease_cut *cuts;
	unsigned int shards; /* that the lease must have; 0: any number */
};

#define LEASE_SAME_EPOCH UINT64_MAX

/*
 * Before leases_change(): shards that are held now, but not from the moment of the change on, end.
 * True: one begins that is not held now. What waits in the RX rings has come while it was held
 * before, and must have left before the change, or it would leave late.
 */
bool leases_prepare(struct leases *leases, const struct lease_change *changes, unsigned int count);

/*
 * Change them all, or none. Until the past: the shard ends now. A shard's epoch never decreases:
 * a holder that has lost it to one with a higher epoch cannot change it any more. 0; -ENOENT: there
 * is no such lease, or shard; -ESTALE: an epoch is lower; then `reason` says which.
 */
int leases_change(struct leases *leases, const struct lease_change *changes, unsigned int count,
		  char reason[REASON_SIZE]);

/* Is the shard of the rule cold (struct lease_change)? Takes NULL leases: no. */
bool leases_cold(const struct leases *leases, const struct rule *rule, uint64_t now_ns);

/* Whether a shard has become cold, or is it no more, since the last call. */
bool leases_cold_changed(struct leases *leases);

/* Would leases_change() refuse them? */
int leases_check(const struct leases *leases, const struct lease_change *changes,
		 unsigned int count, char reason[REASON_SIZE]);

/* A shard, as it is now. */
struct lease_state {
	const char *name;
	unsigned int shards, shard;
	uint64_t from_ns, until_ns;
	uint64_t epoch;	    /* the last one; 0: never set */
	bool held;	    /* now */
	unsigned int rules; /* that are in it, disabled ones included */
	uint16_t slot;
	enum cut_side moving; /* see leases_move() */
};

/* Call `handle` for each shard of each lease, in a fixed order. */
typedef void lease_handler(void *context, const struct lease_state *state);
void leases_list(const struct leases *leases, uint64_t now_ns, lease_handler *handle,
		 void *context);

/* Call it for each shard that makes leases_change() answer -ESTALE. */
void leases_list_stale(const struct leases *leases, const struct lease_change *changes,
		       unsigned int count, lease_handler *handle, void *context);

/* Once a second: report shards that have ended or begun by themselves, and, after `unheld_after`
 * seconds (0: never), those that neither this host nor another one holds. */
void leases_look(struct leases *leases, uint64_t now_ns, unsigned int unheld_after);

/* Shards that leases_look() has reported as unheld. */
unsigned int leases_unheld(const struct leases *leases);

/* ---- moves at a datagram of each stream ---- */

/*
 * Is the rule's shard passing to another host, or from one? `latest_ns`: until then. A move ends
 * at this moment, with the shard, or with another epoch.
 */
enum cut_side leases_move(const struct leases *leases, const struct rule *rule, uint64_t now_ns,
			  uint64_t *latest_ns);

/* Does this change of the rule's shard end its move, if there is one? */
bool leases_ends_move(const struct leases *leases, const struct rule *rule,
		      const struct lease_change *change, uint64_t now_ns);

/* Do its shards begin at the numbers of a move whose latest moment has passed? */
bool leases_had_move(const struct leases *leases, const struct lease_change *change,
		     uint64_t now_ns);

/* ---- from one process to the next ---- */

/* Have epochs changed since it was called last? */
bool leases_changed(struct leases *leases);

/* What a successor needs: a list. The caller's reference; NULL: no memory. Times of CLOCK_MONOTONIC
 * do not outlive a reboot, and neither does what they are handed over with. */
json_t *leases_describe(const struct leases *leases);

/* Take over what the leases that are here were in another process. `held`: also whether they are
 * held, not only their epochs. What does not fit is ignored. */
void leases_adopt(struct leases *leases, const json_t *list, bool held);

/* The last epoch of the rule's shard; 0: none, or it has no lease. */
uint64_t leases_epoch(const struct leases *leases, const struct rule *rule);

/* Does the rule have a lease that is not held now? */
bool leases_mute(const struct leases *leases, const struct rule *rule, uint64_t now_ns);

#endif
