/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of etcd: requests and answers of its v3 JSON gateway (etcd 3.4: /v3/kv/txn,
 * /v3/kv/range, /v3/watch, /v3/auth/authenticate), and how records are written in keys and values:
 *
 *     PREFIX/nodes/NAME            {"instance","host","serial","weight","draining","leases":["tv/16"],"unfit":"0008","real","ask","heard"}
 *     PREFIX/shards/LEASE/NUMBER   {"node","term","pinned","asked"}, and while it is passed on
 *                                  {"left_us","cut":{RULE:NUMBER,…},"until_real"}
 *
 * "unfit" has a hexadecimal digit for four shards, in the order of "leases".
 *
 * Everything that comes from etcd is checked; it may be written by anybody who may write there.
 * Pure; any thread. Bodies are malloc()ed texts, NULL: no memory.
 */
#ifndef XMCAST_CLUSTER_ETCD_H
#define XMCAST_CLUSTER_ETCD_H

#include <stddef.h>

#include "cluster/protocol.h"

/* Bytes of the prefix of all keys, with its NUL. */
#define ETCD_PREFIX_SIZE 64

/* The longest answer that is read: CLUSTER_SHARDS keys need less than 2 MB. */
#define ETCD_ANSWER_MAX (8u << 20)

/* Bytes of a token of authentication, with its NUL: a JWT may be long. */
#define ETCD_TOKEN_SIZE 4096

/* A key with its value, as it was read or watched. */
struct etcd_key {
	bool is_shard;
	bool deleted; /* at revision `mod` */
	int64_t create, mod;
	char node[CLUSTER_NAME_SIZE];
	struct node_record node_record;
	char lease[CLUSTER_NAME_SIZE];
	unsigned int number;
	struct shard_record shard_record;
	char cut[CLUSTER_CUT_SIZE]; /* what shard_record.cut is, if it is not NULL */
};

typedef void etcd_key_function(void *context, const struct etcd_key *key);

/* Whether this may be the name of a node or lease: 1 to 63 letters, digits, dots, hyphens and
 * underscores. */
bool etcd_name_valid(const char *name);

/* `node` is ours; the names of its leases are taken from `protocol`. */
char *etcd_txn_body(const char *prefix, const struct txn *txn, const char *node,
		    const struct protocol *protocol);
char *etcd_range_body(const char *prefix);
char *etcd_watch_body(const char *prefix, int64_t revision); /* what happens from it on */
char *etcd_login_body(const char *user, const char *password);

/* 0, or -EBADMSG: not an answer to such a request, with *reason (constant text, or etcd's words in
 * `words`); -EACCES: etcd wants a (new) token; -ENOMEM. */
#define ETCD_WORDS_SIZE 160
int etcd_read_txn(const char *text, size_t length, struct answer *answer,
		  char words[ETCD_WORDS_SIZE]);

/* Calls `each` for every key that is one of ours; others are counted in *strange. So are those of
 * ours whose values cannot be read, which have an empty record: `node`, or weight and instance. */
int etcd_read_range(const char *text, size_t length, const char *prefix, int64_t *revision,
		    etcd_key_function *each, void *context, unsigned int *strange,
		    char words[ETCD_WORDS_SIZE]);

/* A line of a watch. -ECANCELED: the watch has ended, read all keys again. */
int etcd_read_watch(const char *text, size_t length, const char *prefix, etcd_key_function *each,
		    void *context, unsigned int *strange, char words[ETCD_WORDS_SIZE]);

int etcd_read_login(const char *text, size_t length, char token[ETCD_TOKEN_SIZE],
		    char words[ETCD_WORDS_SIZE]);

#endif
