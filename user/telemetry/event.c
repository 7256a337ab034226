/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"

/* As long as a line of the log may be. */
#define LINE_SIZE 1024

void event_init(struct event *event, const char *name, enum log_facility facility,
		enum log_level level)
{
	memset(event, 0, sizeof(*event));
	event->name = name;
	event->facility = facility;
	event->level = level;
	clock_gettime(CLOCK_REALTIME, &event->time);
}

static void add(struct event *event, const struct event_field *field)
{
	if (event->nr_fields < EVENT_FIELDS)
		event->fields[event->nr_fields++] = *field;
}

void event_add_text(struct event *event, const char *key, const char *text)
{
	const struct event_field field = {.key = key, .kind = EVENT_TEXT, .text = text};

	if (text)
		add(event, &field);
}

void event_add_number(struct event *event, const char *key, uint64_t number)
{
	const struct event_field field = {.key = key, .kind = EVENT_NUMBER, .number = number};

	add(event, &field);
}

void event_add_numbers(struct event *event, const char *key, const struct event_number *numbers,
		       unsigned int count)
{
	const struct event_field field = {
		.key = key, .kind = EVENT_NUMBERS, .number = count, .numbers = numbers};

	add(event, &field);
}

/* ---- who listens ---- */

int events_add_sink(struct events *events, void (*take)(void *context, const struct event *event),
		    void *context)
{
	if (events->nr_sinks == EVENT_SINKS)
		return -ENOSPC;
	events->sinks[events->nr_sinks++] = (struct event_sink){.take = take, .context = context};
	return 0;
}

void event_emit(const struct events *events, const struct event *event)
{
	for (unsigned int i = 0; events && i < events->nr_sinks; i++)
		events->sinks[i].take(events->sinks[i].context, event);
}

/* ---- JSON ---- */

static json_t *numbers_json(const struct event_field *field)
{
	json_t *object = json_object();

	for (uint64_t i = 0; i < field->number; i++)
		json_put(&object, field->numbers[i].name,
			 json_integer((json_int_t)field->numbers[i].value));
	return object;
}

static json_t *field_json(const struct event_field *field)
{
	switch (field->kind) {
	case EVENT_TEXT:
		return json_string(field->text);
	case EVENT_NUMBER:
		return json_integer((json_int_t)field->number);
	case EVENT_NUMBERS:
		return numbers_json(field);
	}
	return NULL;
}

json_t *event_json(const struct event *event)
{
	json_t *object = json_object();
	char time[CLOCK_TEXT_SIZE];
	int failed = 0;

	failed |=
		json_object_set_new(object, "time", json_string(clock_format(&event->time, time)));
	failed |= json_object_set_new(object, "event", json_string(event->name));
	for (unsigned int i = 0; i < event->nr_fields; i++)
		failed |= json_object_set_new(object, event->fields[i].key,
					      field_json(&event->fields[i]));
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

/* ---- text ---- */

/* A text that grows up to its size, always with a NUL. */
struct text {
	char *bytes;
	size_t size;
	size_t length;
};

static void put(struct text *text, char byte)
{
	if (text->length + 1 >= text->size)
		return;
	text->bytes[text->length++] = byte;
	text->bytes[text->length] = '\0';
}

static void put_string(struct text *text, const char *string)
{
	while (*string)
		put(text, *string++);
}

static void put_number(struct text *text, uint64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	put_string(text, digits);
}

static void put_numbers(struct text *text, const struct event_field *field)
{
	for (uint64_t i = 0; i < field->number; i++) {
		if (i)
			put(text, ',');
		put_string(text, field->numbers[i].name);
		put(text, ':');
		put_number(text, field->numbers[i].value);
	}
}

/* Cannot be taken for anything but a text: not for a number either, a rule may be called 7. */
static bool is_word(const char *string)
{
	if (strspn(string, "-0123456789") == strlen(string))
		return false;
	for (; *string; string++) {
		unsigned char byte = (unsigned char)*string;

		if (byte <= ' ' || byte == 0x7f || byte == '"' || byte == '=' || byte == '\\')
			return false;
	}
	return true;
}

/* As it is: the log escapes what has to be. */
static void put_text(struct text *text, const char *string, bool quote)
{
	if (quote)
		put(text, '"');
	put_string(text, string);
	if (quote)
		put(text, '"');
}

static void put_value(struct text *text, const struct event_field *field, bool quote)
{
	if (field->kind == EVENT_NUMBER)
		put_number(text, field->number);
	else if (field->kind == EVENT_NUMBERS)
		put_numbers(text, field);
	else
		put_text(text, field->text, quote && !is_word(field->text));
}

void event_line(const struct event *event, char *line, size_t size)
{
	struct text text = {.bytes = line, .size = size};

	*line = '\0';
	put_string(&text, event->name);
	for (unsigned int i = 0; i < event->nr_fields; i++) {
		put(&text, ' ');
		put_string(&text, event->fields[i].key);
		put(&text, '=');
		put_value(&text, &event->fields[i], true);
	}
}

void event_log(void *context, const struct event *event)
{
	char line[LINE_SIZE];

	if (event->level == EVENT_NOT_LOGGED)
		return;
	event_line(event, line, sizeof(line));
	log_write(event->facility, event->level, "%s", line);
}

void event_to_pairs(const struct event *event, struct event_pairs *pairs)
{
	pairs->count = event->nr_fields;
	for (unsigned int i = 0; i < event->nr_fields; i++) {
		struct text text = {.bytes = pairs->text[i], .size = EVENT_TEXT_SIZE};

		pairs->text[i][0] = '\0';
		put_value(&text, &event->fields[i], false);
		pairs->pairs[i][0] = event->fields[i].key;
		pairs->pairs[i][1] = pairs->text[i];
	}
}
