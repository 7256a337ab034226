// SPDX-License-Identifier: BSD-2-Clause
/* Heartbeats: of sleeping, busy and stuck threads, and of a main thread that was away itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/watch.h"

#define S NS_PER_SECOND

static void test_busy(void **state)
{
	struct watch watch = {0};

	for (uint64_t i = 1; i < 100; i++) {
		assert_false(watch_look(&watch, i, i * S));
		assert_int_equal(watch_overdue_ns(&watch), 0);
	}
}

/* Woken at every other look, and always moves. */
static void test_asleep(void **state)
{
	struct watch watch = {0};
	unsigned int woken = 0;
	uint64_t beats = 7;

	for (uint64_t i = 1; i < 101; i++) {
		if (watch_look(&watch, beats, i * S)) {
			woken++;
			beats++;
		}
		assert_int_equal(watch_overdue_ns(&watch), 0);
	}
	assert_int_equal(woken, 50);
}

static void test_stuck(void **state)
{
	struct watch watch = {0};

	assert_false(watch_look(&watch, 5, 1 * S));
	assert_true(watch_look(&watch, 5, 2 * S));
	for (uint64_t i = 3; i < 20; i++) {
		assert_false(watch_look(&watch, 5, i * S));
		assert_int_equal(watch_overdue_ns(&watch), (i - 2) * S);
	}
	/* It moves again after all. */
	assert_false(watch_look(&watch, 6, 20 * S));
	assert_int_equal(watch_overdue_ns(&watch), 0);
	assert_true(watch_look(&watch, 6, 21 * S));
}

/* A counter that has wrapped has moved, even back to its first value. */
static void test_zero(void **state)
{
	struct watch watch = {0};

	assert_false(watch_look(&watch, UINT64_MAX, 1 * S));
	assert_false(watch_look(&watch, 0, 2 * S));
	assert_true(watch_look(&watch, 0, 3 * S));
}

static void test_main_was_away(void **state)
{
	struct watch watch = {0};

	assert_false(watch_look(&watch, 5, 1 * S));
	assert_true(watch_look(&watch, 5, 2 * S));
	assert_false(watch_look(&watch, 5, 3 * S));
	assert_int_equal(watch_overdue_ns(&watch), 1 * S);
	/* Just in time, and too late. */
	assert_false(watch_look(&watch, 5, 3 * S + WATCH_LATE_NS));
	assert_int_equal(watch_overdue_ns(&watch), 1 * S + WATCH_LATE_NS);
	assert_false(watch_look(&watch, 5, 4 * S + 2 * WATCH_LATE_NS));
	assert_int_equal(watch_overdue_ns(&watch), 0);
	/* From the beginning: woken again, and overdue from then on. */
	assert_true(watch_look(&watch, 5, 5 * S + 2 * WATCH_LATE_NS));
	assert_false(watch_look(&watch, 5, 6 * S + 2 * WATCH_LATE_NS));
	assert_int_equal(watch_overdue_ns(&watch), 1 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy),	      cmocka_unit_test(test_asleep),
		cmocka_unit_test(test_stuck),	      cmocka_unit_test(test_zero),
		cmocka_unit_test(test_main_was_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
