/* SPDX-License-Identifier: BSD-2-Clause */
#include "telemetry/event.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"

static const char *const names[] = {EVENT_NAMES};

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *field_json(const struct log_field *field)
{
	char room[LOG_VALUE_SIZE];
	json_t *object;

	switch (field->kind) {
	case LOG_FIELD_INT:
		return json_integer(field->number);
	case LOG_FIELD_UINT:
		return number(field->unsigned_number);
	case LOG_FIELD_COUNTS:
		object = json_object();
		for (unsigned int i = 0; i < field->nr_counts; i++)
			json_put(&object, field->counts[i].name, number(field->counts[i].count));
		return object;
	default:
		return json_text_string(log_field_text(field, room));
	}
}

json_t *event_json(const struct log_record *record)
{
	char time[CLOCK_TEXT_SIZE];
	json_t *object = json_pack("{s:s, s:s}", "time", clock_format(&record->time, time), "event",
				   record->event);

	for (unsigned int i = 0; i < record->nr_fields; i++) {
		const struct log_field *field = &record->fields[i];

		if (log_field_is_set(field))
			json_put(&object, field->event_key ? field->event_key : field->key,
				 field_json(field));
	}
	return object;
}

void event_count(struct event_counts *counts, const struct log_record *record)
{
	size_t i = 0;

	while (i < EVENT_NAME_COUNT && strcmp(record->event, names[i]) != 0)
		i++;
	if (i < EVENT_NAME_COUNT)
		counts->counts[i]++;
	else
		counts->others++;
}

json_t *event_counts_json(const struct event_counts *counts)
{
	json_t *object = json_object();

	for (size_t i = 0; i < EVENT_NAME_COUNT; i++)
		json_put(&object, names[i], number(counts->counts[i]));
	json_put(&object, "other", number(counts->others));
	return object;
}

void event_counts_carry(struct event_counts *counts, const json_t *before)
{
	for (size_t i = 0; i < EVENT_NAME_COUNT; i++)
		counts->counts[i] +=
			(uint64_t)json_integer_value(json_object_get(before, names[i]));
	counts->others += (uint64_t)json_integer_value(json_object_get(before, "other"));
}
