/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds a shard: the part of xmcast-cluster that decides. Events with their time go in;
 * transactions for the store and deadlines for the daemon come out. No I/O and no clock, so that
 * tests can explore it (tests/unit/test_cluster_model.c).
 *
 * Why no two nodes send a shard at once, with D = deadline and G = guard:
 *
 *   1. A node writes its key every `renew` by a transaction that compares the key's mod_revision.
 *      It may send until D after the moment *before* the last one that succeeded.
 *   2. Another node deletes that key only D + G after it has *seen* the key's last mod_revision,
 *      and only if that is still the mod_revision. Seeing comes after the success, which comes
 *      after the moment of 1. So the first node has stopped by then, if neither clock is faster
 *      than the other by more than the share G/D. The time of day plays no role.
 *   3. A shard is held by a term of a node (record.h). It is taken only if that term has ended,
 *      compared in the same transaction, or if the holder passes it on.
 *   4. A holder that leaves, or cannot relay a shard, passes it on only when its daemon has
 *      confirmed that the shard is muted, or when every deadline that the daemon may have has
 *      passed.
 *   5. Otherwise it is passed on while it is sent. Its daemon has confirmed that it ends at a
 *      moment, which is not after the deadline of 1 and which no renewal moves, or before it at a
 *      datagram of each stream. The record has how long that is from now (`left`), and the numbers
 *      of the datagrams, which may come later than that moment: once the record is written, the
 *      end is set to a moment that fits the `left` in it. Any later holder of the shard begins not
 *      before `left` after it has *seen* the record, longer by the share G/D; or at the same
 *      datagrams. So both know the order, whatever their clocks say.
 *
 *   6. Where the time of day of all hosts is synchronised up to `clock_error`, an end at a moment is
 *      also said by it, and the new holder begins `clock_error` after that. Each renewal has its
 *      sender's time: a node that is ahead of it, more than that and the message have taken, is
 *      not told the moment that way.
 *
 *   7. If a shard's key vanishes, or all that is in the store is replaced by something older, the
 *      holder may not know it yet: others claim it D + G after they have noticed; so does a process
 *      that has just joined and finds no key.
 *
 * The new holder begins `gap` later than that, because a packet does not arrive at both hosts at
 * the same time.
 *
 * Every transaction renews the node's key as well, and only one is under way. If its answer is
 * lost, the next one shows by the key's serial which was made: an older one that arrives late fails
 * at its comparison.
 *
 *     absent ──JOIN──▶ member ──RENEW, BURY, CLAIM, PASS, RELEASE──▶ member ──LEAVE──▶ absent
 *        │ a key of our name:                    │ our key has gone: declared dead
 *        ├ same host, quiet: ADOPT ▶ member      └▶ absent: everything is muted
 *        └ quiet for D + G: CLEAR ▶ absent
 *
 * One thread. Times are CLOCK_MONOTONIC in ns.
 */
#ifndef XMCAST_CLUSTER_PROTOCOL_H
#define XMCAST_CLUSTER_PROTOCOL_H

#include <stddef.h>

#include "cluster/record.h"

/* Shards of one transaction. etcd accepts 128 operations and as many comparisons, of which a shard
 * needs two. */
#define TXN_SHARDS 60

/* How long the answer to a transaction is waited for. */
#define PROTOCOL_TIMEOUT(deadline) ((deadline) / 4)

struct protocol_settings {
	char node[CLUSTER_NAME_SIZE];
	uint64_t instance, host; /* see struct node_record */
	unsigned int weight;
	uint64_t deadline, guard, renew;
	uint64_t gap;	 /* how long a shard that was passed to us may be on its way out there */
	uint64_t daemon; /* the longest deadline that the daemon gets, and time to answer */
	uint64_t unfit;	 /* how long another node must be able to relay what we cannot */
	uint64_t settle; /* how long a node is a member before it gets shards of others */
	uint64_t clock_error; /* of the hosts' time of day among each other; 0: unknown */
	unsigned int moves;   /* shards that are passed on in a second */
};

enum txn_kind {
	TXN_JOIN,
	TXN_ADOPT,
	TXN_CLEAR,
	TXN_RENEW,
	TXN_BURY,
	TXN_CLAIM,
	TXN_PASS,
	TXN_RELEASE,
	TXN_LEAVE
};

/* A shard of a transaction: its key must have this mod_revision (0: must not exist), and the term
 * of this node must have ended (an empty name: any). */
struct txn_shard {
	char lease[CLUSTER_NAME_SIZE];
	unsigned int number;
	int64_t mod;
	char ended_node[CLUSTER_NAME_SIZE];
	int64_t ended_term;
	struct shard_record becomes;
};

/*
 * If our node's key has mod_revision `mod` (0: does not exist), and what the kind requires holds:
 *
 *   JOIN, ADOPT, RENEW   write `own` (ADOPT: our key has create_revision `other_mod`)
 *   CLEAR, LEAVE         delete our node's key
 *   BURY                 write `own`, delete the key of `other`, which must have `other_mod`
 *   CLAIM                write `own` and the shards
 *   PASS                 the same, and the key of `other` must have create_revision `other_mod`
 *   RELEASE              write `own`, delete the keys of the shards
 *
 * Otherwise nothing but read our node's key.
 */
struct txn {
	enum txn_kind kind;
	int64_t mod;
	struct node_record own;
	char other[CLUSTER_NAME_SIZE];
	int64_t other_mod;
	unsigned int nr_shards;
	struct txn_shard shards[TXN_SHARDS];
};

enum answer_kind {
	ANSWER_DONE,
	ANSWER_REFUSED, /* a comparison failed */
	ANSWER_UNKNOWN, /* no answer: it may have been made, or be made later */
};

struct answer {
	enum answer_kind kind;
	int64_t revision;	/* DONE: of what it wrote; REFUSED: of the store */
	int64_t create, mod;	/* REFUSED: of our node's key; 0: there is none */
	struct node_record own; /* REFUSED: what it has */
};

struct protocol;
struct view;

/* NULL: no memory. `settings` is copied. */
struct protocol *protocol_new(const struct protocol_settings *settings);
void protocol_free(struct protocol *protocol); /* accepts NULL */

/* ---- what the rest of the program reports ---- */

/* The leases that the daemon's rules name, which has muted those that it names no more. Shards of
 * others are forgotten, and ours among them released for other nodes, so if they change all keys
 * have to be reported again, and nothing is claimed until then. 0; -EAGAIN: a transaction about
 * shards is under way; -E2BIG: more than record.h allows; -ENOMEM. Then nothing has changed. */
int protocol_set_leases(struct protocol *protocol, const struct lease_name *leases,
			unsigned int count);

/* CLOCK_REALTIME is CLOCK_MONOTONIC and this. Before every report and request. If it steps by more
 * than `clock_error`, it says no moment for some seconds, and until the other nodes have renewed
 * their keys often enough to be compared again. */
void protocol_set_real(struct protocol *protocol, uint64_t now, int64_t offset);

/* Whether the time of day of the node with this index (below CLUSTER_NODES) contradicts
 * `clock_error`: NULL, or its name. */
const char *protocol_wrong_clock(const struct protocol *protocol, unsigned int index);

/* Leases whose shards go on while the store is unreachable (on_store_loss: hold). */
void protocol_set_hold(struct protocol *protocol, const char *lease, bool hold);

/*
 * What a key of the store has: from the watch, or from a reading of all keys. `record` NULL: the
 * key was deleted at revision `mod`. What is older than what is known changes nothing.
 */
void protocol_see_node(struct protocol *protocol, uint64_t now, const char *name, int64_t create,
		       int64_t mod, const struct node_record *record);
void protocol_see_shard(struct protocol *protocol, uint64_t now, const char *lease,
			unsigned int number, int64_t mod, const struct shard_record *record);

/* A reading of all keys: begin; all have been reported as of this revision, others do not exist. */
void protocol_reading(struct protocol *protocol);
void protocol_see_all(struct protocol *protocol, uint64_t now, int64_t revision);

/* Whether the daemon answers. If not, the node leaves until it does. */
void protocol_set_daemon(struct protocol *protocol, bool answers);

/* Whether this host can relay the shard now: its input arrives, its outputs are up. One that
 * cannot, while another one can, passes it on, at most one shard every PROTOCOL_UNFIT_NS. */
#define PROTOCOL_UNFIT_NS 10000000000ULL
void protocol_set_fit(struct protocol *protocol, unsigned int shard, bool fit);

/* The daemon has this epoch of the shard, and accepts no lower one: it is of another store. */
void protocol_set_epoch(struct protocol *protocol, unsigned int shard, int64_t epoch);

/* The daemon has confirmed that this shard is muted. */
void protocol_muted(struct protocol *protocol, unsigned int shard);

/* From now on get no shards, and pass all on; or end that. */
void protocol_drain(struct protocol *protocol, bool drain);

/* Pass the shard on to this node, if it is ours, instead of where it was to go before. 0; -ENOENT:
 * no such member, or it drains, or does not have the lease; -ESRCH: not ours, or being passed on,
 * or the store has not said whether it was. */
int protocol_move(struct protocol *protocol, uint64_t now, unsigned int index, const char *node);

/* Ask another node: what protocol_move() or protocol_drain() would do there. Our record has one
 * request at a time, so they wait for each other. -ENOENT: no live node holds the shard, or may get
 * it; or there is no such node; -EBUSY: PROTOCOL_ASKS wait. `ask->id` is chosen. */
#define PROTOCOL_ASKS 16
int protocol_ask(struct protocol *protocol, struct node_ask *ask);

/* What has become of it: 0, a node obeys; -EAGAIN, no answer yet, which ends; -ENOENT, it was lost,
 * with the reason; -ESRCH: not a request of this process. Of the last PROTOCOL_ASKS that were lost.
 */
int protocol_asked(const struct protocol *protocol, uint64_t id, const char **reason);

/* A request, of protocol_ask() or for a move of our shards, that ended without what was asked for,
 * and why. True once for each. */
bool protocol_lost_ask(struct protocol *protocol, struct node_ask *ask, const char **reason);

/* The node to which a shard goes if none is named: not where it is, or just goes. NULL: none. */
const char *protocol_other(const struct protocol *protocol, unsigned int index);

/* Leave for good: mute everything, then delete the node's key. */
void protocol_leave(struct protocol *protocol);

/* ---- what it wants ---- */

/* True: send *txn, and report its answer before the next call. Call it after every report, and at
 * protocol_next(). */
bool protocol_request(struct protocol *protocol, uint64_t now, struct txn *txn);
void protocol_answer(struct protocol *protocol, uint64_t now, const struct answer *answer);

/* When protocol_request() may have something without a report. */
uint64_t protocol_next(const struct protocol *protocol, uint64_t now);

/*
 * The deadline to set in the daemon for the shard, the moment from which it may send, and its
 * fencing token (greater for every holder and every process); 0: it is to be muted. Counts as set
 * from then on.
 */
uint64_t protocol_until(struct protocol *protocol, unsigned int index, uint64_t now, uint64_t *from,
			int64_t *epoch);

/* The shard ends in the daemon by itself, and has not ended: leave it alone. A daemon that was
 * started again meanwhile does not know the numbers, so nothing may be set again. Not one whose
 * lease is overruled: it is muted. */
bool protocol_ends(const struct protocol *protocol, unsigned int shard, uint64_t now);

/* Whether the daemon may have a deadline of the shard, so that it has to be ended. */
bool protocol_is_set(const struct protocol *protocol, unsigned int shard);

/*
 * The shard is to be passed on, and the daemon sends it. Ask the daemon to end it at a moment until
 * *latest, or before that at a datagram of each stream; with the epoch of protocol_until(), and
 * report: protocol_end_asked() before that, protocol_end_set() when it has confirmed.
 */
#define PROTOCOL_LATER_NS 1500000000ULL
struct protocol_cut {
	const char *numbers; /* as in struct shard_record, copied */
	uint64_t comes;	     /* when they probably come */
	uint64_t later;	     /* until when they may; at most PROTOCOL_LATER_NS from now */
};

bool protocol_wants_end(const struct protocol *protocol, unsigned int shard, uint64_t now,
			uint64_t *latest);
void protocol_end_asked(struct protocol *protocol, unsigned int index, uint64_t until);
/* `cut` NULL: at the moment. */
void protocol_end_set(struct protocol *protocol, unsigned int index, uint64_t now, uint64_t until,
		      const struct protocol_cut *cut);

/* It was passed on with numbers, so it may end later in the daemon, as was said by `later`. Ask for
 * that, after protocol_end_asked(), and report: protocol_later_set(). */
struct protocol_end {
	uint64_t from, until;
	int64_t epoch;
	const char *cut; /* valid until the next report */
};

bool protocol_wants_later(const struct protocol *protocol, unsigned int shard, uint64_t now,
			  struct protocol_end *end);
void protocol_later_set(struct protocol *protocol, unsigned int index, bool accepted);

/* Whether the numbers of a move had probably come, or it had ended without them, when we learned
 * that the shard was passed on, or gave the numbers to the daemon as its new holder; or the daemon
 * has refused them. Packets were lost. True once. */
bool protocol_late(struct protocol *protocol, unsigned int index);

/* How far ahead a move of this shard at a moment should be. */
uint64_t protocol_lead(const struct protocol *protocol, unsigned int index);

/* The numbers from which we send a shard that we have received, while it begins; NULL: none, or
 * protocol_cut_set() was called. Beside them the daemon has to have what protocol_until() returns.
 * Valid until the next report. */
const char *protocol_cut(const struct protocol *protocol, unsigned int index, uint64_t now);
void protocol_cut_set(struct protocol *protocol, unsigned int index, uint64_t now);

/* The daemon has refused the numbers, so it withholds nothing: it begins once the former holder has
 * ended. */
void protocol_cut_refused(struct protocol *protocol, unsigned int index, uint64_t now);

/* How long after the end of a shard that was passed on with numbers the new holder sends all of it
 * (if its settings are ours). Until then it withholds what comes before the numbers. */
uint64_t protocol_withheld(const struct protocol *protocol);

/* Whether a shard has become ours, or has to be muted or passed on, since the last call. */
bool protocol_hurries(struct protocol *protocol);

/* Whether all keys have to be reported again; true once. */
bool protocol_wants_reading(struct protocol *protocol);

/* ---- how it stands ---- */

enum protocol_state {
	PROTOCOL_ABSENT,
	PROTOCOL_MEMBER,
	PROTOCOL_LEFT,	   /* after protocol_leave() */
	PROTOCOL_REPLACED, /* another process goes on as this node: end */
};

enum protocol_state protocol_state(const struct protocol *protocol);

/* A live member of this name has another process: ours can join only when that one ends. */
bool protocol_name_taken(const struct protocol *protocol);

unsigned int protocol_shards(const struct protocol *protocol);

struct shard_status {
	const struct lease_name *lease;
	unsigned int number;
	const char *owner;   /* NULL: nobody */
	const char *standby; /* the node that would be next; NULL: nobody */
	bool ours, moving;
};

void protocol_shard(const struct protocol *protocol, unsigned int index,
		    struct shard_status *status);

/* The node whose number of shards for the lease with this index counts, instead of ours, so that
 * nothing of it is sent here; NULL: ours does. */
const char *protocol_ruler(const struct protocol *protocol, unsigned int index);

/* Why the shard has come to us, or left us, in a few words; constant text. */
const char *protocol_why(const struct protocol *protocol, unsigned int index);

/* When a shard begins that was passed to us at a moment that both hosts know; 0: it was not. */
uint64_t protocol_moment(const struct protocol *protocol, unsigned int index);

bool protocol_is_ours(const struct protocol *protocol, unsigned int shard);

/* Only the lease and number, which cost nothing. */
void protocol_shard_name(const struct protocol *protocol, unsigned int index,
			 struct shard_status *status);

struct node_status {
	const char *name;
	unsigned int weight;
	bool live, draining;
	unsigned int shards; /* that it holds */
	uint64_t silent;     /* since its last renewal was seen */
};

/* `index` below CLUSTER_NODES. False: no node has this index. */
bool protocol_node(const struct protocol *protocol, unsigned int index, uint64_t now,
		   struct node_status *status);

/* The leases that were set, in their order; NULL: that was the last. */
const struct lease_name *protocol_lease(const struct protocol *protocol, unsigned int index);

/* What is known of the store: view.h. */
const struct view *protocol_view(const struct protocol *protocol);

/* Until when the store allows us to send; 0: no member. */
uint64_t protocol_deadline(const struct protocol *protocol);

#endif
