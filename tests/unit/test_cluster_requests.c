// SPDX-License-Identifier: BSD-2-Clause
/* What nodes ask each other for (cluster/ask.h): each request ends in what was asked for, or is
 * reported as lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/ask.h"
#include "cluster_member.h"

static const struct shard_record ours = {.node = "a", .term = 2};
static const struct shard_record theirs = {.node = "b", .term = 3};

/* A request of another node, or ours. */
static struct node_ask move_to(const char *node, uint64_t id)
{
	struct node_ask ask = {.what = ASK_MOVE, .id = id};

	snprintf(ask.lease, sizeof(ask.lease), "%s", radio.name);
	snprintf(ask.node, sizeof(ask.node), "%s", node);
	return ask;
}

/* The next transaction, which succeeds. */
static struct txn made(struct protocol *protocol, uint64_t now, int64_t revision)
{
	const struct answer done = {.kind = ANSWER_DONE, .revision = revision};
	struct txn txn;

	assert_true(protocol_request(protocol, now, &txn));
	protocol_answer(protocol, now, &done);
	return txn;
}

/* b, or c, shows this request from this revision on. */
static void asks(struct protocol *protocol, const char *name, int64_t mod, struct node_ask ask)
{
	struct node_record record = record_of((uint64_t)name[0]);

	record.ask = ask;
	protocol_see_node(protocol, TIME, name, name[0] == 'b' ? 3 : 1, mod, &record);
}

static void answers(struct protocol *protocol, uint64_t now, int64_t mod, uint64_t id,
		    bool accepted)
{
	struct node_record record = record_of('b');

	record.heard[record.nr_heard++] = (struct ask_answer){id, accepted};
	protocol_see_node(protocol, now, "b", 3, mod, &record);
}

static bool is_moving(const struct protocol *protocol)
{
	struct shard_status status;

	protocol_shard(protocol, 0, &status);
	return status.moving;
}

static void expect_lost(struct protocol *protocol, enum ask_what what, const char *words)
{
	struct node_ask ask;
	const char *reason;

	assert_true(protocol_lost_ask(protocol, &ask, &reason));
	assert_int_equal(ask.what, what);
	assert_string_equal(ask.node, "b");
	assert_non_null(strstr(reason, words));
	assert_false(protocol_lost_ask(protocol, &ask, &reason));
}

static void expect_none_lost(struct protocol *protocol)
{
	struct node_ask ask;
	const char *reason;

	assert_false(protocol_lost_ask(protocol, &ask, &reason));
}

/* Requests that are made at once are shown one after the other, each until it is answered. */
static void one_request_after_the_other(void **state)
{
	struct protocol *protocol = new_holder(&theirs);
	struct node_ask ask = {.what = ASK_DRAIN, .node = "b"};
	uint64_t before = 0;
	int64_t mod = 5;

	for (unsigned int i = 0; i < PROTOCOL_ASKS; i++)
		assert_int_equal(protocol_ask(protocol, &ask), 0);
	assert_int_equal(protocol_ask(protocol, &ask), -EBUSY);
	for (unsigned int i = 0; i < PROTOCOL_ASKS; i++) {
		uint64_t now = TIME + i * 100 * MS;
		struct txn txn = made(protocol, now, mod++);
		const char *reason;

		assert_int_equal(txn.own.ask.at, 0);
		assert_int_not_equal(txn.own.ask.id, before);
		assert_int_equal(protocol_asked(protocol, before, &reason), i ? 0 : -ESRCH);
		before = txn.own.ask.id;
		assert_true(before <= ASK_IDS);
		/* Who reads only this one knows its order. */
		txn = made(protocol, now + 100 * MS, mod++);
		assert_int_equal(txn.own.ask.id, before);
		assert_int_equal(txn.own.ask.at, mod - 2);
		answers(protocol, now + 100 * MS, mod++, before + 1, true);
		assert_int_equal(protocol_asked(protocol, before, &reason), -EAGAIN);
		answers(protocol, now + 100 * MS, mod++, before, true);
	}
	assert_int_equal(made(protocol, TIME + 3000 * MS, mod).own.ask.what, ASK_NONE);
	expect_none_lost(protocol);
	protocol_free(protocol);
}

/* Nobody reads it: a node that reads all keys again meanwhile, for example. */
static void nobody_answers(void **state)
{
	struct node_ask asks_of[] = {move_to("b", 0), {.what = ASK_DRAIN, .node = "b"}};

	for (unsigned int i = 0; i < 2; i++) {
		struct protocol *protocol = new_holder(&theirs);
		const char *reason;
		struct txn txn;

		assert_int_equal(protocol_ask(protocol, &asks_of[i]), 0);
		assert_int_equal(made(protocol, TIME, 5).own.ask.what, asks_of[i].what);
		assert_int_equal(made(protocol, TIME + 1999 * MS, 6).own.ask.what, asks_of[i].what);
		expect_none_lost(protocol);
		protocol_request(protocol, TIME + 2000 * MS, &txn);
		expect_lost(protocol, asks_of[i].what, "no node has answered");
		assert_int_equal(protocol_asked(protocol, asks_of[i].id, &reason), -ENOENT);
		assert_non_null(strstr(reason, "no node has answered"));
		protocol_free(protocol);
	}
}

/* The holder cannot do it. */
static void an_answer_refuses(void **state)
{
	struct protocol *protocol = new_holder(&theirs);
	struct node_ask ask = move_to("b", 0);
	struct txn txn;

	assert_int_equal(protocol_ask(protocol, &ask), 0);
	made(protocol, TIME, 5);
	answers(protocol, TIME, 6, ask.id, false);
	protocol_request(protocol, TIME, &txn);
	expect_lost(protocol, ASK_MOVE, "silent, drains");
	protocol_free(protocol);
}

/* Each request is obeyed once, and answered for as long as it is shown. */
static void obeys_and_answers(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	struct node_ask nowhere = move_to("x", 8);
	struct txn txn;

	asks(protocol, "b", 9, nowhere);
	txn = made(protocol, TIME, 10);
	assert_int_equal(txn.own.nr_heard, 1);
	assert_int_equal(txn.own.heard[0].id, 8);
	assert_false(txn.own.heard[0].accepted);
	assert_false(is_moving(protocol));
	asks(protocol, "b", 11, move_to("b", 7));
	txn = made(protocol, TIME, 12);
	assert_int_equal(txn.kind, TXN_RENEW);
	assert_int_equal(txn.own.nr_heard, 1);
	assert_int_equal(txn.own.heard[0].id, 7);
	assert_true(txn.own.heard[0].accepted);
	assert_true(is_moving(protocol));
	assert_int_equal(protocol_move(protocol, TIME, 0, "a"), 0);
	asks(protocol, "b", 13, move_to("b", 7));
	assert_int_equal(made(protocol, TIME + 100 * MS, 14).own.nr_heard, 1);
	assert_false(is_moving(protocol));
	asks(protocol, "b", 15, (struct node_ask){0});
	assert_int_equal(made(protocol, TIME + 200 * MS, 16).own.nr_heard, 0);
	protocol_free(protocol);
}

/* Two nodes ask while it is unknown whether the shard was passed on. It was not: the request that
 * is the last one in the store counts, in whatever order they are found. If the shard moves, its
 * new holder knows which one was obeyed. */
static void the_order_of_the_store_counts(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct protocol *protocol = new_holder(&ours);
		struct txn txn;

		asks(protocol, "c", 6, (struct node_ask){0});
		assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
		txn = (struct txn){0};
		assert_true(protocol_request(protocol, TIME, &txn));
		assert_int_equal(txn.kind, TXN_PASS);
		protocol_answer(protocol, TIME, &(struct answer){.kind = ANSWER_UNKNOWN});
		asks(protocol, i ? "b" : "c", 9, move_to("a", 1));
		asks(protocol, i ? "c" : "b", 12, move_to("c", 2));
		assert_int_equal(made(protocol, TIME + 100 * MS, 13).own.nr_heard, 0);
		txn = made(protocol, TIME + 100 * MS, 14);
		assert_int_equal(txn.own.nr_heard, 2);
		txn = made(protocol, TIME + 100 * MS, 15);
		assert_int_equal(txn.kind, TXN_PASS);
		assert_string_equal(txn.shards[0].becomes.node, "c");
		assert_int_equal(txn.shards[0].becomes.asked, 12);
		protocol_free(protocol);
	}
}

/* A request is shown when the shard becomes ours. If its former holder has obeyed it, or a newer
 * one, it is only answered. */
static void the_new_holder_obeys(void **state)
{
	for (int64_t done = 8; done <= 10; done++) {
		const struct shard_record passed = {.node = "a", .term = 2, .asked = done};
		struct protocol *protocol = new_holder(&theirs);
		struct node_ask ask = move_to("b", 1);
		struct txn txn;

		ask.at = 9;
		asks(protocol, "c", 8, (struct node_ask){0});
		asks(protocol, "c", 10, ask);
		assert_int_equal(made(protocol, TIME + 100 * MS, 11).own.nr_heard, 0);
		protocol_see_shard(protocol, TIME, radio.name, 0, 12, &passed);
		txn = made(protocol, TIME + 100 * MS, 13);
		assert_int_equal(txn.own.nr_heard, 1);
		assert_true(txn.own.heard[0].accepted);
		assert_int_equal(is_moving(protocol), done < 9);
		protocol_free(protocol);
	}
}

/* A request of this node's administrator is newer than all that was seen before it. */
static void ours_is_the_newest(void **state)
{
	struct protocol *protocol = new_holder(&ours);

	asks(protocol, "b", 9, move_to("b", 1));
	assert_int_equal(protocol_move(protocol, TIME, 0, "a"), 0);
	assert_int_equal(made(protocol, TIME, 10).own.nr_heard, 1);
	assert_false(is_moving(protocol));
	asks(protocol, "b", 11, move_to("b", 2));
	made(protocol, TIME, 12);
	assert_true(is_moving(protocol));
	protocol_free(protocol);
}

/* We ask b for the shard, then to keep it, which b does not read before it has passed the shard to
 * us. It is for us to do, unless we have asked for the shard again meanwhile. */
static void asked_again_meanwhile(void **state)
{
	for (unsigned int again = 0; again < 2; again++) {
		const struct shard_record passed = {.node = "a", .term = 2, .asked = 5};
		struct protocol *protocol = new_holder(&theirs);
		struct node_ask here = move_to("a", 0), there = move_to("b", 0);
		struct txn txn;

		assert_int_equal(protocol_ask(protocol, &here), 0);
		made(protocol, TIME, 5);
		assert_int_equal(protocol_ask(protocol, &there), 0);
		answers(protocol, TIME, 6, here.id, true);
		made(protocol, TIME, 7);
		if (again)
			assert_int_equal(protocol_ask(protocol, &here), 0);
		protocol_see_shard(protocol, TIME, radio.name, 0, 8, &passed);
		protocol_request(protocol, TIME, &txn);
		assert_int_equal(is_moving(protocol), !again);
		expect_none_lost(protocol);
		protocol_free(protocol);
	}
}

/* We ask, and the shard becomes ours: what its former holder has obeyed is done. */
static void asked_before_it_is_received(void **state)
{
	for (unsigned int obeyed = 0; obeyed < 2; obeyed++) {
		const struct shard_record passed = {
			.node = "a", .term = 2, .asked = obeyed ? 10 : 0};
		struct protocol *protocol = new_holder(&theirs);
		struct node_ask ask = move_to("b", 0);
		struct txn txn;

		assert_int_equal(protocol_ask(protocol, &ask), 0);
		made(protocol, TIME, 10);
		protocol_see_shard(protocol, TIME, radio.name, 0, 11, &passed);
		protocol_request(protocol, TIME + 100 * MS, &txn);
		assert_int_equal(is_moving(protocol), !obeyed);
		assert_int_equal(txn.own.ask.what, ASK_NONE);
		protocol_free(protocol);
	}
}

/* Drains are ordered as well. */
static void the_last_drain_counts(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	struct node_ask drain = {.what = ASK_DRAIN, .id = 1, .node = "a"};

	asks(protocol, "c", 8, (struct node_ask){0});
	asks(protocol, "b", 9, drain);
	assert_true(made(protocol, TIME, 10).own.draining);
	drain = (struct node_ask){.what = ASK_UNDRAIN, .id = 2, .at = 8, .node = "a"};
	asks(protocol, "c", 11, drain);
	assert_true(made(protocol, TIME + 100 * MS, 12).own.draining);
	drain = (struct node_ask){.what = ASK_UNDRAIN, .id = 3, .node = "a"};
	asks(protocol, "c", 13, drain);
	assert_false(made(protocol, TIME + 200 * MS, 14).own.draining);
	protocol_free(protocol);
}

/* What was asked for before the node that asks ended must not be done when others begin again. */
static void a_dead_node_asks(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	const struct node_ask drain = {.what = ASK_DRAIN, .id = 1, .at = 5, .node = "a"};

	asks(protocol, "c", 6, drain);
	assert_false(made(protocol, TIME + 100 * MS, 7).own.draining);
	asks(protocol, "c", 8, drain);
	assert_true(made(protocol, TIME + 200 * MS, 9).own.draining);
	protocol_free(protocol);
}

/* Records that say that they are of a time that is still to come, or of another store. */
static void asked_later_than_now(void **state)
{
	const struct shard_record copied = {.node = "a", .term = 2, .asked = INT64_MAX};
	struct protocol *protocol = new_holder(&copied);
	struct node_ask ask = move_to("b", 1);

	ask.at = INT64_MAX;
	asks(protocol, "b", 9, ask);
	made(protocol, TIME, 10);
	assert_true(is_moving(protocol));
	asks(protocol, "b", 11, move_to("a", 2));
	made(protocol, TIME + 100 * MS, 12);
	assert_false(is_moving(protocol));
	protocol_free(protocol);
}

/* A request is as old as the first record that has it, also if we have no answer about that one. */
static void shown_without_an_answer(void **state)
{
	for (unsigned int watched = 0; watched < 2; watched++) {
		struct protocol *protocol = new_holder(&theirs);
		struct node_ask ask = move_to("b", 0);
		struct answer refused = {
			.kind = ANSWER_REFUSED, .revision = 9, .create = 2, .mod = 9};
		struct txn txn;

		assert_int_equal(protocol_ask(protocol, &ask), 0);
		assert_true(protocol_request(protocol, TIME, &txn));
		protocol_answer(protocol, TIME, &(struct answer){.kind = ANSWER_UNKNOWN});
		refused.own = txn.own;
		if (watched)
			protocol_see_node(protocol, TIME, "a", 2, 9, &txn.own);
		assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
		assert_int_equal(txn.own.ask.at, watched ? 9 : 0);
		protocol_answer(protocol, TIME + 100 * MS, &refused);
		txn = made(protocol, TIME + 200 * MS, 12);
		assert_int_equal(txn.own.ask.id, ask.id);
		assert_int_equal(txn.own.ask.at, 9);
		protocol_free(protocol);
	}
}

/* The last request cannot be carried out: so the one before it counts. */
static void the_last_one_is_refused(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	struct node_ask older = move_to("b", 2);
	struct txn txn;

	asks(protocol, "c", 6, (struct node_ask){0});
	older.at = 7;
	asks(protocol, "b", 9, move_to("x", 1));
	asks(protocol, "c", 10, older);
	txn = made(protocol, TIME, 11);
	assert_int_equal(txn.own.nr_heard, 2);
	assert_false(txn.own.heard[0].accepted);
	assert_true(txn.own.heard[1].accepted);
	assert_true(is_moving(protocol));
	protocol_free(protocol);
}

static void leaving_loses_requests(void **state)
{
	struct protocol *protocol = new_holder(&theirs);
	struct node_ask ask = move_to("b", 0);
	struct txn txn;

	assert_int_equal(protocol_ask(protocol, &ask), 0);
	protocol_leave(protocol);
	assert_int_equal(made(protocol, TIME, 5).kind, TXN_LEAVE);
	expect_none_lost(protocol);
	assert_false(protocol_request(protocol, TIME, &txn));
	assert_int_equal(protocol_state(protocol), PROTOCOL_LEFT);
	expect_lost(protocol, ASK_MOVE, "has left");
	protocol_free(protocol);
}

/* Moves of our own shards do not push it out of the list of those that were lost. */
static void remembers_what_was_lost(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	struct node_ask ask = {.what = ASK_DRAIN, .node = "b"};
	int64_t revision = 5;
	uint64_t now = TIME + 100 * MS;
	const struct node_record other = record_of('b');
	const char *reason;
	struct txn txn;

	assert_int_equal(protocol_ask(protocol, &ask), 0);
	made(protocol, TIME, revision);
	answers(protocol, TIME, ++revision, ask.id, false);
	for (unsigned int i = 0; i < PROTOCOL_ASKS; i++, now += 100 * MS) {
		made(protocol, now, ++revision);
		protocol_see_node(protocol, now, "b", 3, revision + 1, &other);
		assert_int_equal(protocol_move(protocol, now, 0, "b"), 0);
		assert_true(protocol_request(protocol, now, &txn));
		assert_int_equal(txn.kind, TXN_PASS);
		protocol_answer(protocol, now,
				&(struct answer){.kind = ANSWER_REFUSED,
						 .revision = revision,
						 .create = 2,
						 .mod = revision,
						 .own = record_of(1)});
		revision++;
	}
	assert_int_equal(protocol_asked(protocol, ask.id, &reason), -ENOENT);
	protocol_free(protocol);
}

static void move_is_lost(void **state)
{
	static const struct lease_name tv = {"tv", 1};
	const struct answer refused = {.kind = ANSWER_REFUSED, .mod = 2, .own = record_of(1)};
	static const char *const reasons[] = {"silent, drains",		 "etcd has refused",
					      "holds the shard no more", "no member any more",
					      "holds the shard no more", "rules here"};

	for (unsigned int i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		struct protocol *protocol = new_holder(&ours);
		const struct shard_record third = {.node = "c", .term = 1};
		uint64_t now, from;
		int64_t epoch, revision = 7;
		struct txn txn;

		assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
		assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
		if (i == 0) { /* its target says nothing for that long */
			for (now = TIME; now < TIME + 800 * MS; now += 10 * MS) {
				(void)protocol_until(protocol, 0, now, &from, &epoch);
				if (protocol_request(protocol, now, &txn))
					protocol_answer(protocol, now,
							&(struct answer){.kind = ANSWER_DONE,
									 .revision = ++revision});
			}
		} else if (i == 1) {
			protocol_muted(protocol, 0);
			assert_true(protocol_request(protocol, TIME, &txn));
			assert_int_equal(txn.kind, TXN_PASS);
			protocol_answer(protocol, TIME, &refused);
		} else if (i == 2) {
			protocol_see_shard(protocol, TIME, radio.name, 0, 9, &third);
		} else if (i == 3) {
			assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
			protocol_answer(protocol, TIME,
					&(struct answer){.kind = ANSWER_REFUSED, .revision = 9});
		} else if (i == 4) { /* its key was deleted, and another node claims it */
			protocol_reading(protocol);
			protocol_see_all(protocol, TIME, 9);
			protocol_see_shard(protocol, TIME, radio.name, 0, 10, &third);
		} else {
			assert_int_equal(protocol_set_leases(protocol, &tv, 1), 0);
		}
		expect_lost(protocol, ASK_MOVE, reasons[i]);
		protocol_free(protocol);
	}
}

/* What moves by itself is tried again by itself. */
static void a_drain_loses_no_request(void **state)
{
	struct protocol *protocol = new_holder(&ours);
	uint64_t from;
	int64_t epoch;
	struct txn txn;

	protocol_drain(protocol, true);
	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	made(protocol, TIME, 8);
	protocol_request(protocol, TIME, &txn);
	assert_true(is_moving(protocol));
	protocol_see_node(protocol, TIME, "b", 3, 9, NULL);
	protocol_request(protocol, TIME, &txn);
	assert_false(is_moving(protocol));
	expect_none_lost(protocol);
	protocol_free(protocol);
}

/* The store was replaced by an older one: what we asked for is of a state that no longer exists. */
static void asked_of_another_store(void **state)
{
	struct protocol *protocol = new_holder(&theirs);
	struct node_ask ask = move_to("b", 0);
	const char *reason;
	struct txn txn;

	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(protocol_ask(protocol, &ask), 0);
	made(protocol, TIME, 999);
	assert_true(protocol_request(protocol, TIME + 100 * MS, &txn));
	protocol_answer(protocol, TIME + 100 * MS,
			&(struct answer){.kind = ANSWER_DONE, .revision = 5});
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(protocol_lost_ask(protocol, &ask, &reason));
		assert_non_null(strstr(reason, "replaced"));
	}
	expect_none_lost(protocol);
	protocol_free(protocol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_request_after_the_other),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(an_answer_refuses),
		cmocka_unit_test(obeys_and_answers),
		cmocka_unit_test(the_order_of_the_store_counts),
		cmocka_unit_test(the_new_holder_obeys),
		cmocka_unit_test(ours_is_the_newest),
		cmocka_unit_test(asked_again_meanwhile),
		cmocka_unit_test(asked_before_it_is_received),
		cmocka_unit_test(the_last_drain_counts),
		cmocka_unit_test(a_dead_node_asks),
		cmocka_unit_test(asked_later_than_now),
		cmocka_unit_test(shown_without_an_answer),
		cmocka_unit_test(the_last_one_is_refused),
		cmocka_unit_test(leaving_loses_requests),
		cmocka_unit_test(remembers_what_was_lost),
		cmocka_unit_test(move_is_lost),
		cmocka_unit_test(a_drain_loses_no_request),
		cmocka_unit_test(asked_of_another_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
