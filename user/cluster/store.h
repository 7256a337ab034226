/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection to etcd by libcurl: one transaction at a time, and a watch of all keys, which
 * reads them first, and again whenever it was interrupted, or has not shown one of our transactions
 * `lag` after its answer. Both try the endpoints in turn.
 *
 * What it learns it reports by the functions of store_listener, from store_run(). Nothing blocks;
 * store_wait() is the wait of the program's loop. One thread. Needs the network.
 */
#ifndef XMCAST_CLUSTER_STORE_H
#define XMCAST_CLUSTER_STORE_H

#include <curl/curl.h>

#include "cluster/etcd.h"

#define STORE_ENDPOINTS 16

struct store_settings {
	char prefix[ETCD_PREFIX_SIZE];
	unsigned int nr_endpoints;
	char endpoints[STORE_ENDPOINTS][256];	     /* "https://10.0.0.1:2379" */
	char ca[4096], certificate[4096], key[4096]; /* paths; empty: none */
	char user[64], password[256];		     /* empty: none */
	uint64_t timeout;			     /* of a transaction, in ns */
	uint64_t lag; /* of the watch behind our transactions, at most, in ns */
};

struct store_listener {
	void *context;
	void (*answer)(void *context, const struct answer *answer);
	void (*reading)(void *context); /* all keys are about to be reported */
	void (*key)(void *context, const struct etcd_key *key);
	void (*all)(void *context, int64_t revision); /* they were, as of this revision */
};

struct store_status {
	const char *endpoint; /* of the last transaction */
	bool reachable;	      /* it was answered */
	bool watching;
	const char *error;     /* why not; empty: nothing is wrong */
	uint64_t failures;     /* transactions without an answer */
	uint64_t watch_losses; /* watches that were interrupted */
	uint64_t strange_keys; /* below our prefix, but not as we write them */
};

struct store;

/* 0; -ENOMEM. The settings are copied, the password is wiped when the store is closed. */
int store_open(struct store **out, const struct store_settings *settings,
	       const struct store_listener *listener);
void store_close(struct store *store); /* accepts NULL */

/* Send a transaction (its body, which becomes the store's; NULL: no memory). Its answer is
 * reported, ANSWER_UNKNOWN at the latest after the timeout. */
void store_send(struct store *store, char *body);

/* Wait for the store, or for one of these, at most that long. */
void store_wait(struct store *store, struct curl_waitfd *fds, unsigned int count,
		unsigned int milliseconds);

/* Read all keys again, and watch from there on. */
void store_read_again(struct store *store);

/* Do what can be done without waiting. `now` is CLOCK_MONOTONIC in ns. */
void store_run(struct store *store, uint64_t now);

void store_status(const struct store *store, struct store_status *status);

#endif
