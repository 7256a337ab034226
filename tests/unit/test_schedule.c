// SPDX-License-Identifier: BSD-2-Clause
/* When to look at the network, and when to try again. */
#include "watchdog.h"

#include "relay/schedule.h"

#define NOW (1000 * NS_PER_SECOND)

/* ---- back-off ---- */

/* After each failure twice as long as before, up to the most. */
static void test_backoff(void **state)
{
	struct backoff backoff = {0};
	uint64_t delay = BACKOFF_FIRST_NS;

	assert_int_equal(backoff_due(&backoff), 0);
	for (unsigned int i = 0; i < 20; i++) {
		backoff_failed(&backoff, NOW, false);
		assert_int_equal(backoff_due(&backoff), NOW + delay);
		delay = 2 * delay < BACKOFF_MOST_NS ? 2 * delay : BACKOFF_MOST_NS;
	}
	backoff_forget(&backoff);
	assert_int_equal(backoff_due(&backoff), 0);
	backoff_failed(&backoff, NOW, false);
	assert_int_equal(backoff_due(&backoff), NOW + BACKOFF_FIRST_NS);
}

/* A busy queue is tried at short intervals, but not for ever. */
static void test_busy(void **state)
{
	struct backoff backoff = {0};

	for (unsigned int i = 0; i < BUSY_TRIES; i++) {
		backoff_failed(&backoff, NOW, true);
		assert_int_equal(backoff_due(&backoff), NOW + BUSY_NS);
	}
	backoff_failed(&backoff, NOW, true);
	assert_int_equal(backoff_due(&backoff), NOW + BACKOFF_FIRST_NS);
	backoff_failed(&backoff, NOW, true);
	assert_int_equal(backoff_due(&backoff), NOW + 2 * BACKOFF_FIRST_NS);
	backoff_forget(&backoff);
	backoff_failed(&backoff, NOW, true);
	assert_int_equal(backoff_due(&backoff), NOW + BUSY_NS);
}

/* What has just succeeded is not done again at once, whatever is announced. */
static void test_rest(void **state)
{
	struct backoff backoff = {0};

	backoff_failed(&backoff, NOW, false);
	backoff_succeeded(&backoff, NOW);
	assert_int_equal(backoff_due(&backoff), NOW + REST_NS);
	backoff_forget(&backoff);
	assert_int_equal(backoff_due(&backoff), NOW + REST_NS);
	backoff_failed(&backoff, NOW + REST_NS, false);
	assert_int_equal(backoff_due(&backoff), NOW + REST_NS + BACKOFF_FIRST_NS);
}

/* ---- looks ---- */

/* Exactly this is due at this time, and it is the time that is planned. */
static void expect(const struct schedule *schedule, uint64_t intakes_ns, uint64_t at_ns,
		   unsigned int due)
{
	assert_int_equal(schedule_next(schedule, NOW, intakes_ns), at_ns);
	assert_int_equal(schedule_due(schedule, at_ns, intakes_ns), due);
	assert_int_equal(schedule_due(schedule, at_ns - 1, intakes_ns), 0);
}

static void test_start(void **state)
{
	struct schedule schedule = {0};

	assert_int_equal(schedule_due(&schedule, NOW, NEVER_NS), DUE_LOOK);
}

static void test_idle(void **state)
{
	struct schedule schedule = {.looked_ns = NOW};

	expect(&schedule, NEVER_NS, NOW + LOOK_AT_LEAST_NS, DUE_LOOK);
}

static void test_changed(void **state)
{
	struct schedule schedule = {.looked_ns = NOW, .changed = true};

	expect(&schedule, NEVER_NS, NOW + LOOK_EVERY_NS, DUE_LOOK);
}

/* An intake that failed is looked at when its time has come, and no look is sooner for that. */
static void test_intakes(void **state)
{
	struct schedule schedule = {.looked_ns = NOW};

	expect(&schedule, NOW + 300 * NS_PER_MS, NOW + 300 * NS_PER_MS, DUE_LOOK);
	expect(&schedule, NOW, NOW + LOOK_EVERY_NS, DUE_LOOK);
	expect(&schedule, 0, NOW + LOOK_EVERY_NS, DUE_LOOK);
	expect(&schedule, NOW + NS_PER_SECOND, NOW + LOOK_AT_LEAST_NS, DUE_LOOK);
}

/* Rules that wait are tried less and less often, unless something changes. */
static void test_retry(void **state)
{
	struct schedule schedule = {.looked_ns = NOW, .retried_ns = NOW};
	uint64_t delay = RETRY_FIRST_NS;

	schedule_expect(&schedule);
	assert_int_equal(schedule_retry_ns(&schedule), NEVER_NS);
	schedule.waiting = true;
	expect(&schedule, NEVER_NS, NOW + RETRY_FIRST_NS, DUE_LOOK);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(schedule_retry_ns(&schedule), NOW + delay);
		schedule_retried(&schedule, NOW);
		delay = 2 * delay < RETRY_MOST_NS ? 2 * delay : RETRY_MOST_NS;
	}
	assert_int_equal(delay, RETRY_MOST_NS);
	schedule_expect(&schedule);
	assert_int_equal(schedule_retry_ns(&schedule), NOW + RETRY_FIRST_NS);
}

/* One round a second, in turns. */
static void test_rounds(void **state)
{
	struct schedule schedule = {.looked_ns = NOW, .round_ns = NOW - 900 * NS_PER_MS};

	assert_int_equal(schedule_due(&schedule, NOW + 100 * NS_PER_MS, NEVER_NS), 0);
	schedule.routes_changed = true;
	expect(&schedule, NEVER_NS, NOW + 100 * NS_PER_MS, DUE_ROUND);
	schedule.routes_changed = false;
	schedule.in_round = true;
	assert_int_equal(schedule_next(&schedule, NOW, NEVER_NS), NOW + ROUND_TURN_NS);
	assert_int_equal(schedule_due(&schedule, NOW, NEVER_NS), DUE_ROUND);
	assert_int_equal(schedule_due(&schedule, NOW + LOOK_AT_LEAST_NS, NEVER_NS),
			 DUE_LOOK | DUE_ROUND);
}

/* A pass over kernel paths goes on in turns, until it is done. */
static void test_passes(void **state)
{
	struct schedule schedule = {.looked_ns = NOW, .in_pass = true};

	assert_int_equal(schedule_next(&schedule, NOW, NEVER_NS), NOW + ROUND_TURN_NS);
	assert_int_equal(schedule_due(&schedule, NOW, NEVER_NS), DUE_PASS);
	schedule.in_round = true;
	assert_int_equal(schedule_due(&schedule, NOW + LOOK_AT_LEAST_NS, NEVER_NS),
			 DUE_LOOK | DUE_ROUND | DUE_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff), cmocka_unit_test(test_busy),
		cmocka_unit_test(test_rest),	cmocka_unit_test(test_start),
		cmocka_unit_test(test_idle),	cmocka_unit_test(test_changed),
		cmocka_unit_test(test_intakes), cmocka_unit_test(test_retry),
		cmocka_unit_test(test_rounds),	cmocka_unit_test(test_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
