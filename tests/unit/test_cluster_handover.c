// SPDX-License-Identifier: BSD-2-Clause
/* The numbers at which streams change hosts (cluster/handover.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/handover.h"

#define MS 1000000ULL

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_ahead),
		cmocka_unit_test(slow_streams_have_a_rate),
		cmocka_unit_test(fast_streams_have_less_time),
		cmocka_unit_test(the_new_host_can_tell_them),
		cmocka_unit_test(readings_that_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
