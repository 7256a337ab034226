/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>

#include "base/clock.h"
#include "expect.h"

static void expect_text(time_t seconds, long ns, const char *expected)
{
	const struct timespec time = {.tv_sec = seconds, .tv_nsec = ns};
	char text[CLOCK_TEXT_SIZE];

	assert_ptr_equal(clock_format(&time, text), text);
	assert_string_equal(text, expected);
}

static void test_format(void **state)
{
	expect_text(0, 0, "1970-01-01T00:00:00.000Z");
	expect_text(1795360445, 123999999, "2026-11-22T15:14:05.123Z");
	expect_text(951782399, 999999999, "2000-02-28T23:59:59.999Z");
	expect_text(-1, 1000000, "1969-12-31T23:59:59.001Z");
}

/* A clock may be set to any time: the text ends, and fits its buffer. */
static void test_far_away(void **state)
{
	static const time_t times[] = {LONG_MAX, LONG_MIN, (time_t)INT_MAX * 31556952};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const struct timespec time = {.tv_sec = times[i], .tv_nsec = 5000000};
		char text[CLOCK_TEXT_SIZE + 1];

		text[CLOCK_TEXT_SIZE] = '#';
		clock_format(&time, text);
		assert_int_equal(text[CLOCK_TEXT_SIZE], '#');
		assert_true(strlen(text) < CLOCK_TEXT_SIZE);
		assert_string_equal(text + strlen(text) - 5, ".005Z");
	}
}

static void test_monotonic(void **state)
{
	uint64_t before = clock_ns();

	assert_true(clock_ns() >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_far_away),
		cmocka_unit_test(test_monotonic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
