/* SPDX-License-Identifier: BSD-2-Clause */
#include "expect.h"

static void assert_printed(struct errors *errors, const char *expected)
{
	char *text = printed_errors(errors);

	assert_string_equal(text, expected);
	free(text);
	errors_free(errors);
}

static void test_print_forms(void **state)
{
	struct position at = {"a.yaml", 3, 7}, whole = {.file = "a.yaml"};
	struct errors errors = {0};

	errors_add(&errors, &at, "fooBAR", 3, "not %s, expected %d", "this", 5);
	errors_add(&errors, &at, "", 0, "nothing");
	errors_add(&errors, &at, NULL, 0, "no word");
	errors_add(&errors, &whole, NULL, 0, "no place");
	assert_int_equal(errors.count, 4);
	assert_int_equal(errors.kept, 4);
	assert_printed(&errors, "a.yaml:3:7: 'foo': not this, expected 5\n"
				"a.yaml:3:7: '': nothing\n"
				"a.yaml:3:7: no word\n"
				"a.yaml: no place\n");
	assert_int_equal(errors.count, 0);
}

static void test_escapes(void **state)
{
	struct position at = {"f", 1, 1};
	struct errors errors = {0};

	errors_add(&errors, &at, "a\0\x1b\n\xff", 5, "message with\na new line");
	assert_printed(&errors, "f:1:1: 'a\\x00\\x1b\\x0a\\xff': message with\\x0aa new line\n");
}

static void test_long_word(void **state)
{
	struct position at = {"f", 1, 1};
	struct errors errors = {0};
	char word[100], expected[100];

	memset(word, 'x', sizeof(word));
	memset(expected, 'x', sizeof(expected));
	strcpy(expected + 64, "...");
	errors_add(&errors, &at, word, sizeof(word), "long");
	assert_string_equal(errors.list[0].word, expected);
	errors_add(&errors, &at, word, 64, "not too long");
	expected[64] = '\0';
	assert_string_equal(errors.list[1].word, expected);
	errors_free(&errors);
}

static void test_too_many(void **state)
{
	struct position at = {"f", 1, 1};
	struct errors errors = {0};
	char *text;

	for (int i = 0; i < ERRORS_MAX + 5; i++)
		errors_add(&errors, &at, "w", 1, "error %d", i);
	assert_int_equal(errors.count, ERRORS_MAX + 5);
	assert_int_equal(errors.kept, ERRORS_MAX);
	text = printed_errors(&errors);
	assert_non_null(strstr(text, "f:1:1: 'w': error 0\n"));
	assert_non_null(strstr(text, "'w': error 99\nand 5 more errors\n"));
	free(text);
	errors_free(&errors);
	/* Usable again. */
	errors_add(&errors, &at, "w", 1, "again");
	assert_printed(&errors, "f:1:1: 'w': again\n");
}

/* Adjacent errors of one file are sorted by position; the order of files stays as found. */
static void test_order(void **state)
{
	static const struct position places[] = {
		{"a.yaml", 25, 3}, {"a.yaml", 16, 9},  {"a.yaml", 16, 2},
		{"a.yaml", 25, 3}, {"--rule", 1, 5},   {"--rule", 1, 1},
		{"a.yaml", 2, 1},  {.file = "a.yaml"}, {"a.yaml", 1, 1},
	};
	struct errors errors = {0};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		errors_add(&errors, &places[i], NULL, 0, "error %zu", i);
	assert_printed(&errors, "a.yaml:16:2: error 2\n"
				"a.yaml:16:9: error 1\n"
				"a.yaml:25:3: error 0\n"
				"a.yaml:25:3: error 3\n"
				"--rule:1:1: error 5\n"
				"--rule:1:5: error 4\n"
				"a.yaml:2:1: error 6\n"
				"a.yaml: error 7\n"
				"a.yaml:1:1: error 8\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_forms), cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_long_word),   cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
