// SPDX-License-Identifier: BSD-2-Clause
/* Which shards a node moves, and whether a lease is sent at all: single steps of the lease
 * protocol. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_member.h"

/* The daemon has refused the numbers, so it withholds nothing, and begins after the other's end. */
static void begins_without_the_numbers(void **state)
{
	const struct shard_record passed = {
		.node = "a", .term = 2, .left = 300 * MS, .cut = "{\"r\":1}"};
	struct protocol *protocol = new_holder(&passed);
	uint64_t from, quiet = TIME + 350 * MS;
	int64_t epoch;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(from, quiet + protocol_withheld(protocol));
	assert_string_equal(protocol_cut(protocol, 0, TIME), "{\"r\":1}");
	protocol_cut_refused(protocol, 0, TIME + 10 * MS);
	assert_true(protocol_late(protocol, 0));
	assert_null(protocol_cut(protocol, 0, TIME + 10 * MS));
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 10 * MS, &from, &epoch), 0);
	assert_int_equal(from, quiet + 15 * MS);
	protocol_free(protocol);
}

/* The daemon has the numbers before the middle of the time that is left, when they come. The wait
 * for the end is longer by the share of the guard, which does not count. */
static void has_the_numbers_in_time(void **state)
{
	const struct shard_record passed = {
		.node = "a", .term = 2, .left = 300 * MS, .cut = "{\"r\":1}"};

	for (unsigned int late = 0; late < 2; late++) {
		struct protocol *protocol = new_holder(&passed);
		uint64_t from;
		int64_t epoch;

		assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
		protocol_cut_set(protocol, 0, TIME + 150 * MS + late);
		assert_int_equal(protocol_late(protocol, 0), late);
		protocol_free(protocol);
	}
}

/* Whether a shard was passed on too late if that is known after this time, from the answer or the
 * watch. Its end is set to `until`, or at numbers that come in the middle of `later`. */
static bool passed_late(unsigned int until, unsigned int later, unsigned int known, bool watched)
{
	const struct shard_record passed = {
		.node = "b", .term = 3, .left = 9 * MS, .cut = later ? "{}" : NULL};
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	uint64_t from, latest, now = TIME + 20 * MS;
	const struct protocol_cut cut = {"{\"r\":1}", now + later / 2 * MS, now + later * MS};
	int64_t epoch;
	struct txn txn;
	bool late;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	protocol_end_asked(protocol, 0, now + until * MS);
	protocol_end_set(protocol, 0, now, now + until * MS, later ? &cut : NULL);
	assert_true(protocol_request(protocol, now, &txn));
	assert_int_equal(txn.kind, TXN_PASS);
	assert_false(protocol_late(protocol, 0));
	if (watched)
		protocol_see_shard(protocol, now + known * MS, radio.name, 0, 9, &passed);
	protocol_answer(protocol, now + (watched ? 500 : known) * MS,
			&(struct answer){.kind = ANSWER_DONE, .revision = 9});
	late = protocol_late(protocol, 0);
	assert_false(protocol_late(protocol, 0));
	protocol_free(protocol);
	return late;
}

/* Its numbers come in the middle of the time, or it has ended before. */
static void passes_on_in_time(void **state)
{
	for (unsigned int watched = 0; watched < 2; watched++) {
		assert_false(passed_late(300, 400, 200, watched));
		assert_true(passed_late(300, 400, 201, watched));
		assert_false(passed_late(100, 1500, 100, watched));
		assert_true(passed_late(100, 1500, 101, watched));
		/* Without numbers it begins when it begins. */
		assert_false(passed_late(10, 0, 200, watched));
	}
}

/* A move that is asked for while the last one is still in the shard's key. */
static void moves_again_soon(void **state)
{
	const struct shard_record passed = {.node = "a", .term = 2, .left = 60 * MS};
	const struct shard_record over = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&passed);
	struct shard_status status;
	uint64_t from;
	int64_t epoch;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	protocol_see_shard(protocol, TIME + 100 * MS, radio.name, 0, 6, &over);
	protocol_shard(protocol, 0, &status);
	assert_true(status.ours && status.moving);
	protocol_free(protocol);
}

/* The key has changed between the request for an end and its answer: the daemon has that end with
 * an older epoch than the one that a later request would have. */
static void an_end_of_an_older_key(void **state)
{
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	uint64_t from, latest, now = TIME + 20 * MS;
	int64_t epoch, again;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	assert_int_equal(latest, TIME + 600 * MS); /* however long the daemon may hang */
	protocol_end_asked(protocol, 0, latest);
	protocol_see_shard(protocol, now, radio.name, 0, 6, &held);
	protocol_end_set(protocol, 0, now, latest, NULL);
	assert_false(protocol_ends(protocol, 0, now));
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	assert_int_not_equal(protocol_until(protocol, 0, now, &from, &again), 0);
	assert_true(again > 6);
	protocol_free(protocol);
}

/* A second move of a shard goes on to where it was said last, or ends the first one. */
static void the_last_move_counts(void **state)
{
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	struct node_record third = record_of(3);
	struct shard_status status;
	struct txn txn;

	third.leases[0] = lease_hash(radio.name, radio.shards);
	third.nr_leases = 1;
	protocol_see_node(protocol, TIME, "c", 6, 6, &third);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "a"), 0);
	protocol_shard(protocol, 0, &status);
	assert_false(status.moving);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "c"), 0);
	assert_true(protocol_request(protocol, TIME, &txn));
	assert_int_equal(txn.kind, TXN_PASS);
	assert_string_equal(txn.shards[0].becomes.node, "c");
	/* While that is being written, it is asked of the node that gets it. */
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), -ESRCH);
	protocol_answer(protocol, TIME, &(struct answer){.kind = ANSWER_UNKNOWN});
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), -ESRCH);
	protocol_free(protocol);
}

/* A node that has been a member for longer has another number of shards: theirs are other streams,
 * so nothing is sent here, and what is held is given back. It is the other way round once that node
 * has gone, when every node has seen that. */
static void another_number_of_shards(void **state)
{
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	struct node_record elder = record_of(3);
	const uint64_t gone = TIME + 100 * MS;
	uint64_t from;
	int64_t epoch;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_null(protocol_ruler(protocol, 0));
	elder.leases[0] = lease_hash(radio.name, 8);
	protocol_see_node(protocol, TIME, "c", 1, 6, &elder);
	assert_string_equal(protocol_ruler(protocol, 0), "c");
	assert_int_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	protocol_muted(protocol, 0);
	expect_txn(protocol, TIME, TXN_RELEASE, 7);
	assert_false(protocol_is_ours(protocol, 0));
	protocol_see_node(protocol, gone, "c", 0, 8, NULL);
	assert_null(protocol_ruler(protocol, 0));
	protocol_see_shard(protocol, gone, radio.name, 0, 9, &held);
	expect_txn(protocol, gone, TXN_RENEW, 10);
	assert_int_equal(protocol_until(protocol, 0, gone, &from, &epoch), 0);
	expect_txn(protocol, gone + 500 * MS, TXN_RENEW, 11);
	assert_int_equal(protocol_until(protocol, 0, gone + 699 * MS, &from, &epoch), 0);
	assert_int_not_equal(protocol_until(protocol, 0, gone + 701 * MS, &from, &epoch), 0);
	protocol_free(protocol);
}

/* It ends at a number when its lease is overruled: it is muted at once, whether or not it was
 * passed on, and its end is not set to a later one. */
static void an_end_is_overruled(void **state)
{
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	struct node_record elder = record_of(3);
	struct protocol_end end;
	uint64_t from, latest, now = TIME + 20 * MS;
	int64_t epoch;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	protocol_end_asked(protocol, 0, now + 300 * MS);
	protocol_end_set(protocol, 0, now, now + 300 * MS,
			 &(struct protocol_cut){"{\"r\":1}", now + 200 * MS, now + 400 * MS});
	assert_true(protocol_ends(protocol, 0, now));
	elder.leases[0] = lease_hash(radio.name, 8);
	protocol_see_node(protocol, now, "c", 1, 6, &elder);
	for (unsigned int passed = 0; passed < 2; passed++) {
		assert_false(protocol_ends(protocol, 0, now));
		assert_int_equal(protocol_until(protocol, 0, now, &from, &epoch), 0);
		assert_true(protocol_is_set(protocol, 0));
		assert_false(protocol_wants_later(protocol, 0, now, &end));
		if (!passed)
			expect_txn(protocol, now, TXN_PASS, 7);
	}
	protocol_free(protocol);
}

/* Other rules here have another number: nothing is sent before the other nodes have read it. */
static void our_number_of_shards_changes(void **state)
{
	static const struct lease_name eight = {"radio", 8};
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	uint64_t from;
	int64_t epoch;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_set_leases(protocol, &eight, 1), 0);
	assert_null(protocol_ruler(protocol, 0));
	assert_int_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	expect_txn(protocol, TIME, TXN_RENEW, 6);
	assert_int_equal(protocol_until(protocol, 0, TIME + 100 * MS, &from, &epoch), 0);
	expect_txn(protocol, TIME + 500 * MS, TXN_RENEW, 7);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 701 * MS, &from, &epoch), 0);
	protocol_free(protocol);
}

/* An input of one shard that comes and goes at another node does not keep the other shards from
 * going there. */
static void an_unsteady_input_delays_its_shard_only(void **state)
{
	static const struct lease_name two = {"wide", 2};
	const struct shard_record held = {.node = "a", .term = 2};
	struct node_record other = record_of(2);
	struct protocol *protocol = new_member();
	int64_t revision = 10;

	other.weight = CLUSTER_WEIGHT;
	other.leases[0] = lease_hash("wide", 2);
	assert_int_equal(protocol_set_leases(protocol, &two, 1), 0);
	protocol_reading(protocol);
	protocol_see_node(protocol, TIME, "a", 2, 2, NULL);
	for (unsigned int i = 0; i < 2; i++)
		protocol_see_shard(protocol, TIME, "wide", i, 4 + i, &held);
	protocol_see_all(protocol, TIME, 9);
	for (uint64_t now = TIME; now < TIME + 3000 * MS; now += 100 * MS) {
		struct txn txn;

		other.serial++;
		other.unfit[0] = other.serial % 2 ? 1U << 1 : 0;
		protocol_see_node(protocol, now, "b", 3, revision++, &other);
		while (protocol_request(protocol, now, &txn))
			protocol_answer(
				protocol, now,
				&(struct answer){.kind = ANSWER_DONE, .revision = revision++});
	}
	assert_false(protocol_is_ours(protocol, 0));
	assert_true(protocol_is_ours(protocol, 1));
	protocol_free(protocol);
}

/* Shards wait for each other: the last of many is not muted because it has waited for long. */
static void a_long_queue_is_not_muted(void **state)
{
	static const struct lease_name two = {"wide", 2};
	const struct shard_record held = {.node = "a", .term = 2};
	struct node_record other = record_of(2);
	const uint64_t late = TIME + 10500 * MS;
	struct protocol *protocol = new_member();
	uint64_t from, latest, now;
	int64_t epoch, revision = 10;

	other.leases[0] = lease_hash("wide", 2);
	assert_int_equal(protocol_set_leases(protocol, &two, 1), 0);
	protocol_reading(protocol);
	protocol_see_node(protocol, TIME, "a", 2, 2, NULL);
	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	for (unsigned int i = 0; i < 2; i++)
		protocol_see_shard(protocol, TIME, "wide", i, 4 + i, &held);
	protocol_see_all(protocol, TIME, 9);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_not_equal(protocol_until(protocol, i, TIME, &from, &epoch), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(protocol_move(protocol, TIME, i, "b"), 0);
	for (now = TIME; now < late; now += 100 * MS) {
		const struct answer done = {.kind = ANSWER_DONE, .revision = revision++};
		struct txn txn;

		other.serial++;
		protocol_see_node(protocol, now, "b", 3, revision++, &other);
		while (protocol_request(protocol, now, &txn))
			protocol_answer(protocol, now, &done);
		for (unsigned int i = 0; i < 2; i++)
			(void)protocol_until(protocol, i, now, &from, &epoch);
		/* The first one, late. */
		if (now == TIME + 8000 * MS && protocol_wants_end(protocol, 0, now, &latest)) {
			protocol_end_asked(protocol, 0, now + 10 * MS);
			protocol_end_set(protocol, 0, now, now + 10 * MS, NULL);
		}
	}
	assert_false(protocol_is_ours(protocol, 0));
	assert_true(protocol_is_ours(protocol, 1));
	assert_true(protocol_wants_end(protocol, 1, now - 100 * MS, &latest));
	protocol_free(protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_without_the_numbers),
		cmocka_unit_test(has_the_numbers_in_time),
		cmocka_unit_test(passes_on_in_time),
		cmocka_unit_test(moves_again_soon),
		cmocka_unit_test(an_end_of_an_older_key),
		cmocka_unit_test(the_last_move_counts),
		cmocka_unit_test(another_number_of_shards),
		cmocka_unit_test(an_end_is_overruled),
		cmocka_unit_test(our_number_of_shards_changes),
		cmocka_unit_test(an_unsteady_input_delays_its_shard_only),
		cmocka_unit_test(a_long_queue_is_not_muted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
