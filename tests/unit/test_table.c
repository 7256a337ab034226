// SPDX-License-Identifier: BSD-2-Clause
/* Tables for people. */
#include "watchdog.h"

#include <locale.h>

#include "ctl/table.h"

/* The table on this screen, whose stream is replaced. */
static void expect_on(struct screen screen, struct table *table, const char *expected)
{
	char *text = NULL;
	size_t size = 0;

	screen.stream = open_memstream(&text, &size);
	assert_non_null(screen.stream);
	table_print(table, &screen);
	fclose(screen.stream);
	assert_string_equal(text, expected);
	free(text);
}

static void expect(struct table *table, const char *expected)
{
	expect_on((struct screen){0}, table, expected);
}

static void test_aligned(void **state)
{
	struct table *table = table_new("RULE >SENT OUT");

	table_add(table, "%s", "cam1");
	table_add(table, "%d", 7);
	table_add(table, "%s", "10.0.0.1:6000");
	table_add(table, "%s", "a-long-name");
	table_add(table, "%d", 1234567);
	table_add(table, "%s", "x");
	expect(table, "RULE            SENT  OUT\n"
		      "cam1               7  10.0.0.1:6000\n"
		      "a-long-name  1234567  x\n");
}

static void test_last_column_to_the_right(void **state)
{
	struct table *table = table_new("A >B");

	table_add(table, "a");
	table_add(table, "1");
	table_add(table, "a");
	table_add(table, "100");
	expect(table, "A    B\n"
		      "a    1\n"
		      "a  100\n");
}

static void test_headings_are_the_widest(void **state)
{
	struct table *table = table_new("HEADING >HEADING");

	table_add(table, "a");
	table_add(table, "b");
	expect(table, "HEADING  HEADING\n"
		      "a              b\n");
}

static void test_no_rows(void **state)
{
	expect(table_new("A B C"), "");
	expect(NULL, "");
	table_add(NULL, "nothing");
}

static struct table *with_empty_cells(void)
{
	struct table *table = table_new("A B C D");

	table_add(table, "%s", "");
	table_add(table, "b");
	table_add(table, "-");
	table_add(table, "-");
	table_add(table, "a");
	table_add(table, "%s", "");
	table_add(table, "-");
	table_add(table, "%s", "");
	return table;
}

/* Columns that say nothing are left out, unless a program may count them. */
static void test_empty_cells(void **state)
{
	expect(with_empty_cells(), "A  B\n"
				   "   b\n"
				   "a  \n");
	expect_on((struct screen){.brief = true}, with_empty_cells(),
		  "   b  -  -\n"
		  "a     -  \n");
}

static void test_many_rows(void **state)
{
	struct table *table = table_new(">N");
	char expected[8000] = "   N\n";
	size_t length = strlen(expected);

	for (int i = 0; i < 1001; i++) {
		table_add(table, "%d", i);
		length +=
			(size_t)snprintf(expected + length, sizeof(expected) - length, "%4d\n", i);
	}
	expect(table, expected);
}

static struct table *rows(void)
{
	struct table *table = table_new("NAME >N INPUT");

	table_add(table, "a-name-of-some-length");
	table_add(table, "12345");
	table_add(table, "239.1.1.1:5000@eth0");
	return table;
}

/* 21 + 2 + 5 + 2 + 19 columns */
static void test_narrow(void **state)
{
	expect_on((struct screen){.width = 49}, rows(),
		  "NAME                       N  INPUT\n"
		  "a-name-of-some-length  12345  239.1.1.1:5000@eth0\n");
	expect_on((struct screen){.width = 48}, rows(),
		  "NAME                      N  INPUT\n"
		  "a-name-of-some-leng~  12345  239.1.1.1:5000@eth0\n");
	expect_on((struct screen){.width = 31}, rows(),
		  "NAME             N  INPUT\n"
		  "a-name-of-~  12345  239.1.1.1:~\n");
}

static struct table *ranked(void)
{
	struct table *table = table_new("NAME 2IN 1>PPS !REASON");

	table_add(table, "cam1");
	table_add(table, "239.1.1.1:5000@eth0");
	table_add(table, "12345");
	table_add(table, "interface eth0 does not exist");
	return table;
}

/* The least important columns go first; a reason is whole, also behind the edge. */
static void test_importance(void **state)
{
	expect_on((struct screen){.width = 70}, ranked(),
		  "NAME  IN                     PPS  REASON\n"
		  "cam1  239.1.1.1:5000@eth0  12345  interface eth0 does not exist\n");
	expect_on((struct screen){.width = 42}, ranked(),
		  "NAME    PPS  REASON\n"
		  "cam1  12345  interface eth0 does not exist\n");
	expect_on((struct screen){.width = 12}, ranked(),
		  "NAME  REASON\n"
		  "cam1  interface eth0 does not exist\n");
}

static void test_escaped(void **state)
{
	struct table *table = table_new("A");

	table_add(table, "\033[2J\x80\n\x7f");
	expect(table, "A\n\\x1b[2J\\x80\\x0a\\x7f\n");
}

static void test_brief(void **state)
{
	expect_on((struct screen){.brief = true}, rows(),
		  "a-name-of-some-length  12345  239.1.1.1:5000@eth0\n");
}

static void test_colours(void **state)
{
	struct table *table = table_new("A >B");

	table_add_painted(table, COLOUR_GOOD, "x");
	table_add_painted(table, COLOUR_NONE, "y");
	expect_on((struct screen){.colour = true}, table,
		  "\033[1mA\033[0m  \033[1mB\033[0m\n\033[32mx\033[0m  y\n");
}

/* No line is ever wider than the screen, and it ends however narrow that is. */
static void test_every_width(void **state)
{
	for (unsigned int width = 1; width < 60; width++) {
		char *text = NULL;
		size_t size = 0;
		struct screen screen = {.width = width, .stream = open_memstream(&text, &size)};

		table_print(rows(), &screen);
		fclose(screen.stream);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			assert_in_range(strlen(line), 0, width);
		free(text);
	}
}

static void expect_cut(const char *text, size_t width, const char *mark, const char *expected)
{
	char *escaped = screen_escape(text, "");
	char *copy = strdup(escaped);

	screen_cut(escaped, width, mark);
	assert_string_equal(escaped, expected);
	assert_in_range(screen_width(escaped), 0, width);
	/* What is escaped stays as it is. */
	free(escaped);
	escaped = screen_escape(copy, "");
	assert_string_equal(escaped, copy);
	free(escaped);
	free(copy);
}

static void test_cut(void **state)
{
	expect_cut("abc", 3, "~", "abc");
	expect_cut("abc", 2, "~", "a~");
	expect_cut("abc", 2, "", "ab");
	expect_cut("abc", 1, "~", "~");
	expect_cut("abc", 0, "~", "");
	expect_cut("", 0, "~", "");
	expect_cut("\xc3\xa9", 8, "~", "\\xc3\\xa9");
	expect_cut("\xc3\xa9", 3, "~", "\\x~");
}

/* In a UTF-8 locale: characters as wide as they are, and bytes of what is none. */
static void test_utf8(void **state)
{
	struct table *table = table_new("NAME >N");

	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	expect_cut("caf\xc3\xa9", 4, "~", "caf\xc3\xa9");
	expect_cut("caf\xc3\xa9s", 4, "~", "caf~");
	expect_cut("\xe6\x9d\xb1\xe4\xba\xac", 4, "~", "\xe6\x9d\xb1\xe4\xba\xac");
	expect_cut("\xe6\x9d\xb1\xe4\xba\xac", 3, "~", "\xe6\x9d\xb1~");
	expect_cut("\xe6\x9d\xb1\xe4\xba\xac", 2, "~", "~");
	expect_cut("\xe6\x9d\xb1\xe4\xba\xac", 3, "", "\xe6\x9d\xb1");
	expect_cut("e\xcc\x81", 99, "~", "e\\xcc\\x81");	/* combining */
	expect_cut("\xe2\x80\xae", 99, "~", "\\xe2\\x80\\xae"); /* from right to left */
	expect_cut("\xc2\x9b", 99, "~", "\\xc2\\x9b");		/* CSI */
	expect_cut("\xc3(\xff\xe6\x9d", 99, "~", "\\xc3(\\xff\\xe6\\x9d");
	expect_cut("\033\n\x7f", 99, "~", "\\x1b\\x0a\\x7f");
	table_add(table, "caf\xc3\xa9");
	table_add(table, "1");
	table_add(table, "\xe6\x9d\xb1\xe4\xba\xac");
	table_add(table, "22");
	expect(table, "NAME   N\n"
		      "caf\xc3\xa9   1\n"
		      "\xe6\x9d\xb1\xe4\xba\xac  22\n");
	setlocale(LC_CTYPE, "C");
}

static void expect_units(long long value, const char *expected)
{
	char text[UNITS_SIZE];

	assert_string_equal(screen_units(value, text), expected);
}

static void test_units(void **state)
{
	char text[UNITS_SIZE];

	expect_units(0, "0");
	expect_units(999, "999");
	expect_units(1000, "1.00k");
	expect_units(9994, "9.99k");
	expect_units(9995, "10.0k");
	expect_units(99949, "99.9k");
	expect_units(99950, "100k");
	expect_units(999499, "999k");
	expect_units(999500, "1.00M");
	expect_units(224005000, "224M");
	expect_units(INT64_MAX, "9.22E");
	assert_string_equal(screen_nanoseconds(850, text), "850ns");
	assert_string_equal(screen_nanoseconds(12345, text), "12.3us");
	assert_string_equal(screen_nanoseconds(5000000000, text), "5.00s");
	assert_string_equal(screen_seconds(59, text), "59s");
	assert_string_equal(screen_seconds(245, text), "4m05s");
	assert_string_equal(screen_seconds(10925, text), "3h02m");
	assert_string_equal(screen_seconds(1062000, text), "12d07h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_last_column_to_the_right),
		cmocka_unit_test(test_headings_are_the_widest),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_empty_cells),
		cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_importance),
		cmocka_unit_test(test_escaped),
		cmocka_unit_test(test_brief),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
