// SPDX-License-Identifier: BSD-2-Clause
/* GSO state: what refusals limit, when limits are forgotten, and what must wait for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "base/clock.h"
#include "dataplane/gso.h"

#define MS (NS_PER_SECOND / 1000)

static void expect_limits(const struct gso *gso, unsigned int segments, unsigned int max_size)
{
	unsigned int found_segments, found_max_size;

	gso_limits(gso, &found_segments, &found_max_size);
	assert_int_equal(found_segments, segments);
	assert_int_equal(found_max_size, max_size);
}

static void test_room(void **state)
{
	struct gso gso;

	gso_init(&gso, 64);
	expect_limits(&gso, 64, UINT16_MAX);
	assert_true(gso_has_room(&gso, 63, 1400));
	assert_false(gso_has_room(&gso, 64, 1400));
	gso_init(&gso, 1);
	assert_true(gso_has_room(&gso, 0, 1400));
	assert_false(gso_has_room(&gso, 1, 1400));
}

static void test_trial(void **state)
{
	struct gso gso;

	gso_init(&gso, 64);
	assert_true(gso_is_trial(&gso, 2, 1000));
	assert_false(gso_is_trial(&gso, 1, 1000));
	gso_accepted(&gso, 1000);
	gso_accepted(&gso, 500);
	assert_false(gso_is_trial(&gso, 2, 1000));
	assert_false(gso_is_trial(&gso, 64, 400));
	assert_true(gso_is_trial(&gso, 2, 1001));
}

static void test_refusals(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE, EIO, EOPNOTSUPP};

	for (int error = 0; error < 200; error++) {
		bool expected = false;

		for (int i = 0; i < 4; i++)
			expected |= error == errors[i];
		assert_int_equal(gso_is_refusal(error), expected);
	}
}

/* The device cannot segment. */
static void test_no_batches(void **state)
{
	static const int errors[] = {EIO, EOPNOTSUPP};

	for (int i = 0; i < 2; i++) {
		struct gso gso;

		gso_init(&gso, 64);
		gso_refused(&gso, 1000, errors[i], 1);
		expect_limits(&gso, 1, UINT16_MAX);
		assert_true(gso_is_limited(&gso));
	}
}

/* The segments may exceed the MTU: then smaller ones may still be accepted. */
static void test_smaller_segments(void **state)
{
	static const int errors[] = {EINVAL, EMSGSIZE};

	for (int i = 0; i < 2; i++) {
		struct gso gso;

		gso_init(&gso, 64);
		gso_refused(&gso, 1000, errors[i], 1);
		expect_limits(&gso, 64, 999);
		assert_true(gso_has_room(&gso, 1, 999));
		assert_false(gso_has_room(&gso, 1, 1000));
		gso_refused(&gso, 900, errors[i], 1);
		expect_limits(&gso, 64, 899);
		/* A batch that was in flight already does not raise the limit again. */
		gso_refused(&gso, 1000, errors[i], 1);
		expect_limits(&gso, 64, 899);
		/* Every path carries this size, so the reason is another one. */
		gso_refused(&gso, 548, errors[i], 1);
		expect_limits(&gso, 1, 899);
	}
}

/* A refusal at `now_ns`: until when are batches limited? */
static uint64_t refuse(struct gso *gso, uint64_t now_ns)
{
	uint64_t until = now_ns;

	gso_refused(gso, 1000, EIO, now_ns);
	while (gso_is_limited(gso)) {
		until += MS;
		gso_refresh(gso, until);
	}
	expect_limits(gso, 64, UINT16_MAX);
	assert_true(gso_is_trial(gso, 2, 100)); /* everything has to be proven again */
	return until;
}

static void test_expiry(void **state)
{
	uint64_t now = 1000 * NS_PER_SECOND;
	uint64_t patience = 500 * MS;
	struct gso gso;

	gso_init(&gso, 64);
	for (int i = 0; i < 20; i++) {
		uint64_t until = refuse(&gso, now);

		assert_int_equal(until - now, patience);
		patience = patience * 2 > 64 * NS_PER_SECOND ? 64 * NS_PER_SECOND : patience * 2;
		now = until;
	}
	/* Smaller batches prove nothing about what was refused; as large ones do. */
	gso_accepted(&gso, 999);
	assert_int_equal(refuse(&gso, now) - now, 64 * NS_PER_SECOND);
	gso_accepted(&gso, 1000);
	assert_int_equal(refuse(&gso, now) - now, 500 * MS);
}

/* Several refusals in a row are one limit, not several confirmations. */
static void test_refusals_in_a_row(void **state)
{
	struct gso gso;

	gso_init(&gso, 64);
	for (uint64_t i = 0; i < 100; i++)
		gso_refused(&gso, 1000, EIO, 1 + i);
	gso_refresh(&gso, 500 * MS);
	assert_true(gso_is_limited(&gso));
	gso_refresh(&gso, 500 * MS + 1);
	assert_false(gso_is_limited(&gso));
}

/* A new route voids everything, at once for readers, and with the next request for the sender. */
static void test_new_route(void **state)
{
	struct gso gso;

	gso_init(&gso, 64);
	for (int i = 0; i < 10; i++) {
		uint64_t now = (1 + (uint64_t)i) * NS_PER_SECOND;

		gso_accepted(&gso, 900);
		gso_refused(&gso, 1000, EMSGSIZE, now);
		gso_refused(&gso, 500, EIO, now);
		expect_limits(&gso, 1, 999);
		gso_refresh(&gso, now);
		expect_limits(&gso, 1, 999);
		gso_route_changed(&gso);
		expect_limits(&gso, 64, UINT16_MAX);
		/* A refusal on the way before the sender has noticed is about the old route. */
		gso_refused(&gso, 400, EIO, now);
		expect_limits(&gso, 64, UINT16_MAX);
		gso_refresh(&gso, 0);
		assert_false(gso_is_limited(&gso));
		assert_true(gso_is_trial(&gso, 2, 100));
		/* Patience begins again as well. */
		assert_int_equal(refuse(&gso, now) - now, 500 * MS);
		gso_route_changed(&gso);
		gso_refresh(&gso, 0);
	}
}

/* While a batch is unfinished, nothing may be handed over that could be accepted if the batch is
 * refused: single datagrams and batches of smaller segments. */
static void test_must_wait(void **state)
{
	struct gso gso;

	gso_init(&gso, 64);
	assert_false(gso_must_wait(&gso, 1, 1000));
	assert_false(gso_must_wait(&gso, 2, 1000));
	gso_begin(&gso, 1, 1000); /* a single datagram is never refused as a batch */
	assert_false(gso_must_wait(&gso, 1, 10));
	gso_end(&gso, 1);
	gso_begin(&gso, 2, 1000);
	gso_begin(&gso, 2, 500);
	assert_true(gso_must_wait(&gso, 1, 10));
	assert_true(gso_must_wait(&gso, 1, 1400));
	assert_true(gso_must_wait(&gso, 2, 999));
	assert_false(gso_must_wait(&gso, 2, 1000));
	assert_false(gso_must_wait(&gso, 2, 1400));
	gso_end(&gso, 2);
	assert_true(gso_must_wait(&gso, 1, 10)); /* one is still unfinished */
	gso_forget(&gso);
	assert_true(gso_must_wait(&gso, 1, 10));
	gso_end(&gso, 2);
	assert_false(gso_must_wait(&gso, 1, 10));
	/* The largest segment of then is not remembered. */
	gso_begin(&gso, 2, 500);
	assert_false(gso_must_wait(&gso, 2, 500));
	assert_true(gso_must_wait(&gso, 2, 499));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_trial),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_batches),
		cmocka_unit_test(test_smaller_segments),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_refusals_in_a_row),
		cmocka_unit_test(test_new_route),
		cmocka_unit_test(test_must_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
