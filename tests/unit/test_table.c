// SPDX-License-Identifier: BSD-2-Clause
/* Tables for people. */
#include "watchdog.h"

/* The source itself: it is a part of xmcastctl, not of the library. */
#include "ctl/table.c"

static void expect(struct table *table, const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	table_print(table, stream);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
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

static void test_empty_cells(void **state)
{
	struct table *table = table_new("A B");

	table_add(table, "%s", "");
	table_add(table, "b");
	expect(table, "A  B\n"
		      "   b\n");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_last_column_to_the_right),
		cmocka_unit_test(test_headings_are_the_widest),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_empty_cells),
		cmocka_unit_test(test_many_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
