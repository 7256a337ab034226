// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON: values of every kind, with the keys that clients know. */
#include "watchdog.h"

#include <errno.h>

#include "telemetry/event.h"

static void expect(const struct log_field *fields, unsigned int nr_fields, const char *expected)
{
	const struct log_record record = {
		.time = {.tv_sec = 1795359845, .tv_nsec = 123999999},
		.event = "dropping",
		.fields = fields,
		.nr_fields = nr_fields,
	};
	json_t *json = event_json(&record);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(json);
}

#define HEAD "{\"time\":\"2026-11-22T15:04:05.123Z\",\"event\":\"dropping\""

static void test_json(void **state)
{
	const struct log_count errors[] = {{"EAGAIN", 5}, {"ENOBUFS", 12000000000}};
	const struct log_field fields[] = {
		LOG_NONE,
		LOG_NAME("rule", "7"),
		LOG_TEXT("reason", NULL),
		LOG_TEXT("text", "two \"words\""),
		LOG_COUNTS("errors", errors, 2),
		LOG_UINT("packets", UINT32_MAX + 1ULL),
		LOG_INT("leaked", -1),
		LOG_ERROR(-ENODEV),
	};

	expect(fields, 1, HEAD "}");
	expect(fields, sizeof(fields) / sizeof(fields[0]),
	       HEAD ",\"rule\":\"7\",\"text\":\"two \\\"words\\\"\","
		    "\"errors\":{\"EAGAIN\":5,\"ENOBUFS\":12000000000},"
		    "\"packets\":4294967296,\"leaked\":-1,\"error\":\"No such device\"}");
}

/* The field "iface" of the log is "interface" for clients. */
static void test_interface(void **state)
{
	const struct log_field iface = LOG_IFACE("eth0");

	expect(&iface, 1, HEAD ",\"interface\":\"eth0\"}");
}

/* A byte that is not UTF-8 does not cost a client the event. */
static void test_bad_text(void **state)
{
	const struct log_field path = LOG_TEXT("path", "caf\xe9");

	expect(&path, 1, HEAD ",\"path\":\"caf\\\\xe9\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_bad_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
