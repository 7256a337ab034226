/* SPDX-License-Identifier: BSD-2-Clause */
/* What the world of test_cluster_model.c consists of. */
#ifndef XMCAST_TESTS_CLUSTER_MODEL_H
#define XMCAST_TESTS_CLUSTER_MODEL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/protocol.h"
#include "cluster/rendezvous.h"

#define MS	 1000000ULL

#define TICK	 25 /* ms of real time; a node does one step in each */
#define DEADLINE 600
#define GUARD	 100
#define TIMEOUT	 150 /* of a request */
#define LATER	 400 /* after its deadline a move at a datagram may end */
#define NODES	 3   /* at most */
#define SHARDS	 2
#define MESSAGES 64
#define EVENTS	 768

enum fault_kind {
	AGENT_STOPS,  /* SIGSTOP, and SIGCONT after `ticks` */
	AGENT_KILLED, /* and started again after `ticks` */
	DAEMON_STOPS,
	DAEMON_LEAVES, /* the connection to it; its deadlines hold */
	HOST_DIES,     /* both are killed, and come back after `ticks` */
	REQUESTS_LOST, /* those sent during `ticks` */
	REQUESTS_LATE, /* they arrive at the end */
	ANSWERS_LOST,
	ANSWERS_LATE,
	WATCH_LATE,
	CUT_OFF,
	KEYS_DELETED, /* all of them, by somebody else */
	MOVED,	      /* by hand, to the next node; any node may hold the shard */
	DRAINED,      /* for `ticks` */
	DRAIN_ASKED,  /* of the next node, until it obeys, and at the end to end that */
	RESHARDED,    /* for `ticks` its rules have one shard instead of two */
	STORE_DOWN,
	KINDS,
};

struct fault {
	enum fault_kind kind;
	unsigned int node, start, ticks;
};

struct message {
	bool used, answered;
	unsigned int node, number;
	unsigned int arrives, returns; /* UINT_MAX: never */
	struct txn txn;
	struct answer answer;
};

/* What is wrong with this world. */
enum mutation {
	NO_MUTATION,
	NO_LEFT,   /* the new holder does not learn how long the former one may send */
	EARLY_END, /* an end counts as set before the daemon has confirmed it */
	NO_RULER,  /* nodes do not learn that another one has another number of shards */
	NO_ORDER,  /* the new holder does not learn which request was obeyed */
};

/* What the watch reports. */
struct event {
	bool is_shard, gone;
	unsigned int index; /* of the node or shard */
	int64_t create, mod;
	struct node_record node;
	struct shard_record shard;
};

/* What a daemon knows of a shard, or is asked for. */
struct deadline {
	uint64_t from, until;
	int64_t epoch;
	unsigned int end_at, begin_at; /* datagrams; 0: none */
};

struct node {
	struct protocol *protocol;
	unsigned int instance, host, number; /* of the request that is waited for; 0: none */
	uint64_t number_sent;		     /* when, by its clock */
	unsigned int seen;		     /* events */
	bool read;			     /* all keys */
	struct deadline obeys[SHARDS];	     /* the daemon */
	unsigned int shards, rules;	     /* as the agent knows, and the daemon has */
	bool wants_drain, asks_drain;	     /* of the next node, and what it was asked for last */
	uint64_t drain_id;		     /* of that request; 0: it cannot be made yet */
	/* The request to the daemon: */
	bool asked, draining;
	uint64_t asked_at;
	struct deadline asks[SHARDS];
	bool ends[SHARDS];	 /* it is protocol_end_asked() */
	bool later[SHARDS];	 /* it is protocol_wants_later() */
	bool left_alone[SHARDS]; /* nothing is asked for */
};

struct world {
	unsigned int tick, requests, nr_nodes;
	unsigned int moved; /* the first shard that MOVED is about */
	unsigned int lost;  /* requests of administrators, as was reported */
	uint64_t guard;
	enum mutation mutation;
	unsigned int rate[NODES]; /* of its clock, in thousandths */
	struct node nodes[NODES];
	int64_t revision;
	struct event keys[NODES + SHARDS]; /* mod 0: does not exist */
	struct event events[EVENTS];
	unsigned int nr_events;
	struct message messages[MESSAGES];
	const struct fault *faults;
	unsigned int nr_faults;
};

#endif
