// SPDX-License-Identifier: BSD-2-Clause
/* Single steps of the lease protocol of xmcast-cluster. All schedules are in
 * test_cluster_model.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/view.h"
#include "cluster_member.h"

/* A node whose renewal is received just after the time was read is alive, not silent for ages. */
static void a_renewal_from_the_future(void **state)
{
	struct protocol *protocol = new_member();
	const struct node_record other = record_of(2);
	struct node_status status;
	struct txn txn;

	protocol_see_node(protocol, TIME + 20 * MS, "b", 5, 5, &other);
	while (protocol_request(protocol, TIME + 10 * MS, &txn)) {
		const struct answer done = {.kind = ANSWER_DONE, .revision = 6};

		assert_int_not_equal(txn.kind, TXN_BURY);
		protocol_answer(protocol, TIME + 10 * MS, &done);
	}
	assert_true(protocol_node(protocol, 1, TIME + 10 * MS, &status));
	assert_string_equal(status.name, "b");
	assert_true(status.live);
	assert_int_equal(status.silent, 0);
	protocol_free(protocol);
}

/* A process that has adopted the key of its predecessor, which held the shard at this term. */
static struct protocol *new_successor(uint64_t now)
{
	struct protocol *protocol = new_protocol();
	const struct node_record before = record_of(99);
	const struct shard_record held = {.node = "a", .term = 5};

	protocol_reading(protocol);
	protocol_see_node(protocol, TIME, "a", 5, 8, &before);
	protocol_see_shard(protocol, TIME, radio.name, 0, 6, &held);
	protocol_see_all(protocol, TIME, 8);
	expect_txn(protocol, now, TXN_ADOPT, 9);
	assert_true(protocol_is_ours(protocol, 0));
	return protocol;
}

/* The daemon may have deadlines of the predecessor, so the node does not leave before they have
 * passed, or the shard is muted. */
static void deadlines_of_a_predecessor(void **state)
{
	const uint64_t now = TIME + 400 * MS, passed = now + 600 * MS;
	uint64_t from;
	int64_t epoch;
	struct txn txn;

	for (unsigned int muted = 0; muted < 2; muted++) {
		struct protocol *protocol = new_successor(now);

		assert_true(protocol_is_set(protocol, 0));
		protocol_leave(protocol);
		assert_int_equal(protocol_until(protocol, 0, now, &from, &epoch), 0);
		assert_int_equal(epoch, 9);
		assert_false(protocol_request(protocol, now, &txn));
		if (muted)
			protocol_muted(protocol, 0);
		else
			assert_false(protocol_request(protocol, passed - 1, &txn));
		expect_txn(protocol, muted ? now : passed, TXN_LEAVE, 10);
		assert_false(protocol_request(protocol, passed, &txn));
		assert_int_equal(protocol_state(protocol), PROTOCOL_LEFT);
		protocol_free(protocol);
	}
}

/* A new holder begins when the old one has sent what was on its way; a new process at once. */
static void a_gap_before_sending(void **state)
{
	struct protocol *protocol = new_member();
	const struct node_record other = record_of(2);
	const struct shard_record passed = {.node = "a", .term = 2};
	uint64_t from, again;
	int64_t epoch;

	protocol_see_node(protocol, TIME, "b", 1, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, &passed);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 7, &from, &epoch), 0);
	assert_int_equal(from, TIME + 7 + 15 * MS);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 50 * MS, &again, &epoch), 0);
	assert_int_equal(again, from);
	protocol_free(protocol);
	protocol = new_successor(TIME + 400 * MS);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 400 * MS, &from, &epoch), 0);
	assert_int_equal(from, 0);
	protocol_free(protocol);
}

/* A shard is moved only to a node that would be given it: not to one that drains, or whose rules do
 * not have the lease. */
static void moves_to_possible_holders(void **state)
{
	struct protocol *protocol = new_member();
	struct node_record other = record_of(2);
	const struct shard_record ours = {.node = "a", .term = 2};

	protocol_see_shard(protocol, TIME, radio.name, 0, 4, &ours);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), -ENOENT);
	other.draining = true;
	protocol_see_node(protocol, TIME, "b", 5, 5, &other);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), -ENOENT);
	other.draining = false;
	other.nr_leases = 0;
	protocol_see_node(protocol, TIME, "b", 5, 6, &other);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), -ENOENT);
	other.nr_leases = 1;
	protocol_see_node(protocol, TIME, "b", 5, 7, &other);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	expect_txn(protocol, TIME, TXN_PASS, 8);
	assert_false(protocol_is_ours(protocol, 0));
	protocol_free(protocol);
}

/* A lease that our rules name no more is free for other nodes; the others stay ours. */
static void releases_a_lease_that_is_gone(void **state)
{
	static const struct lease_name both[] = {{"radio", 1}, {"tv", 1}};
	struct protocol *protocol = new_member();
	const struct shard_record ours = {.node = "a", .term = 2};
	const struct answer unknown = {.kind = ANSWER_UNKNOWN};
	struct txn txn;

	assert_int_equal(protocol_set_leases(protocol, both, 2), 0);
	protocol_reading(protocol);
	protocol_see_shard(protocol, TIME, "radio", 0, 3, &ours);
	protocol_see_shard(protocol, TIME, "tv", 0, 4, &ours);
	protocol_see_all(protocol, TIME, 4);
	assert_int_equal(protocol_set_leases(protocol, both, 1), 0);
	assert_true(protocol_is_ours(protocol, 0));
	/* It is back before its key was deleted. */
	assert_int_equal(protocol_set_leases(protocol, both, 2), 0);
	protocol_reading(protocol);
	protocol_see_shard(protocol, TIME, "tv", 0, 4, &ours);
	protocol_see_shard(protocol, TIME, "radio", 0, 3, &ours);
	protocol_see_all(protocol, TIME, 4);
	assert_true(protocol_is_ours(protocol, 1));
	expect_txn(protocol, TIME, TXN_RENEW, 5);
	assert_false(protocol_request(protocol, TIME, &txn));
	/* It is gone. While its key may be deleted, it cannot come back. */
	assert_int_equal(protocol_set_leases(protocol, both, 1), 0);
	protocol_reading(protocol);
	protocol_see_shard(protocol, TIME, "radio", 0, 3, &ours);
	protocol_see_all(protocol, TIME, 5);
	expect_txn(protocol, TIME, TXN_RENEW, 6);
	assert_true(protocol_request(protocol, TIME, &txn));
	assert_int_equal(txn.kind, TXN_RELEASE);
	assert_int_equal(txn.nr_shards, 1);
	assert_string_equal(txn.shards[0].lease, "tv");
	assert_int_equal(txn.shards[0].mod, 4);
	assert_int_equal(protocol_set_leases(protocol, both, 2), -EAGAIN);
	protocol_answer(protocol, TIME, &unknown);
	assert_int_equal(protocol_set_leases(protocol, both, 2), -EAGAIN);
	expect_txn(protocol, TIME + 50 * MS, TXN_RENEW, 7);
	expect_txn(protocol, TIME + 50 * MS, TXN_RELEASE, 8);
	assert_false(protocol_request(protocol, TIME + 50 * MS, &txn));
	assert_true(protocol_is_ours(protocol, 0));
	assert_int_equal(protocol_set_leases(protocol, both, 2), 0);
	assert_false(protocol_is_ours(protocol, 1));
	protocol_free(protocol);
}

/* A shard's key that cannot be read is nobody's: it is claimed, and sent after its holder, which
 * may not know that yet, has stopped. */
static void claims_an_unreadable_shard(void **state)
{
	struct protocol *protocol = new_member();
	const struct node_record other = record_of(2);
	const struct shard_record held = {.node = "b", .term = 3}, unreadable = {0};
	const struct answer done = {.kind = ANSWER_DONE, .revision = 6};
	uint64_t from;
	int64_t epoch;
	struct txn txn;

	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, &held);
	assert_false(protocol_request(protocol, TIME, &txn));
	protocol_see_node(protocol, TIME, "b", 3, 5, NULL);
	protocol_see_shard(protocol, TIME, radio.name, 0, 5, &unreadable);
	assert_true(protocol_request(protocol, TIME, &txn));
	assert_int_equal(txn.kind, TXN_CLAIM);
	assert_int_equal(txn.shards[0].mod, 5);
	assert_int_equal(txn.shards[0].becomes.left, 700 * MS);
	protocol_answer(protocol, TIME, &done);
	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_true(from >= TIME + 715 * MS);
	protocol_free(protocol);
}

/* A node whose record cannot be read is declared dead with the mod_revision of that. */
static void buries_an_unreadable_node(void **state)
{
	struct protocol *protocol = new_member();
	const struct node_record other = record_of(2), unreadable = {0};
	struct txn txn = {0};

	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	protocol_see_node(protocol, TIME, "b", 3, 4, &unreadable);
	for (unsigned int i = 0; i < 100 && txn.kind != TXN_BURY; i++) {
		const struct answer done = {.kind = ANSWER_DONE, .revision = 5 + i};
		uint64_t now = TIME + i * 50 * MS;

		if (protocol_request(protocol, now, &txn) && txn.kind != TXN_BURY)
			protocol_answer(protocol, now, &done);
	}
	assert_int_equal(txn.kind, TXN_BURY);
	assert_int_equal(txn.other_mod, 4);
	protocol_free(protocol);
}

/* What a dead node held is claimed at once, before the watch shows that it is dead. */
static void claims_after_the_answer(void **state)
{
	const struct shard_record held = {.node = "b", .term = 3};
	struct protocol *protocol = new_holder(&held);
	const uint64_t dead = TIME + 701 * MS;
	uint64_t from;
	int64_t epoch;

	for (unsigned int i = 1; i < 8; i++)
		expect_txn(protocol, TIME + i * 100 * MS, TXN_RENEW, 10 + i);
	/* Nobody looks earlier, and nobody later. */
	assert_int_equal(protocol_next(protocol, dead - 2 * MS), TIME + 700 * MS + 1);
	expect_txn(protocol, dead, TXN_BURY, 20);
	expect_txn(protocol, dead + 5 * MS, TXN_CLAIM, 21);
	assert_true(protocol_is_ours(protocol, 0));
	/* The gap counts from when it was known to be dead, not from the claim. */
	assert_int_not_equal(protocol_until(protocol, 0, dead + 9 * MS, &from, &epoch), 0);
	assert_int_equal(from, dead + 15 * MS);
	protocol_free(protocol);
}

/* A third node has passed the shard on to one that leaves at once, and sends it until just before
 * we claim it: the gap counts from its end. */
static void a_gap_after_who_has_passed_it_on(void **state)
{
	const struct shard_record passed = {.node = "b", .term = 3, .left = 60 * MS};
	struct protocol *protocol = new_holder(&passed);
	uint64_t from;
	int64_t epoch;

	protocol_see_node(protocol, TIME + 10 * MS, "b", 3, 5, NULL);
	expect_txn(protocol, TIME + 71 * MS, TXN_CLAIM, 6);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 72 * MS, &from, &epoch), 0);
	/* Longer by the share of the guard. */
	assert_int_equal(from, TIME + 70 * MS + 15 * MS);
	protocol_free(protocol);
}

/* A node whose number of shards counted has left. Others with its number may send until they have
 * seen that. */
static void a_gap_after_another_number_of_shards(void **state)
{
	const struct shard_record held = {.node = "b", .term = 1};
	struct protocol *protocol = new_member();
	struct node_record other = record_of(2);
	const uint64_t left = TIME + 10 * MS;
	uint64_t from;
	int64_t epoch;

	other.leases[0] = lease_hash(radio.name, 2);
	protocol_see_node(protocol, TIME, "b", 1, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, &held);
	protocol_see_node(protocol, left, "b", 1, 5, NULL);
	expect_txn(protocol, left, TXN_CLAIM, 6);
	for (unsigned int i = 1; i < 8; i++)
		expect_txn(protocol, left + i * 100 * MS, TXN_RENEW, 6 + i);
	assert_int_equal(protocol_until(protocol, 0, left + 700 * MS - 1, &from, &epoch), 0);
	assert_int_not_equal(protocol_until(protocol, 0, left + 700 * MS, &from, &epoch), 0);
	assert_int_equal(from, left + 715 * MS);
	protocol_free(protocol);
}

/* After an interruption of the store another node may wait for an answer that does not come, for a
 * quarter of the deadline. It is not declared dead before it can have asked again. */
static void waits_for_others_after_an_interruption(void **state)
{
	const struct protocol_settings settings = {.node = "a",
						   .instance = 1,
						   .weight = 1,
						   .deadline = 2000 * MS,
						   .guard = 100 * MS,
						   .renew = 100 * MS};
	const struct shard_record held = {.node = "b", .term = 3};
	const struct answer unknown = {.kind = ANSWER_UNKNOWN};
	const struct node_record other = record_of(2);
	struct protocol *protocol = protocol_new(&settings);
	const uint64_t back = TIME + 3000 * MS;
	struct txn txn;

	assert_non_null(protocol);
	assert_true(protocol_set_leases(protocol, &radio, 1) >= 0);
	protocol_set_daemon(protocol, true);
	protocol_reading(protocol);
	protocol_see_all(protocol, TIME, 1);
	expect_txn(protocol, TIME, TXN_JOIN, 2);
	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, &held);
	assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
	protocol_answer(protocol, back, &unknown);
	for (unsigned int i = 0; i < 6; i++) {
		expect_txn(protocol, back + i * 100 * MS, TXN_RENEW, 5 + i);
		assert_false(protocol_request(protocol, back + i * 100 * MS, &txn));
	}
	expect_txn(protocol, back + 600 * MS, TXN_RENEW, 11);
	expect_txn(protocol, back + 600 * MS, TXN_BURY, 12);
	protocol_free(protocol);
}

/* Our own key has something that cannot be read. No other process goes on as this node: it is
 * muted, and joins again when the key has been cleared. */
static void our_key_is_overwritten(void **state)
{
	struct protocol *protocol = new_member();
	const struct answer garbage = {
		.kind = ANSWER_REFUSED, .revision = 3, .create = 2, .mod = 3};
	const uint64_t later = TIME + 900 * MS;
	struct txn txn;

	assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
	protocol_answer(protocol, TIME + 100 * MS, &garbage);
	assert_int_equal(protocol_state(protocol), PROTOCOL_ABSENT);
	assert_int_equal(protocol_deadline(protocol), 0);
	expect_txn(protocol, later, TXN_CLEAR, 4);
	expect_txn(protocol, later + 200 * MS, TXN_JOIN, 5);
	assert_int_equal(protocol_state(protocol), PROTOCOL_MEMBER);
	protocol_free(protocol);
}

/* The shard was passed on and has come back, and only the second is seen: the other host may send
 * it for what is left. */
static void comes_back_unseen(void **state)
{
	struct protocol *protocol = new_member();
	const struct shard_record held = {.node = "a", .term = 2};
	const struct shard_record back = {.node = "a", .term = 2, .left = 60 * MS};
	uint64_t from;
	int64_t epoch;

	protocol_see_shard(protocol, TIME, radio.name, 0, 3, &held);
	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	protocol_see_shard(protocol, TIME + 100 * MS, radio.name, 0, 7, &back);
	assert_int_not_equal(protocol_until(protocol, 0, TIME + 100 * MS, &from, &epoch), 0);
	/* Longer by the share of the guard. */
	assert_int_equal(from, TIME + 100 * MS + 70 * MS + 15 * MS);
	protocol_free(protocol);
}

/* Data of a backup, whose revision is higher than any before: our key is an older one. */
static void restored_with_a_higher_revision(void **state)
{
	struct protocol *protocol = new_member();
	struct answer older = {.kind = ANSWER_REFUSED,
			       .revision = 1000000,
			       .create = 2,
			       .mod = 2,
			       .own = record_of(1)};
	struct txn txn;

	(void)protocol_wants_reading(protocol);
	expect_txn(protocol, TIME + 100 * MS, TXN_RENEW, 5);
	assert_true(protocol_request(protocol, TIME + 200 * MS, &txn));
	protocol_answer(protocol, TIME + 200 * MS, &older);
	assert_int_equal(protocol_state(protocol), PROTOCOL_ABSENT);
	assert_true(protocol_wants_reading(protocol));
	protocol_free(protocol);
}

/* A node that was away while a backup was restored, until its revisions had caught up: its key is
 * missing, and what it knows of the others is newer than what it reads. */
static void restored_while_away(void **state)
{
	const struct answer missing = {.kind = ANSWER_REFUSED, .revision = 100};
	const struct shard_record before = {.node = "b", .term = 3},
				  held = {.node = "c", .term = 4};
	const struct node_record other = record_of(2), third = record_of(3);
	const struct {
		int64_t known, read;
		bool replaced;
	} revisions[] = {{50, 40, true}, {50, 50, true}, {50, 60, false}};

	for (unsigned int i = 0; i < sizeof(revisions) / sizeof(*revisions); i++) {
		struct protocol *protocol = new_member();
		struct shard_status status;
		struct txn txn;

		protocol_see_node(protocol, TIME, "b", 3, 3, &other);
		protocol_see_shard(protocol, TIME, radio.name, 0, revisions[i].known, &before);
		assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
		protocol_answer(protocol, TIME + 100 * MS, &missing);
		for (unsigned int reading = 0; reading <= revisions[i].replaced; reading++) {
			(void)protocol_wants_reading(protocol);
			protocol_reading(protocol);
			protocol_see_node(protocol, TIME + 150 * MS, "c", 4, 99, &third);
			protocol_see_shard(protocol, TIME + 150 * MS, radio.name, 0,
					   revisions[i].read, &held);
			protocol_see_all(protocol, TIME + 150 * MS, 100);
			assert_int_equal(protocol_wants_reading(protocol),
					 revisions[i].replaced && !reading);
		}
		protocol_shard(protocol, 0, &status);
		assert_string_equal(status.owner, "c");
		protocol_free(protocol);
	}
}

/* A request without an answer, every 100 ms up to this time. */
static void lose_answers(struct protocol *protocol, uint64_t from, uint64_t until)
{
	const struct answer none = {.kind = ANSWER_UNKNOWN};
	struct txn txn;

	for (uint64_t now = from; now <= until; now += 50 * MS)
		if (protocol_request(protocol, now, &txn))
			protocol_answer(protocol, now, &none);
}

/* Is it sent, 700 ms after the store has gone, of a move whose end was set? */
static bool goes_on_without_store(bool hold)
{
	const struct shard_record held = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&held);
	uint64_t from, latest, now = TIME + 20 * MS;
	int64_t first, epoch;
	struct txn pass;
	bool sent;

	protocol_set_hold(protocol, "radio", hold);
	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &first), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	protocol_end_asked(protocol, 0, now + 10 * MS);
	protocol_end_set(protocol, 0, now, now + 10 * MS,
			 &(struct protocol_cut){"{\"r\":1}", now + 150 * MS, now + 300 * MS});
	assert_true(protocol_request(protocol, now, &pass));
	assert_int_equal(pass.kind, TXN_PASS);
	protocol_answer(protocol, now, &(struct answer){.kind = ANSWER_UNKNOWN});
	/* Not while the deadline lasts: perhaps it was passed on. */
	lose_answers(protocol, now + 50 * MS, TIME + 590 * MS);
	assert_int_equal(protocol_until(protocol, 0, TIME + 590 * MS, &from, &epoch), 0);
	lose_answers(protocol, TIME + 600 * MS, TIME + 700 * MS);
	sent = protocol_until(protocol, 0, TIME + 700 * MS, &from, &epoch);
	assert_true(!sent || epoch > first);
	protocol_free(protocol);
	return sent;
}

/* Whether it was passed on is not known. It is held like the others of its lease. */
static void held_without_store_while_it_moves(void **state)
{
	assert_false(goes_on_without_store(false));
	assert_true(goes_on_without_store(true));
}

/* A store that was replaced does not end the wait for a former holder that sends for longer. */
static void forgetting_shortens_no_wait(void **state)
{
	static struct view view = {.deadline = 600 * MS, .guard = 100 * MS};
	const struct shard_record passed = {.node = "a", .term = 2, .left = 6000 * MS};
	struct view_shard *shard;

	assert_int_equal(view_set_leases(&view, &radio, 1), 1);
	shard = view_see_shard(&view, TIME, "radio", 0, 3, &passed);
	assert_non_null(shard);
	assert_int_equal(shard->quiet, TIME + 7000 * MS);
	view_forget(&view, TIME + 100 * MS);
	assert_int_equal(shard->quiet, TIME + 7000 * MS);
	view_forget(&view, TIME + 6900 * MS);
	assert_int_equal(shard->quiet, TIME + 7600 * MS);
	view_free(&view);
}

/* A shard that has just been received is passed on again, and its end is set when its key is
 * renewed, because the last move is over: the move goes on, with another end. */
static void moves_again_with_an_end(void **state)
{
	const struct shard_record passed = {.node = "a", .term = 2, .left = 60 * MS};
	const struct shard_record over = {.node = "a", .term = 2};
	struct protocol *protocol = new_holder(&passed);
	struct shard_status status;
	uint64_t from, latest, now = TIME + 100 * MS, end = now + 10 * MS;
	int64_t epoch, again;

	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	assert_true(protocol_wants_end(protocol, 0, now, &latest));
	protocol_end_asked(protocol, 0, end);
	protocol_end_set(protocol, 0, now, end, NULL);
	assert_true(protocol_ends(protocol, 0, now));
	protocol_see_shard(protocol, now, radio.name, 0, 6, &over);
	protocol_shard(protocol, 0, &status);
	assert_true(status.ours && status.moving);
	assert_int_not_equal(protocol_until(protocol, 0, now, &from, &again), 0);
	assert_true(again > epoch);
	assert_true(from <= now);
	assert_false(protocol_wants_end(protocol, 0, now, &latest));
	assert_true(protocol_wants_end(protocol, 0, end, &latest));
	protocol_free(protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_renewal_from_the_future),
		cmocka_unit_test(deadlines_of_a_predecessor),
		cmocka_unit_test(a_gap_before_sending),
		cmocka_unit_test(moves_to_possible_holders),
		cmocka_unit_test(releases_a_lease_that_is_gone),
		cmocka_unit_test(claims_an_unreadable_shard),
		cmocka_unit_test(buries_an_unreadable_node),
		cmocka_unit_test(claims_after_the_answer),
		cmocka_unit_test(a_gap_after_who_has_passed_it_on),
		cmocka_unit_test(a_gap_after_another_number_of_shards),
		cmocka_unit_test(waits_for_others_after_an_interruption),
		cmocka_unit_test(our_key_is_overwritten),
		cmocka_unit_test(comes_back_unseen),
		cmocka_unit_test(restored_with_a_higher_revision),
		cmocka_unit_test(restored_while_away),
		cmocka_unit_test(held_without_store_while_it_moves),
		cmocka_unit_test(forgetting_shortens_no_wait),
		cmocka_unit_test(moves_again_with_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
