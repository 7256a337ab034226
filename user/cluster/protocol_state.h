/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the protocol share:
 *
 *     protocol_state.c   reports, deadlines, the transactions and what has become of them
 *     leases.c           which leases there are
 *     decision.c         what to do next, from the view
 *     move.c             shards that are passed on
 *     request.c          what nodes ask each other for
 *     protocol_status.c  how it stands
 *
 * Not for other units: protocol.h is the contract.
 */
#ifndef XMCAST_CLUSTER_PROTOCOL_STATE_H
#define XMCAST_CLUSTER_PROTOCOL_STATE_H

#include "cluster/protocol.h"
#include "cluster/view.h"

#include <string.h>

/* A key of our name on our host that nobody renewed for this many periods is of a process that has
 * ended: a new one goes on in its place, before the shards are muted. */
#define QUIET_PERIODS 3

struct protocol {
	struct protocol_settings settings;
	struct view view;
	bool read; /* all keys were reported, for the leases that we have */
	bool wants_reading;
	bool daemon; /* answers */
	bool drain;
	bool leaving; /* for good */
	bool hurry;   /* see protocol_hurries() */
	enum protocol_state state;
	int64_t term, mod;  /* of our key; 0: we are no member */
	int64_t first;	    /* the revision at which this process wrote it first */
	uint64_t confirmed; /* the moment before the last transaction that succeeded */
	uint64_t serial;
	struct node_ask ask;		     /* what our record asks for, */
	uint64_t ask_until;		     /* until then; 0: nothing */
	struct node_ask asks[PROTOCOL_ASKS]; /* that wait */
	unsigned int nr_asks;
	int64_t drain_asked; /* as struct shard_record's `asked`, of drains */
	/* See protocol_lost_ask(), and those that protocol_asked() knows, in a ring. */
	struct lost_ask {
		struct node_ask ask;
		const char *reason;
	} * lost_asks, told[PROTOCOL_ASKS];
	unsigned int nr_lost, nr_told;
	int64_t revision;    /* of the last answer of the store */
	int64_t newest;	     /* the highest one of a key */
	uint64_t joined;     /* when this process became a member */
	uint64_t unknown_at; /* when an answer was last missing */
	uint64_t renew_at, decide_at, look_at, moves_at, unfit_at;
	uint64_t moved_at;		/* when the end of a shard was last set in the daemon */
	unsigned int stranger_renewals; /* of a key of our name by another process */
	int64_t stranger_mod;
	/* Shards of our term whose leases our rules name no more: their keys are deleted, so that
	 * other nodes can claim them; not before nobody else may send them any more. */
	struct txn_shard *dropped;
	unsigned int nr_dropped;
	uint64_t drop_at;
	bool busy; /* a transaction is under way: */
	struct txn txn;
	uint64_t sent; /* when it was made */
	/* The last one other than RENEW whose answer was lost, until a later one shows whether it
	 * was made. */
	bool unresolved;
	struct txn lost;
};

static inline bool is_ours(const struct protocol *protocol, const struct view_shard *shard)
{
	return protocol->term && shard->record.term == protocol->term &&
	       strcmp(shard->record.node, protocol->settings.node) == 0;
}

/* ---- protocol_state.c ---- */

/* The epoch of the shard in the daemon. */
int64_t protocol_epoch(const struct protocol *protocol, const struct view_shard *shard);

/* Whether nothing may be sent any more: the node leaves, or may have left. */
bool protocol_is_ending(const struct protocol *protocol);

/* Make the transaction that protocol_request() returns. True. */
bool protocol_start(struct protocol *protocol, uint64_t now, enum txn_kind kind, int64_t mod);

/* The shard's key, as it is. */
struct txn_shard protocol_describe(const struct protocol *protocol, const struct view_shard *shard);

/* Add a shard to the transaction, which becomes this node's. */
struct txn_shard *protocol_add(struct protocol *protocol, const struct view_shard *shard,
			       const char to[CLUSTER_NAME_SIZE], int64_t term);

/* ---- leases.c ---- */

/* Forget dropped shards: the first ones, and those that we have. */
void protocol_keep_dropped(struct protocol *protocol, unsigned int first);

/* ---- decision.c ---- */

/* What can be decided from the view. True: protocol_start() was called. */
bool protocol_decide(struct protocol *protocol, uint64_t now);

/* ---- move.c ---- */

/* Whether the end of this stay of the shard is set in the daemon. */
static inline bool move_has_end(const struct view_shard *shard)
{
	return shard->ends && shard->from_mod == shard->mod;
}

/* Choose shards that other nodes can relay and we cannot. */
void move_plan_unfit(struct protocol *protocol, uint64_t now);

/* Choose shards that other nodes should have, a few a second: after the members have stayed the
 * same for long enough; when we drain, at once. */
void move_plan(struct protocol *protocol, uint64_t now, unsigned int own);

/* Pass on what is muted, or whose end is set, to the node of the first one that is found. True:
 * protocol_start() was called. */
bool move_pass(struct protocol *protocol, uint64_t now);

/* It is for us to move: what is being passed on, or perhaps was, is as good as another node's. */
bool move_may_begin(const struct protocol *protocol, const struct view_shard *shard);

/* Pass the shard on to this node, or keep it, as the request with this `at` asks for. 0; -ENOENT:
 * NOT_ACCEPTED. */
#define NOT_ACCEPTED "that node is silent, drains, or does not have the lease"
int move_to(struct protocol *protocol, uint64_t now, struct view_shard *shard, const char *node,
	    int64_t at);

/* The move of the shard that was asked for, if there is one. */
struct node_ask move_asked(const struct protocol *protocol, const struct view_shard *shard);

/* Those of shards that these leases do not have are lost. */
void move_lose_unnamed(struct protocol *protocol, const struct lease_name *leases,
		       unsigned int count);

/* Go on with a shard that was not passed on, or is held without the store. */
void move_go_on(const struct protocol *protocol, struct view_shard *shard);

/* How long this node and former holders may still send the shard, if it changes hands now. */
uint64_t move_left(const struct view_shard *shard, uint64_t now);

/* We have learned that the shard was passed on: were the numbers perhaps too early? */
void move_passed(struct view_shard *shard, uint64_t now);

/* They were not passed on, and are not going to be. */
void move_stop_all(struct protocol *protocol, const char *reason);

/* The shard was received while its former holder still sends it. That is over: its key needs to say
 * so no longer. */
bool move_is_over(const struct protocol *protocol, const struct view_shard *shard, uint64_t now);

/* ---- request.c ---- */

/* What our record asks for now. */
struct node_ask request_shown(const struct protocol *protocol);

/* Our record has had this value since this revision: it says since when it has the request. */
void request_is_shown(struct protocol *protocol, const struct node_record *own, int64_t revision);

/* Answers to other nodes, for our next record. */
void request_answers(const struct protocol *protocol, struct node_record *own);

/* Do what nodes ask for, also this one, if it is for this node to do: at once, or when a shard has
 * become ours. And note the answers to what we ask for. */
void request_obey(struct protocol *protocol, uint64_t now);

/* A request ends without a move, or drain. The reason is constant text. */
void request_lose(struct protocol *protocol, const struct node_ask *ask, const char *reason);

/* What this node asks for is lost. */
void request_forget(struct protocol *protocol, const char *reason);

#endif
