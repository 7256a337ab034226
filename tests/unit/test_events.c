/* SPDX-License-Identifier: BSD-2-Clause */
/* The events that the exporter keeps for its clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "exporter/events.h"

/* What a client gets that asks for those after this id. */
static json_t *after(const struct events *events, uint64_t id)
{
	size_t length = 0;
	json_t *answer;
	char *text;

	assert_int_equal(events_text(events, id, &text, &length), 0);
	assert_int_equal(strlen(text), length);
	answer = json_loads(text, 0, NULL);
	assert_non_null(answer);
	free(text);
	return answer;
}

static void expect(const struct events *events, uint64_t id, uint64_t first, size_t count)
{
	json_t *answer = after(events, id);
	const json_t *list = json_object_get(answer, "events");
	const json_t *event;
	size_t i;

	assert_int_equal(json_array_size(list), count);
	json_array_foreach(list, i, event)
		assert_int_equal(json_integer_value(json_object_get(event, "id")), first + i);
	json_decref(answer);
}

static void add(struct events *events, const char *text)
{
	json_t *event = json_loads(text, 0, NULL);

	assert_non_null(event);
	events_add(events, event);
	json_decref(event);
}

static void test_numbers(void **state)
{
	struct events *events = events_new();

	assert_int_equal(events_fd(events), -1);
	expect(events, 0, 0, 0);
	for (unsigned int i = 0; i < 3; i++)
		add(events, "{\"time\":\"t\",\"event\":\"active\",\"rule\":\"a\"}");
	expect(events, 0, 1, 3);
	expect(events, 1, 2, 2);
	expect(events, 3, 4, 0);
	expect(events, 999999, 0, 0);
	expect(events, UINT64_MAX, 0, 0);
	for (unsigned int i = 0; i < EVENTS_KEPT; i++)
		add(events, "{}");
	expect(events, 0, 4, EVENTS_KEPT);
	expect(events, 3, 4, EVENTS_KEPT);
	expect(events, 4, 5, EVENTS_KEPT - 1);
	expect(events, EVENTS_KEPT + 2, EVENTS_KEPT + 3, 1);
	events_free(events);
	events_free(NULL);
}

/* The keys of the event stay, but the number is ours; of one that is too long, the name stays. */
static void test_contents(void **state)
{
	char longest[2 * EVENTS_LENGTH] = "{\"event\":\"pending\",\"reason\":\"";
	struct events *events = events_new();
	json_t *answer;
	const json_t *event;

	add(events, "{\"id\":7,\"event\":\"silent\",\"rule\":\"a\",\"errors\":{\"x\":1}}");
	memset(longest + strlen(longest), 'x', EVENTS_LENGTH);
	strcat(longest, "\"}");
	add(events, longest);
	memmove(longest + 10, longest + 29, strlen(longest + 29) + 1); /* now that is the name */
	add(events, longest);
	answer = after(events, 0);
	event = json_array_get(json_object_get(answer, "events"), 0);
	assert_int_equal(json_integer_value(json_object_get(event, "id")), 1);
	assert_string_equal(json_string_value(json_object_get(event, "rule")), "a");
	assert_true(json_is_object(json_object_get(event, "errors")));
	event = json_array_get(json_object_get(answer, "events"), 1);
	assert_int_equal(json_object_size(event), 2);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "pending");
	event = json_array_get(json_object_get(answer, "events"), 2);
	assert_int_equal(json_object_size(event), 1);
	assert_true(json_integer_value(json_object_get(answer, "since")) > 1700000000000);
	json_decref(answer);
	events_free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_contents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
