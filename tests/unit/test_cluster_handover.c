// SPDX-License-Identifier: BSD-2-Clause
/* The numbers at which streams change hosts (cluster/handover.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/handover.h"
#include "cluster/rendezvous.h"

#define MS   1000000ULL
#define TIME (1000000 * MS) /* when the steps begin */

static json_t *rules_of(const char *text)
{
	json_t *rules = json_loads(text, 0, NULL);

	assert_non_null(rules);
	return rules;
}

/* 50 ms between the readings, 1.5 s at most. Returns the time that is left; 0: not possible. */
static uint64_t choose(const char *first, const char *second, const char *expected)
{
	json_t *before = rules_of(first), *after = rules_of(second), *want = rules_of(expected);
	uint64_t left = 1500 * MS;
	json_t *cut = handover_choose(before, after, 50 * MS, &left);

	if (cut)
		assert_true(json_equal(cut, want));
	if (!cut)
		left = 0;
	json_decref(before);
	json_decref(after);
	json_decref(want);
	json_decref(cut);
	return left;
}

static void numbers_are_ahead(void **state)
{
	/* 100 in 50 ms: 1500 in 0.75 s. It wraps. */
	assert_int_equal(choose("{\"a\": {\"bits\": 16, \"last\": 65500}}",
				"{\"a\": {\"bits\": 16, \"last\": 64}}", "{\"a\": 1565}"),
			 1500 * MS);
	/* One that has begun to flow, one that is silent, and one that nothing has arrived of. */
	assert_int_equal(choose("{\"a\": {\"bits\": 32}, \"b\": {\"bits\": 16, \"last\": 7}, "
				"\"c\": {\"bits\": 16}}",
				"{\"a\": {\"bits\": 32, \"last\": 5}, \"b\": {\"bits\": 16, "
				"\"last\": 7}, \"c\": {\"bits\": 16}}",
				"{\"a\": 6, \"b\": 8, \"c\": 1}"),
			 1500 * MS);
}

/* A stream of 10 packets a second has passed one or none: 7 come in 0.75 s. */
static void slow_streams_have_a_rate(void **state)
{
	static const char slow[] = "{\"a\": {\"bits\": 32, \"last\": 5, \"interval_us\": 100000}}";

	assert_int_equal(choose(slow, slow, "{\"a\": 13}"), 1500 * MS);
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 4}}", slow, "{\"a\": 13}"),
			 1500 * MS);
	/* One whose next packet comes before the end, but not in the middle of the time; one whose
	 * next packet may come after the end. */
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 5}}",
				"{\"a\": {\"bits\": 32, \"last\": 5, \"interval_us\": 800000}}",
				"{\"a\": 7}"),
			 1500 * MS);
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 5}}",
				"{\"a\": {\"bits\": 32, \"last\": 5, \"interval_us\": 1499999}}",
				"{\"a\": 7}"),
			 1500 * MS);
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 5}}",
				"{\"a\": {\"bits\": 32, \"last\": 5, \"interval_us\": 1500000}}",
				"{\"a\": 6}"),
			 1500 * MS);
	/* A burst of it is counted. */
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 1}}", slow, "{\"a\": 66}"),
			 1500 * MS);
	/* A fast one that pauses. */
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 5}}",
				"{\"a\": {\"bits\": 32, \"last\": 5, \"interval_us\": 500}}",
				"{\"a\": 6}"),
			 1500 * MS);
}

static void fast_streams_have_less_time(void **state)
{
	/* 20,000 a second: a quarter of 65,536 in 0.8192 s. */
	assert_int_equal(choose("{\"a\": {\"bits\": 16, \"last\": 0}}",
				"{\"a\": {\"bits\": 16, \"last\": 1000}}", "{\"a\": 9193}"),
			 819200000);
	/* 80,000 a second. */
	assert_int_equal(choose("{\"a\": {\"bits\": 16, \"last\": 0}}",
				"{\"a\": {\"bits\": 16, \"last\": 4000}}", "{}"),
			 0);
	/* Backwards, as a sender that was started again counts. */
	assert_int_equal(choose("{\"a\": {\"bits\": 32, \"last\": 1000}}",
				"{\"a\": {\"bits\": 32, \"last\": 1}}", "{}"),
			 0);
}

/* 50 ms between the readings, 715 ms in which the new host withholds. 0: not possible. */
static uint64_t limited(const char *first, const char *second)
{
	json_t *before = rules_of(first), *after = rules_of(second);
	uint64_t left = 1500 * MS;
	bool possible = handover_limit(before, after, 50 * MS, 715 * MS, &left);

	json_decref(before);
	json_decref(after);
	return possible ? left : 0;
}

/* Half of the numbers do not pass while the new host tells by them what came before. */
static void the_new_host_can_tell_them(void **state)
{
	const char *first = "{\"a\": {\"bits\": 16, \"last\": 65000}}";

	/* 2,000 a second, 10,000, 20,000 and 50,000. */
	assert_int_equal(limited(first, "{\"a\": {\"bits\": 16, \"last\": 65100}}"), 1500 * MS);
	assert_int_equal(limited(first, "{\"a\": {\"bits\": 16, \"last\": 65500}}"),
			 (32768 * MS / 10 - 715 * MS) / 2);
	assert_int_equal(limited(first, "{\"a\": {\"bits\": 16, \"last\": 464}}"),
			 (32768 * MS / 20 - 715 * MS) / 2);
	assert_int_equal(limited(first, "{\"a\": {\"bits\": 16, \"last\": 1964}}"), 0);
	/* 32 bits do not wrap; one that is silent; readings that are nothing. */
	assert_int_equal(limited("{\"a\": {\"bits\": 32, \"last\": 5}}",
				 "{\"a\": {\"bits\": 32, \"last\": 50005}}"),
			 1500 * MS);
	assert_int_equal(limited(first, first), 1500 * MS);
	assert_int_equal(limited("{}", first), 0);
	assert_int_equal(limited("{\"a\": {}}", "{\"a\": {\"bits\": 99}}"), 0);
}

/* A rule that is new, and a reading that is nothing. */
static void readings_that_differ(void **state)
{
	assert_int_equal(choose("{\"a\": {\"bits\": 16, \"last\": 0}}",
				"{\"a\": {\"bits\": 16, \"last\": 1}, \"b\": {\"bits\": 16}}",
				"{}"),
			 0);
	assert_int_equal(choose("{}", "{}", "{}"), 0);
	assert_int_equal(choose("{\"a\": {}}", "{\"a\": {\"bits\": 99}}", "{}"), 0);
}

/* ---- steps ---- */

static const struct lease_name radio = {"radio", 1};

/* A member with the shard of this record, and another one. */
static struct protocol *new_member(const struct shard_record *record)
{
	static const struct protocol_settings settings = {.node = "a",
							  .instance = 1,
							  .weight = 1,
							  .deadline = 600 * MS,
							  .guard = 100 * MS,
							  .renew = 100 * MS,
							  .gap = 15 * MS,
							  .daemon = 250 * MS,
							  .settle = 60000 * MS,
							  .moves = 1};
	const struct node_record other = {.instance = 2,
					  .weight = 1,
					  .nr_leases = 1,
					  .leases = {lease_hash(radio.name, radio.shards)}};
	const struct answer joined = {.kind = ANSWER_DONE, .revision = 2};
	struct protocol *protocol = protocol_new(&settings);
	uint64_t from;
	int64_t epoch;
	struct txn txn;

	assert_non_null(protocol);
	assert_int_equal(protocol_set_leases(protocol, &radio, 1), 0);
	protocol_set_daemon(protocol, true);
	protocol_reading(protocol);
	protocol_see_all(protocol, TIME, 1);
	assert_true(protocol_request(protocol, TIME, &txn));
	protocol_answer(protocol, TIME, &joined);
	protocol_see_node(protocol, TIME, "b", 3, 3, &other);
	protocol_see_shard(protocol, TIME, radio.name, 0, 4, record);
	assert_int_not_equal(protocol_until(protocol, 0, TIME, &from, &epoch), 0);
	return protocol;
}

/* It asks for this, with this key and number among the params (0: without that key). */
static void expect_request(struct handover *handover, struct protocol *protocol, uint64_t now,
			   const char *method, const char *key, json_int_t number)
{
	json_t *params = NULL;
	const char *asked = handover_request(handover, protocol, now, &params);

	assert_non_null(asked);
	assert_string_equal(asked, method);
	assert_string_equal(json_string_value(json_object_get(params, "name")), "radio");
	/* A daemon with other rules refuses another number of shards. */
	assert_int_equal(json_integer_value(json_object_get(params, "shards")),
			 strcmp(method, "lease.set") == 0 ? radio.shards : 0);
	if (key)
		assert_int_equal(
			json_integer_value(json_object_get(json_object_get(params, key), "r")),
			number);
	json_decref(params);
	/* One at a time. */
	assert_null(handover_request(handover, protocol, now, &params));
}

static bool answer(struct handover *handover, struct protocol *protocol, uint64_t now,
		   const char *text)
{
	json_t *result = text ? rules_of(text) : NULL;

	handover_answer(handover, protocol, now, result);
	json_decref(result);
	return !protocol_late(protocol, 0);
}

/* Until the end is asked for, which has a number. Returns the time. */
static uint64_t read_numbers(struct handover *handover, struct protocol *protocol)
{
	static const char *const readings[] = {
		"{\"rules\": {\"r\": {\"bits\": 32, \"last\": 1000}}}",
		"{\"rules\": {\"r\": {\"bits\": 32, \"last\": 1100}}}",
		"{\"rules\": {\"r\": {\"bits\": 32, \"last\": 1200}}}"};
	json_t *params = NULL;
	uint64_t now = TIME + 20 * MS;

	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	for (unsigned int i = 0; i < 3; i++) {
		expect_request(handover, protocol, now, "lease.sequence", NULL, 0);
		answer(handover, protocol, now, readings[i]);
		if (i == 2)
			break;
		assert_int_equal(handover_next(handover), now + HANDOVER_MEASURE_NS);
		now += HANDOVER_MEASURE_NS - 1;
		assert_null(handover_request(handover, protocol, now, &params));
		now++;
	}
	/* 2,000 a second, half of 1.5 s ahead. */
	expect_request(handover, protocol, now, "lease.set", "until_seq", 1200 + 1 + 1500);
	return now;
}

static const struct shard_record held = {.node = "a", .term = 2};

static void old_host_ends_at_a_number(void **state)
{
	struct protocol *protocol = new_member(&held);
	struct handover handover = {0};
	uint64_t now = read_numbers(&handover, protocol);
	struct answer done = {.kind = ANSWER_DONE, .revision = 9};
	struct txn txn;

	answer(&handover, protocol, now, "{}");
	assert_int_equal(handover.step, HANDOVER_IDLE);
	assert_true(protocol_ends(protocol, 0, now));
	assert_true(protocol_request(protocol, now, &txn));
	assert_int_equal(txn.kind, TXN_RENEW);
	protocol_answer(protocol, now, &done);
	assert_true(protocol_request(protocol, now, &txn));
	assert_int_equal(txn.kind, TXN_PASS);
	assert_string_equal(txn.shards[0].becomes.cut, "{\"r\":2701}");
	assert_true(txn.shards[0].becomes.left > PROTOCOL_LATER_NS / 2);
	done.revision++;
	protocol_answer(protocol, now, &done);
	/* The number may come later than the deadline: the end is set to that. */
	expect_request(&handover, protocol, now + MS, "lease.set", "until_seq", 2701);
	answer(&handover, protocol, now + MS, "{}");
	assert_true(protocol_ends(protocol, 0, now + 1400 * MS));
	assert_int_equal(handover_next(&handover), UINT64_MAX);
	handover_reset(&handover);
	protocol_free(protocol);
}

/* The daemon refuses the number, because a rule has changed. */
static void a_refused_number(void **state)
{
	struct protocol *protocol = new_member(&held);
	struct handover handover = {0};
	uint64_t now = read_numbers(&handover, protocol);

	answer(&handover, protocol, now, NULL);
	assert_int_equal(handover_next(&handover), 0);
	expect_request(&handover, protocol, now, "lease.set", "until_seq", 0);
	answer(&handover, protocol, now, "{}");
	assert_true(protocol_ends(protocol, 0, now + 9 * MS));
	assert_false(protocol_ends(protocol, 0, now + 11 * MS));
	protocol_free(protocol);
}

/* A daemon without lease.sequence, or a rule without numbers: at a moment, 10 ms ahead. Refused as
 * well: it begins again. */
static void without_numbers(void **state)
{
	struct protocol *protocol = new_member(&held);
	struct handover handover = {0};
	uint64_t latest;

	assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t now = TIME + (i + 1) * 20 * MS;

		expect_request(&handover, protocol, now, "lease.sequence", NULL, 0);
		answer(&handover, protocol, now, i ? "{}" : NULL);
		expect_request(&handover, protocol, now, "lease.set", "until_seq", 0);
		answer(&handover, protocol, now, i ? "{}" : NULL);
		assert_int_equal(handover.step, HANDOVER_IDLE);
		assert_int_equal(protocol_wants_end(protocol, 0, now, &latest), !i);
	}
	protocol_free(protocol);
}

/* The daemon is replaced, or is gone, in any step: nothing of it is left, and it is asked again. */
static void the_daemon_is_replaced(void **state)
{
	for (unsigned int step = 0; step < 2; step++) {
		struct protocol *protocol = new_member(&held);
		struct handover handover = {0};
		uint64_t latest, now = TIME + 20 * MS;

		if (step) {
			now = read_numbers(&handover, protocol);
		} else {
			assert_int_equal(protocol_move(protocol, TIME, 0, "b"), 0);
			expect_request(&handover, protocol, now, "lease.sequence", NULL, 0);
		}
		handover_reset(&handover);
		assert_false(protocol_ends(protocol, 0, now));
		assert_true(protocol_wants_end(protocol, 0, now, &latest));
		expect_request(&handover, protocol, now, "lease.sequence", NULL, 0);
		handover_reset(&handover);
		protocol_free(protocol);
	}
}

static void new_host_begins_at_a_number(void **state)
{
	const struct shard_record passed = {
		.node = "a", .term = 2, .left = 300 * MS, .cut = "{\"r\":7}"};

	for (unsigned int refused = 0; refused < 2; refused++) {
		struct protocol *protocol = new_member(&passed);
		struct handover handover = {0};
		uint64_t from, now = TIME + 10 * MS;
		int64_t epoch;
		json_t *params = NULL;

		expect_request(&handover, protocol, now, "lease.set", "from_seq", 7);
		/* Refused, packets are lost. */
		assert_int_equal(answer(&handover, protocol, now, refused ? NULL : "{}"), !refused);
		/* Once. Refused, it begins soon after the end there. */
		assert_null(handover_request(&handover, protocol, now, &params));
		assert_int_not_equal(protocol_until(protocol, 0, now, &from, &epoch), 0);
		assert_int_equal(from, TIME + 350 * MS +
					       (refused ? 15 * MS : protocol_withheld(protocol)));
		protocol_free(protocol);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_ahead),
		cmocka_unit_test(slow_streams_have_a_rate),
		cmocka_unit_test(fast_streams_have_less_time),
		cmocka_unit_test(the_new_host_can_tell_them),
		cmocka_unit_test(readings_that_differ),
		cmocka_unit_test(old_host_ends_at_a_number),
		cmocka_unit_test(a_refused_number),
		cmocka_unit_test(without_numbers),
		cmocka_unit_test(the_daemon_is_replaced),
		cmocka_unit_test(new_host_begins_at_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
