// SPDX-License-Identifier: BSD-2-Clause
/* The log's limits: for one place of the program, for one event, and while the daemon starts. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "watchdog.h"

#include "base/log.h"
#include "base/log_limiter.h"
#include "log_capture.h"

#define SECOND 1000000000ULL

/* One line a second; the next line has the number of those held back. */
static void test_allowed(void **state)
{
	struct log_limit limit = {0};
	char text[4096];

	capture();
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 1));
	limit.next += 1000000000000ULL; /* far from the end of the second */
	for (int i = 0; i < 5; i++)
		assert_false(log_allowed(&limit, "kept-back"));
	limit.next = 1; /* the second has passed */
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 2));
	limit.next = 1;
	assert_true(log_allowed(&limit, "kept-back"));
	log_info("kept-back", LOG_INT("number", 3));
	release(text, sizeof(text));
	assert_string_equal(text, "info  kept-back number=1\n"
				  "info  kept-back number=2 suppressed=5\n"
				  "info  kept-back number=3\n");
}

static unsigned int pass_many(struct log_limiter *limiter, const char *event, unsigned int n,
			      uint64_t now, uint64_t *suppressed)
{
	unsigned int passed = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t count = 0;

		passed += log_limiter_pass(limiter, event, now, &count);
		*suppressed += count;
	}
	return passed;
}

static void test_limiter(void **state)
{
	static struct log_limiter limiter;
	uint64_t now = 5 * SECOND;
	uint64_t suppressed = 0;

	assert_int_equal(pass_many(&limiter, "a", 1000, now, &suppressed), 100);
	assert_int_equal(suppressed, 0);
	/* Another event has a limit of its own, also if the one name is the beginning of the other.
	 */
	assert_int_equal(pass_many(&limiter, "ab", 1000, now, &suppressed), 100);
	assert_int_equal(suppressed, 0);
	/* 10 a second; the first one has the number of those held back. */
	assert_int_equal(pass_many(&limiter, "a", 1000, now + SECOND, &suppressed), 10);
	assert_int_equal(suppressed, 900);
	suppressed = 0;
	assert_int_equal(pass_many(&limiter, "a", 1000, now + 3 * SECOND, &suppressed), 20);
	assert_int_equal(suppressed, 990);
	/* Never more than a burst, after any time. */
	assert_int_equal(pass_many(&limiter, "a", 1000, now + 3600 * SECOND, &suppressed), 100);
	log_limiter_add(&limiter, "c", 7);
	assert_int_equal(log_limiter_take(&limiter, "c"), 7);
	assert_int_equal(log_limiter_take(&limiter, "c"), 0);
}

/* More names than the table can hold, and names longer than it keeps, are limited as well. */
static void test_limiter_full(void **state)
{
	static struct log_limiter limiter;
	char longer[2 * LOG_LIMITER_NAME] = {0};
	uint64_t suppressed = 0;
	char name[20];

	memset(longer, 'x', sizeof(longer) - 1);
	assert_int_equal(pass_many(&limiter, longer, 150, SECOND, &suppressed), 100);
	longer[LOG_LIMITER_NAME] = 'y';
	assert_int_equal(pass_many(&limiter, longer, 1, SECOND, &suppressed), 0);
	assert_int_equal(pass_many(&limiter, "", 150, SECOND, &suppressed), 100);
	log_limiter_take(&limiter, "");
	for (int i = 0; i < LOG_LIMITER_EVENTS - 1; i++) {
		snprintf(name, sizeof(name), "event-%d", i);
		assert_int_equal(pass_many(&limiter, name, 1, SECOND, &suppressed), 1);
	}
	/* All further names share one limit, with the empty name. */
	assert_int_equal(pass_many(&limiter, "one-more", 5, SECOND, &suppressed), 0);
	assert_int_equal(pass_many(&limiter, "and-another", 5, 2 * SECOND, &suppressed), 5);
	assert_int_equal(suppressed, 5);
	assert_int_equal(pass_many(&limiter, "event-7", 200, SECOND, &suppressed), 99);
}

/* Of a storm of one event, some records are written, at any level. */
static void test_storm(void **state)
{
	static char text[1 << 20];
	unsigned int lines = 0;

	capture();
	fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 5000; i++)
		log_warning("storm", LOG_INT("number", i));
	for (int i = 0; i < 200; i++)
		log_info("statistics", LOG_INT("number", i)); /* never limited */
	release(text, sizeof(text));
	for (char *at = text; (at = strstr(at, "storm ")); at++)
		lines++;
	/* 100, and 10 for each second that the loop took. */
	assert_in_range(lines, 100, 2000);
	assert_non_null(strstr(text, "statistics number=199\n"));
}

/* Errors are held back only when the start is over. The last of these tests: there is no way back.
 */
static void test_storm_of_errors(void **state)
{
	static char text[1 << 20];
	unsigned int before = 0;
	unsigned int after = 0;

	capture();
	fcntl(reader, F_SETPIPE_SZ, 1 << 20);
	for (int i = 0; i < 5000; i++)
		log_error("before", LOG_INT("number", i));
	log_running();
	for (int i = 0; i < 5000; i++)
		log_error("after", LOG_INT("number", i));
	release(text, sizeof(text));
	for (char *at = text; (at = strstr(at, "before ")); at++)
		before++;
	for (char *at = text; (at = strstr(at, "after ")); at++)
		after++;
	assert_int_equal(before, 5000);
	assert_in_range(after, 100, 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),		cmocka_unit_test(test_limiter),
		cmocka_unit_test(test_limiter_full),	cmocka_unit_test(test_storm),
		cmocka_unit_test(test_storm_of_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
