/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_journal.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* The journal accepts names of up to 64 bytes. */
#define NAME_SIZE 65

static size_t put_bytes(char *entry, size_t used, const void *bytes, size_t length)
{
	memcpy(entry + used, bytes, length);
	return used + length;
}

/* A field in the form for values with any bytes: NAME, newline, length as a little-endian number,
 * value, newline. */
static size_t put_field(char *entry, size_t used, const char *name, const char *value,
			size_t length)
{
	uint64_t number = htole64(length);
	size_t name_length = strlen(name);

	if (used + name_length + sizeof(number) + length + 2 > LOG_JOURNAL_SIZE)
		return used;
	used = put_bytes(entry, used, name, name_length);
	used = put_bytes(entry, used, "\n", 1);
	used = put_bytes(entry, used, &number, sizeof(number));
	used = put_bytes(entry, used, value, length);
	return put_bytes(entry, used, "\n", 1);
}

static size_t put_text(char *entry, size_t used, const char *name, const char *value)
{
	return put_field(entry, used, name, value, strlen(value));
}

/* A field of the record. */
static size_t put_key(char *entry, size_t used, const struct log_field *field)
{
	char room[LOG_VALUE_SIZE];
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "XMCAST_%s", field->event_key ? field->event_key : field->key);
	for (char *byte = name; *byte; byte++)
		*byte = (char)toupper((unsigned char)*byte);
	return put_text(entry, used, name, log_field_text(field, room));
}

size_t log_journal_entry(const struct log_record *record, const char *message, size_t length,
			 char entry[LOG_JOURNAL_SIZE])
{
	static const int priorities[LOG_LEVELS] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	char number[24];
	size_t used = 0;

	used = put_field(entry, used, "MESSAGE", message, length);
	snprintf(number, sizeof(number), "%d", priorities[record->level]);
	used = put_text(entry, used, "PRIORITY", number);
	used = put_text(entry, used, "SYSLOG_IDENTIFIER", program_invocation_short_name);
	used = put_text(entry, used, "XMCAST_EVENT", record->event);
	used = put_text(entry, used, "XMCAST_FACILITY", log_facility_name(record->facility));
	for (unsigned int i = 0; i < record->nr_fields; i++) {
		if (log_field_is_set(&record->fields[i]))
			used = put_key(entry, used, &record->fields[i]);
	}
	snprintf(number, sizeof(number), "%" PRIu64, record->suppressed);
	return record->suppressed ? put_text(entry, used, "XMCAST_SUPPRESSED", number) : used;
}
