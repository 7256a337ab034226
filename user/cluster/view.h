/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a node knows of the store, which may be old, and what follows from it: who is alive, and
 * whose a shard should be. Every decision that is made from it is compared again by the transaction
 * that carries it out.
 *
 * Pure; one thread. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef XMCAST_CLUSTER_VIEW_H
#define XMCAST_CLUSTER_VIEW_H

#include <stddef.h>

#include "cluster/record.h"

/* Not the index of a node. */
#define NO_NODE CLUSTER_NODES

/* Renewals of a node from which it is judged whether its time of day agrees with ours. */
#define VIEW_DELAYS 16

/* The time of day is not used for this long after it has stepped: whatever steps it may do so
 * again, and the other hosts learn it. */
#define VIEW_STEP_NS 5000000000ULL

struct view_node {
	char name[CLUSTER_NAME_SIZE]; /* empty: a free place */
	int64_t term, mod;	      /* the key's create_revision and mod_revision */
	uint64_t since;		      /* when the term was first seen */
	uint64_t seen;		      /* when the mod_revision was first seen */
	uint64_t hash;
	bool live;	/* renewed within `deadline` and `guard` */
	int64_t listed; /* the mod_revision that was reported since view_reading(); 0: none */
	/* How long after its `real` the last renewals were seen, in a ring. */
	int64_t delays[VIEW_DELAYS];
	unsigned int nr_delays;
	bool renewed;	   /* since it was first seen: its process runs, or did then */
	int64_t ask_at;	   /* when its request was first seen, if that does not say it */
	uint64_t answered; /* the id of the last one that we have answered */
	bool accepted;	   /* and how */
	struct node_record record;
};

struct view_shard {
	unsigned int lease, number;
	uint64_t hash; /* of the lease */
	int64_t mod;   /* of the key; 0: there is none */
	struct shard_record record;
	uint64_t from;	      /* when we may send it at the earliest, */
	int64_t from_mod;     /* since its key has this mod_revision; see protocol_until() */
	int64_t listed;	      /* the mod_revision reported since view_reading(); 0: none */
	uint64_t changed;     /* when a node last became able or unable to relay it */
	bool unfit;	      /* we cannot relay it now, */
	uint64_t unfit_since; /* and another node has been able to since then; 0: none */
	/* When it was first known that its holder had ended, if the key still has this
	 * mod_revision.
	 */
	uint64_t ended;
	int64_t ended_mod;
	uint64_t free_since; /* when it was first found without a holder; 0: it has one */
	const char *why; /* we claimed it or pass it on, constant text; NULL: another node did */
	uint64_t sent_until;		 /* the latest deadline that the daemon may have; 0: none */
	bool move_pins;			 /* and to stay there */
	char move_to[CLUSTER_NAME_SIZE]; /* it is to be passed on to this node; empty: it is not, */
	uint64_t move_since;		 /* since then; */
	bool move_mutes;		 /* muted before that, instead of ended while it is sent */
	bool move_asked;		 /* that was asked for */
	uint64_t ends; /* what we have set as its end in the daemon; 0: it goes on */
	/* What it is to be once the shard is passed on, with this epoch: its numbers come before.
	 */
	uint64_t ends_later;
	/* It came back to us meanwhile. The daemon may still obey that end until then. */
	uint64_t old_end;
	/* When the numbers are to come, or before that it ends without them. */
	uint64_t cut_at;
	bool late; /* see protocol_late() */
	int64_t ends_epoch;
	int64_t asked_mod; /* of the key, when the daemon was last asked for an end */
	int64_t asked;	   /* see struct shard_record, if it changes hands now */
	int64_t epoch;	   /* the least one that the daemon accepts as another one; 0: any */
	/* Another node, which has passed it on, may send it until then, */
	uint64_t quiet;
	uint64_t exact; /* or until just before then, as the time of day says; 0: not said */
	/* The numbers at which it ends or begins, from the record or ours (ends); malloc()ed,
	 * NULL: none. */
	char *cut;
	bool cut_set; /* the daemon has been told */
};

struct view_lease {
	struct lease_name name;
	uint64_t hash, of_name; /* lease_hash(), name_hash() */
	bool hold;
	/* The node that has been a member for longest of those whose rules name the lease: with its
	 * number of shards, because the shards of another number are other streams. */
	unsigned int ruler;
	bool overruled; /* ours is another one */
	/* When every node has seen that ours counts again, or is muted because it cannot renew its
	 * key. Not one whose watch is dead while its renewals succeed: it notices that after `lag`
	 * (store.h) and a renewal, reads all keys again, and may send until then. */
	uint64_t agreed_at;
};

struct view {
	bool replaced;	      /* a key has another value at the same revision, see view_see_all() */
	int64_t real;	      /* CLOCK_REALTIME is CLOCK_MONOTONIC and this, */
	uint64_t real_from;   /* which is used from then on, as it has stepped */
	uint64_t clock_error; /* by which it may differ between nodes; 0: unknown */
	uint64_t deadline, guard; /* a member may be silent for both */
	uint64_t changed;	  /* when a node last came or went */
	bool look;		  /* something has changed that decisions are made from */
	struct view_node nodes[CLUSTER_NODES];
	struct view_lease leases[CLUSTER_LEASES];
	unsigned int nr_leases, nr_shards;
	struct view_shard *shards;
};

/* Times of different callers may be a moment out of order; a negative time would be a very long
 * one.
 */
static inline uint64_t view_elapsed(uint64_t now, uint64_t since)
{
	return now > since ? now - since : 0;
}

void view_free(struct view *view);

/* As the functions of protocol.h; view_set_leases() returns 1 if anything has changed. */
bool view_same_leases(const struct view *view, const struct lease_name *leases, unsigned int count);
int view_set_leases(struct view *view, const struct lease_name *leases, unsigned int count);
void view_see_node(struct view *view, uint64_t now, const char *name, int64_t term, int64_t mod,
		   const struct node_record *record);
/* NULL: there is no such shard. */
struct view_shard *view_shard(const struct view *view, const char *lease, unsigned int number);

/* NULL: nothing has changed. */
struct view_shard *view_see_shard(struct view *view, uint64_t now, const char *lease,
				  unsigned int number, int64_t mod,
				  const struct shard_record *record);
/* The shard is ours, whether or not an end was set. */
void view_resume(struct view_shard *shard);

/* No shard of this lease may be sent here. */
static inline bool view_overruled(const struct view *view, const struct view_shard *shard,
				  uint64_t now)
{
	const struct view_lease *lease = &view->leases[shard->lease];

	return lease->overruled || now < lease->agreed_at;
}

void view_reading(struct view *view);

/* The end of a reading. True: what was read is older than what was known before, so it is of
 * another store, or of a backup. */
bool view_see_all(struct view *view, uint64_t now, int64_t revision);

/* The store was replaced by another one: nothing is known. Each shard may have a holder that does
 * not know it, and is not claimed before that has stopped. */
void view_forget(struct view *view, uint64_t now);

/* See protocol_set_real(). */
void view_set_real(struct view *view, uint64_t now, int64_t offset);

/* Find out who is alive. */
void view_refresh(struct view *view, uint64_t now);

/* Wait for every node at least this time more. */
void view_forgive(struct view *view, uint64_t now, uint64_t time);

/* Whether the node's time of day may be as near to ours as `clock_error` says. What is seen was
 * sent before: its time must not be ahead of that. (If ours is ahead of its time, it finds that.)
 */
bool view_agrees(const struct view *view, const struct view_node *node);

unsigned int view_find(const struct view *view, const char *name);

/* The node whose term holds the shard, or NO_NODE: that term has ended. */
unsigned int view_holder(const struct view *view, const struct view_shard *shard);

/*
 * The index of the live node with this rank (0: first) for the shard, or NO_NODE. Nodes that drain
 * or do not have the lease are left out; those that cannot relay the shard now come last.
 */
unsigned int view_ranked(const struct view *view, const struct view_shard *shard,
			 unsigned int rank);

/* Whether the node says that it can relay the shard now. */
bool view_fit(const struct view *view, const struct view_shard *shard, unsigned int node);

/* The rank of the live node for the shard, or NO_NODE. */
unsigned int view_rank(const struct view *view, const struct view_shard *shard, unsigned int node);

/* Whether at least `most` other live nodes that can relay the shard come before this one, by their
 * tickets alone. A node that has just joined or whose inputs are not joined counts as one that can:
 * it says so. */
bool view_is_behind(const struct view *view, const struct view_shard *shard, unsigned int node,
		    unsigned int most);

/* The rank of a live node among those that may declare `dead` dead. */
unsigned int view_bury_rank(const struct view *view, unsigned int dead, unsigned int node);

#endif
