/* SPDX-License-Identifier: BSD-2-Clause */
/* A node of the lease protocol in a test: "a", whose rules have the lease "radio" of one shard.
 * After <cmocka.h>. */
#ifndef XMCAST_TESTS_CLUSTER_MEMBER_H
#define XMCAST_TESTS_CLUSTER_MEMBER_H

#include "cluster/protocol.h"
#include "cluster/rendezvous.h"

#define MS   1000000ULL
#define TIME (1000000 * MS) /* when everything begins */

static const struct lease_name radio = {"radio", 1};

static inline struct protocol *new_protocol(void)
{
	static const struct protocol_settings settings = {.node = "a",
							  .instance = 1,
							  .host = 7,
							  .weight = 1,
							  .deadline = 600 * MS,
							  .guard = 100 * MS,
							  .renew = 100 * MS,
							  .gap = 15 * MS,
							  .daemon = 250 * MS,
							  .settle = 1000 * MS,
							  .moves = 1};
	struct protocol *protocol = protocol_new(&settings);

	assert_non_null(protocol);
	assert_true(protocol_set_leases(protocol, &radio, 1) >= 0);
	protocol_set_daemon(protocol, true);
	return protocol;
}

static inline struct node_record record_of(uint64_t instance)
{
	return (struct node_record){.instance = instance,
				    .host = 7,
				    .serial = 1,
				    .weight = 1,
				    .nr_leases = 1,
				    .leases = {lease_hash(radio.name, radio.shards)},
				    .names = {name_hash(radio.name)}};
}

/* It wants this transaction, which succeeds. */
static inline void expect_txn(struct protocol *protocol, uint64_t now, enum txn_kind kind,
			      int64_t revision)
{
	const struct answer done = {.kind = ANSWER_DONE, .revision = revision};
	struct txn txn;

	assert_true(protocol_request(protocol, now, &txn));
	assert_int_equal(txn.kind, kind);
	protocol_answer(protocol, now, &done);
}

static inline struct protocol *new_member(void)
{
	struct protocol *protocol = new_protocol();

	protocol_reading(protocol);
	protocol_see_all(protocol, TIME, 1);
	expect_txn(protocol, TIME, TXN_JOIN, 2);
	return protocol;
}

/* Ours and that of another node, and the shard is moved to it. */
static inline struct protocol *new_holder(const struct shard_record *held)
{
	struct protocol *protocol = new_member();
	const struct node_record other = record_of(2);

	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, held);
	return protocol;
}

#endif
