// SPDX-License-Identifier: BSD-2-Clause
/* When steered packets count as vanished, and when they only pass. */
#include "watchdog.h"

#include "relay/ledger.h"

/* Looks until it is reported; 0: never in 1,000 looks. `rate`: packets a look, of which `lost` in
 * 1,000 vanish; `passing`: on their way when `steered` is read. */
static unsigned int looks_until(uint64_t rate, uint64_t lost, uint64_t passing)
{
	uint64_t steered = 0, vanished = 0;
	struct ledger ledger;

	ledger_reset(&ledger);
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t under_way = i % 3 ? passing * (i % 7) / 7 : 0;

		if (ledger_look(&ledger, steered, steered - vanished - under_way, 1)) {
			assert_true(ledger.missing <= vanished);
			return i;
		}
		steered += rate;
		vanished += rate * lost / 1000;
	}
	return 0;
}

static void test_nothing_is_lost(void **state)
{
	assert_int_equal(looks_until(0, 0, 0), 0);
	assert_int_equal(looks_until(1, 0, 0), 0);
	assert_int_equal(looks_until(10, 0, 10), 0);
	assert_int_equal(looks_until(1000000, 0, 0), 0);
	assert_int_equal(looks_until(5000000, 0, LEDGER_TRANSIT), 0);
}

static void test_all_is_lost(void **state)
{
	/* The first look is the reference, the next has nothing from before it. */
	assert_int_equal(looks_until(1, 1000, 0), 4);
	assert_int_equal(looks_until(100, 1000, 0), 4);
	assert_int_equal(looks_until(1000000, 1000, LEDGER_TRANSIT), 3);
}

static void test_some_is_lost(void **state)
{
	assert_int_equal(looks_until(1000, 500, 0), 3);
	assert_in_range(looks_until(100000, 10, LEDGER_TRANSIT), 3, 5);
	/* One of 1,000 at 1,000 packets a second: more than could be passing after four minutes. */
	assert_in_range(looks_until(1000, 1, 0), 200, 300);
}

/* A thread is descheduled between taking packets and counting them, now and then. */
static void test_slow_counters(void **state)
{
	struct ledger ledger;
	uint64_t steered = 0;

	ledger_reset(&ledger);
	for (unsigned int i = 0; i < 100; i++) {
		assert_false(ledger_look(&ledger, steered, steered - (i % 13 == 5 ? 64 : 0), 1));
		steered += 30;
	}
}

/* What had been missing before the first look is no loss: another process had the sockets. */
static void test_reference(void **state)
{
	struct ledger ledger;

	ledger_reset(&ledger);
	for (unsigned int i = 0; i < 100; i++)
		assert_false(ledger_look(&ledger, 5000 + i, i, 1));
	/* Packets from before it arrive late. */
	assert_false(ledger_look(&ledger, 5100, 400, 1));
}

/* A loss in the past, which does not grow. */
static void test_forgotten(void **state)
{
	struct ledger ledger;
	uint64_t steered = 1000;

	ledger_reset(&ledger);
	ledger_look(&ledger, 0, 0, 1);
	for (unsigned int i = 0; i < 50; i++) {
		assert_false(ledger_look(&ledger, steered, steered - 500 - 300 * (i / 20), 1));
		steered += 10;
	}
	assert_int_equal(ledger.missing, 500 + 300 * 2 - 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_lost), cmocka_unit_test(test_all_is_lost),
		cmocka_unit_test(test_some_is_lost),	cmocka_unit_test(test_slow_counters),
		cmocka_unit_test(test_reference),	cmocka_unit_test(test_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
