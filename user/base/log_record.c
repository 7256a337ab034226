/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/unicode.h"

/* Bytes kept for the end of a JSON line: ,"suppressed":18446744073709551615,"cut":true} and '\n'.
 */
#define JSON_END_SIZE 64

const char *log_facility_name(enum log_facility facility)
{
	static const char *const names[LOG_FACILITIES] = {
		"daemon", "rules",	"steering", "ingress",
		"egress", "membership", "links",    "control",
	};

	return names[facility];
}

const char *log_level_name(enum log_level level)
{
	static const char *const names[LOG_LEVELS] = {"error", "warning", "info", "debug"};

	return names[level];
}

/* ---- values ---- */

static const char *counts_text(const struct log_field *field, char room[LOG_VALUE_SIZE])
{
	size_t length = 0;

	*room = '\0';
	for (unsigned int i = 0; i < field->nr_counts && length < LOG_VALUE_SIZE; i++)
		length += (size_t)snprintf(room + length, LOG_VALUE_SIZE - length, "%s%s:%" PRIu64,
					   i ? "," : "", field->counts[i].name,
					   field->counts[i].count);
	return room;
}

const char *log_field_text(const struct log_field *field, char room[LOG_VALUE_SIZE])
{
	switch (field->kind) {
	case LOG_FIELD_NAME:
	case LOG_FIELD_TEXT:
		return field->text;
	case LOG_FIELD_ERROR:
		return strerror(abs((int)field->number));
	case LOG_FIELD_INT:
		snprintf(room, LOG_VALUE_SIZE, "%" PRId64, field->number);
		return room;
	case LOG_FIELD_UINT:
		snprintf(room, LOG_VALUE_SIZE, "%" PRIu64, field->unsigned_number);
		return room;
	case LOG_FIELD_COUNTS:
		return counts_text(field, room);
	case LOG_FIELD_NONE:
		break;
	}
	return "";
}

static bool is_number(const struct log_field *field)
{
	return field->kind == LOG_FIELD_INT || field->kind == LOG_FIELD_UINT;
}

/* Whether a name can be read as nothing but text: a rule may be called 7. */
static bool is_word(const char *name)
{
	if (strspn(name, "-0123456789") == strlen(name))
		return false;
	for (; *name; name++) {
		unsigned char byte = (unsigned char)*name;

		if (byte <= ' ' || byte == 0x7f || byte == '"' || byte == '=' || byte == '\\')
			return false;
	}
	return true;
}

/* ---- lines ---- */

/* Where a line is written. A piece that does not fit is left out, and nothing follows it. */
struct output {
	char *bytes;
	size_t size;
	size_t length;
	bool cut;
};

static void put(struct output *output, const char *bytes, size_t length)
{
	if (output->cut || length > output->size - output->length) {
		output->cut = true;
		return;
	}
	memcpy(output->bytes + output->length, bytes, length);
	output->length += length;
}

static void put_string(struct output *output, const char *string)
{
	put(output, string, strlen(string));
}

/* C0, DEL and C1, which terminals obey. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* One character that a line cannot have, or bytes that are none (`valid` false). */
static void put_escape(struct output *output, const char *bytes, unsigned int count, uint32_t code,
		       bool valid, bool json)
{
	char escape[4 * 4 + 1];

	if (json && !valid) {
		put_string(output, "\xef\xbf\xbd"); /* U+FFFD */
		return;
	}
	if (json)
		snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)code);
	for (unsigned int i = 0; !json && i < count; i++)
		snprintf(escape + 4 * i, 5, "\\x%02x", (unsigned char)bytes[i]);
	put_string(output, escape);
}

static void put_text(struct output *output, const char *text, bool json)
{
	unsigned int bytes;
	uint32_t code;

	for (size_t left = strlen(text); left; left -= bytes, text += bytes) {
		bool valid = (bytes = utf8_decode(text, left, &code)) > 0;

		if (!valid)
			bytes = 1;
		if (!valid || is_control(code))
			put_escape(output, text, bytes, code, valid, json);
		else if (code == '\\' || code == '"')
			put(output, code == '"' ? "\\\"" : "\\\\", 2);
		else
			put(output, text, bytes);
	}
}

/* ---- text ---- */

static void put_pair(struct output *output, const struct log_field *field)
{
	char room[LOG_VALUE_SIZE];
	const char *value = log_field_text(field, room);
	bool quoted = field->kind == LOG_FIELD_TEXT || field->kind == LOG_FIELD_ERROR ||
		      (field->kind == LOG_FIELD_NAME && !is_word(value));

	put_string(output, " ");
	put_string(output, field->key);
	put_string(output, quoted ? "=\"" : "=");
	put_text(output, value, false);
	if (quoted)
		put_string(output, "\"");
}

size_t log_record_text(const struct log_record *record, const char *prefix,
		       char line[LOG_TEXT_SIZE])
{
	struct output output = {.bytes = line};
	char tail[40] = "\n";

	if (record->suppressed)
		snprintf(tail, sizeof(tail), " suppressed=%" PRIu64 "\n", record->suppressed);
	output.size = LOG_TEXT_SIZE - strlen(tail);
	put_string(&output, prefix);
	put_string(&output, record->event);
	for (unsigned int i = 0; i < record->nr_fields; i++) {
		if (log_field_is_set(&record->fields[i]))
			put_pair(&output, &record->fields[i]);
	}
	output.cut = false;
	output.size = LOG_TEXT_SIZE;
	put_string(&output, tail);
	return output.length;
}

/* ---- JSON ---- */

/* ,"KEY": and the value. A number is there whole or not at all; a string may be cut inside. */
static void put_member(struct output *output, const char *key, const char *value, bool number)
{
	size_t needed = strlen(key) + (number ? strlen(value) : strlen("\"\"")) + strlen(",\"\":");

	if (output->cut || needed > output->size - output->length) {
		output->cut = true;
		return;
	}
	put_string(output, ",\"");
	put_string(output, key);
	put_string(output, "\":");
	if (number) {
		put_string(output, value);
		return;
	}
	put_string(output, "\"");
	output->size--; /* for the quote that ends it */
	put_text(output, value, true);
	output->size++;
	output->bytes[output->length++] = '"';
}

size_t log_record_json(const struct log_record *record, const char *prefix,
		       char line[LOG_JSON_SIZE])
{
	struct output output = {.bytes = line, .size = LOG_JSON_SIZE - JSON_END_SIZE};
	char room[LOG_VALUE_SIZE];
	bool cut;

	put_string(&output, prefix);
	put_string(&output, "{\"time\":\"");
	put_string(&output, clock_format(&record->time, room));
	put_string(&output, "\"");
	put_member(&output, "level", log_level_name(record->level), false);
	put_member(&output, "facility", log_facility_name(record->facility), false);
	put_member(&output, "event", record->event, false);
	for (unsigned int i = 0; i < record->nr_fields; i++) {
		const struct log_field *field = &record->fields[i];

		if (log_field_is_set(field))
			put_member(&output, field->key, log_field_text(field, room),
				   is_number(field));
	}
	cut = output.cut;
	output.cut = false;
	output.size = LOG_JSON_SIZE;
	snprintf(room, sizeof(room), "%" PRIu64, record->suppressed);
	if (record->suppressed)
		put_member(&output, "suppressed", room, true);
	put_string(&output, cut ? ",\"cut\":true}\n" : "}\n");
	return output.length;
}
