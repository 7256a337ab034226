// SPDX-License-Identifier: BSD-2-Clause
/* Events: every sink is told, and each form says the same, whatever bytes a value has. */
#include "watchdog.h"

#include <errno.h>

#include "telemetry/event.h"

static const struct event_number errors[] = {{"EAGAIN", 5}, {"ENOBUFS", 12000000000}};

/* One field of each kind. */
static void make(struct event *event)
{
	event_init(event, "dropping", LOG_FACILITY_EGRESS, LOG_LEVEL_WARNING);
	event_add_text(event, "rule", "cam1");
	event_add_text(event, "reason", NULL);
	event_add_text(event, "output", "239.2.2.2:6000@eth1");
	event_add_numbers(event, "errors", errors, 2);
	event_add_number(event, "packets", UINT32_MAX + 1ULL);
}

/* ---- sinks ---- */

struct listener {
	const char *name;
	char *order; /* names of those who were told, in turn */
	unsigned int count;
};

static void listen(void *context, const struct event *event)
{
	struct listener *listener = context;

	assert_string_equal(event->name, "dropping");
	assert_int_equal(event->nr_fields, 4);
	listener->count++;
	strcat(listener->order, listener->name);
}

static void test_sinks(void **state)
{
	char order[64] = "";
	struct listener first = {.name = "a", .order = order};
	struct listener second = {.name = "b", .order = order};
	struct events events = {0};
	struct event event;

	make(&event);
	event_emit(&events, &event);
	event_emit(NULL, &event);
	assert_int_equal(events_add_sink(&events, listen, &first), 0);
	assert_int_equal(events_add_sink(&events, listen, &second), 0);
	event_emit(&events, &event);
	event_emit(&events, &event);
	assert_int_equal(first.count, 2);
	assert_int_equal(second.count, 2);
	assert_string_equal(order, "abab");
	for (unsigned int i = 2; i < EVENT_SINKS; i++)
		assert_int_equal(events_add_sink(&events, listen, &first), 0);
	assert_int_equal(events_add_sink(&events, listen, &first), -ENOSPC);
}

/* ---- JSON ---- */

static void test_json(void **state)
{
	struct event event;
	json_t *json;
	char *text;

	make(&event);
	event.time = (struct timespec){.tv_sec = 1795359845, .tv_nsec = 123999999};
	json = event_json(&event);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "{\"time\":\"2026-11-22T15:04:05.123Z\",\"event\":\"dropping\","
				  "\"rule\":\"cam1\",\"output\":\"239.2.2.2:6000@eth1\","
				  "\"errors\":{\"EAGAIN\":5,\"ENOBUFS\":12000000000},"
				  "\"packets\":4294967296}");
	free(text);
	json_decref(json);
}

static void test_time(void **state)
{
	struct timespec before;
	struct timespec after;
	struct event event;

	clock_gettime(CLOCK_REALTIME, &before);
	make(&event);
	clock_gettime(CLOCK_REALTIME, &after);
	assert_true(event.time.tv_sec >= before.tv_sec && event.time.tv_sec <= after.tv_sec);
}

/* ---- lines ---- */

static void expect_line(const struct event *event, const char *expected)
{
	char line[1024];

	event_line(event, line, sizeof(line));
	assert_string_equal(line, expected);
}

static void test_line(void **state)
{
	struct event event;

	make(&event);
	expect_line(&event, "dropping rule=cam1 output=239.2.2.2:6000@eth1 "
			    "errors=EAGAIN:5,ENOBUFS:12000000000 packets=4294967296");
	event_init(&event, "stopping", LOG_FACILITY_DAEMON, LOG_LEVEL_INFO);
	expect_line(&event, "stopping");
}

/* A value that could be taken for something else is quoted. */
static void test_quotes(void **state)
{
	static const char *const pairs[][2] = {
		{"word", "word"},
		{"a-b.c:1@eth0.100", "a-b.c:1@eth0.100"},
		{"two words", "\"two words\""},
		{"", "\"\""},
		{"a=b", "\"a=b\""},
		{"7", "\"7\""},
		{"-", "\"-\""},
		{"7a", "7a"},
		/* The log escapes. */
		{"say \"no\"", "\"say \"no\"\""},
		{"back\\slash", "\"back\\slash\""},
		{"line\nwarn  fake=1", "\"line\nwarn  fake=1\""},
		{"\x7f", "\"\x7f\""},
		{"caf\xc3\xa9", "caf\xc3\xa9"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char expected[128];
		struct event event;

		event_init(&event, "pending", LOG_FACILITY_RULES, LOG_LEVEL_INFO);
		event_add_text(&event, "reason", pairs[i][0]);
		snprintf(expected, sizeof(expected), "pending reason=%s", pairs[i][1]);
		expect_line(&event, expected);
	}
}

/* Whatever the size, the line is a beginning of the whole one. */
static void test_cut(void **state)
{
	char whole[1024];
	struct event event;

	make(&event);
	event_add_text(&event, "reason", "with \"quotes\"");
	event_line(&event, whole, sizeof(whole));
	for (size_t size = 1; size <= strlen(whole) + 2; size++) {
		char *line = malloc(size); /* a byte more would be seen by a sanitizer */

		event_line(&event, line, size);
		assert_true(strlen(line) < size);
		assert_int_equal(strncmp(line, whole, strlen(line)), 0);
		if (size <= strlen(whole))
			assert_int_equal(strlen(line), size - 1);
		free(line);
	}
}

/* ---- limits, pairs ---- */

static void test_too_many_fields(void **state)
{
	struct event event;
	json_t *json;

	event_init(&event, "many", LOG_FACILITY_RULES, LOG_LEVEL_INFO);
	for (unsigned int i = 0; i < EVENT_FIELDS + 5; i++)
		event_add_number(&event, i % 2 ? "odd" : "even", i);
	assert_int_equal(event.nr_fields, EVENT_FIELDS);
	json = event_json(&event);
	assert_non_null(json);
	json_decref(json);
}

static void test_pairs(void **state)
{
	struct event_pairs *pairs = calloc(1, sizeof(*pairs));
	char large[2 * EVENT_TEXT_SIZE];
	struct event event;

	assert_non_null(pairs);
	make(&event);
	event_to_pairs(&event, pairs);
	assert_int_equal(pairs->count, 4);
	assert_string_equal(pairs->pairs[0][0], "rule");
	assert_string_equal(pairs->pairs[0][1], "cam1");
	assert_string_equal(pairs->pairs[2][0], "errors");
	assert_string_equal(pairs->pairs[2][1], "EAGAIN:5,ENOBUFS:12000000000");
	assert_string_equal(pairs->pairs[3][1], "4294967296");
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	event_init(&event, "pending", LOG_FACILITY_RULES, LOG_LEVEL_INFO);
	event_add_text(&event, "reason", large);
	event_add_text(&event, "rule", "two words"); /* as it is: nothing to be quoted for */
	event_to_pairs(&event, pairs);
	assert_int_equal(strlen(pairs->pairs[0][1]), EVENT_TEXT_SIZE - 1);
	assert_string_equal(pairs->pairs[1][1], "two words");
	free(pairs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sinks),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_too_many_fields),
		cmocka_unit_test(test_pairs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
