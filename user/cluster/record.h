/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the cluster keeps in the store: a record for each node and one for each shard.
 *
 *     PREFIX/nodes/NAME            struct node_record, rewritten with every renewal
 *     PREFIX/shards/LEASE/NUMBER   struct shard_record, written when its holder changes
 *
 * A node's key is created when the node joins and deleted when it leaves or is declared dead. Its
 * create_revision is unique in the store and names this stay of the node: its *term*. A shard is
 * held by a term. So a node that was declared dead and joins again holds nothing.
 *
 * Data only.
 */
#ifndef XMCAST_CLUSTER_RECORD_H
#define XMCAST_CLUSTER_RECORD_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the names of nodes and leases, with their NUL. */
#define CLUSTER_NAME_SIZE 64

/* Hundreds of hosts are docs/scale.md's; views of this size are searched one by one. */
#define CLUSTER_NODES	     64
#define CLUSTER_LEASES	     64
#define CLUSTER_SHARDS	     4096 /* of all leases */
#define CLUSTER_LEASE_SHARDS 1024 /* of one lease */
#define CLUSTER_HEARD	     16	  /* requests that a record answers; further ones wait */
#define CLUSTER_WEIGHT	     16	  /* the highest: rendezvous hashing costs one hash for each unit */

/* A lease that rules of the daemon name. */
struct lease_name {
	char name[CLUSTER_NAME_SIZE];
	unsigned int shards;
};

/* What a node is asked for by another one (ask.h). */
enum ask_what { ASK_NONE, ASK_MOVE, ASK_DRAIN, ASK_UNDRAIN };

struct node_ask {
	enum ask_what what;
	uint64_t id; /* another one for each request of any node */
	int64_t at;  /* the first revision of the record that has it, 0: perhaps this one */
	char lease[CLUSTER_NAME_SIZE];
	unsigned int shard;
	char node[CLUSTER_NAME_SIZE]; /* where it is to move; or which one is to drain */
};

struct ask_answer {
	uint64_t id;
	bool accepted;
};

struct node_record {
	uint64_t instance; /* a random number of the process */
	uint64_t host;	   /* a number of the daemon's host since its boot */
	uint64_t serial;   /* of the transaction that wrote it; unique for an instance */
	unsigned int weight;
	bool draining; /* gets no shard */
	struct node_ask ask;
	unsigned int nr_heard;
	struct ask_answer heard[CLUSTER_HEARD]; /* to requests that other records have */
	uint64_t real; /* CLOCK_REALTIME before the transaction, ns; 0: not said */
	unsigned int nr_leases;
	uint64_t leases[CLUSTER_LEASES]; /* lease_hash() of each lease that its rules name, */
	uint64_t names[CLUSTER_LEASES];	 /* and name_hash() of its name alone */
	uint16_t first[CLUSTER_LEASES];	 /* the bit of its shard 0 in: */
	/* The shards that it cannot relay now: no input arrives, or an output is down. */
	uint64_t unfit[CLUSTER_SHARDS / 64];
};

struct shard_record {
	char node[CLUSTER_NAME_SIZE]; /* the holder's name; empty: no holder yet */
	int64_t term;
	bool pinned;   /* it was moved there by hand, so it stays there */
	int64_t asked; /* `at` of the last request for a move that was obeyed; 0: none was */
	/* Its former holder, which has passed it on, may send it for this many ns after this was
	 * sent to the store; the holder has cleared it when that is over. */
	uint64_t left;
	/* JSON, {RULE: NUMBER, …}: the holder sends from these datagrams on, the former one those
	 * before. NULL: the streams have no numbers. Valid as long as what it is handed over with.
	 */
	const char *cut;
	/* Where the hosts' time of day is synchronised, and there are no numbers: when that is
	 * (CLOCK_REALTIME, ns); 0: not said. */
	uint64_t until_real;
};

/* The longest time and text of these. */
#define CLUSTER_LEFT_NS	 33000000000ULL
#define CLUSTER_CUT_SIZE 12288

#endif
