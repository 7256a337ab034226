/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json_text.h"
#include "control/errors_json.h"
#include "expect.h"

static void expect_json(json_t *json, const char *expected)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

/* Errors are reported whatever bytes the name of the file has. */
static void test_text(void **state)
{
	expect_json(json_pack("[o]", json_text_string("plain\n")), "[\"plain\\n\"]");
	expect_json(json_pack("[o]", json_text_string("caf\xc3\xa9")), "[\"caf\\u00E9\"]");
	expect_json(json_pack("[o]", json_text_string("caf\xc3\xa9\xff.\xe2\x82")),
		    "[\"caf\\u00E9\\\\xff.\\\\xe2\\\\x82\"]");
	expect_json(json_pack("[o]", json_text_string("")), "[\"\"]");
	assert_null(json_text_string(NULL));
}

static void test_list(void **state)
{
	struct position at = {"\xff.yaml", 3, 7}, whole = {.file = "b.yaml"};
	struct errors errors = {0};

	expect_json(errors_list_json(&errors), "[]");
	errors_add(&errors, &at, "word", 4, "wrong: %s", "\xc3");
	errors_add(&errors, &at, NULL, 0, "no word");
	errors_add(&errors, &whole, NULL, 0, "no place");
	expect_json(errors_json(&errors),
		    "{\"errors\":["
		    "{\"file\":\"\\\\xff.yaml\",\"line\":3,\"column\":7,\"word\":\"word\","
		    "\"message\":\"wrong: \\\\xc3\"},"
		    "{\"file\":\"\\\\xff.yaml\",\"line\":3,\"column\":7,\"message\":\"no word\"},"
		    "{\"file\":\"b.yaml\",\"message\":\"no place\"}],\"count\":3}");
	errors_free(&errors);
}

/* If there are more errors than are kept, all are counted. */
static void test_many(void **state)
{
	struct position at = {"f", 1, 1};
	struct errors errors = {0};
	json_t *json;

	for (int i = 0; i < ERRORS_MAX + 7; i++)
		errors_add(&errors, &at, "w", 1, "number %d", i);
	json = errors_json(&errors);
	assert_int_equal(json_array_size(json_object_get(json, "errors")), ERRORS_MAX);
	assert_int_equal(json_integer_value(json_object_get(json, "count")), ERRORS_MAX + 7);
	json_decref(json);
	errors_free(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
