/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log record: the name of what happened, and typed fields. Text and JSON are printed from it, and
 * nothing is parsed. Both are valid UTF-8 without control characters, whatever bytes the values
 * have, and end in a newline. Pure; any thread.
 *
 *     2026-11-22T15:04:05.123Z error join-failed rule=cam1 error="No buffer space available"
 *     {"time":"2026-11-22T15:04:05.123Z","level":"error","facility":"membership",
 *      "event":"join-failed","rule":"cam1","error":"No buffer space available","suppressed":3}
 *
 * In text a backslash is \\, a quote inside quotes is \", and a byte that is a control character or
 * not UTF-8 is \xNN. In JSON a byte that is not UTF-8 is U+FFFD.
 */
#ifndef XMCAST_BASE_LOG_RECORD_H
#define XMCAST_BASE_LOG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* The part of the program that writes the record. */
enum log_facility {
	LOG_FACILITY_DAEMON,
	LOG_FACILITY_RULES,
	LOG_FACILITY_STEERING,
	LOG_FACILITY_INGRESS,
	LOG_FACILITY_EGRESS,
	LOG_FACILITY_MEMBERSHIP,
	LOG_FACILITY_LINKS,
	LOG_FACILITY_CONTROL,
	LOG_FACILITIES,
};

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVELS };

/* Names as the configuration has them; constant text. */
const char *log_facility_name(enum log_facility facility);
const char *log_level_name(enum log_level level);

/* ---- fields ---- */

/* One item of LOG_COUNTS(). */
struct log_count {
	const char *name;
	uint64_t count;
};

enum log_field_kind {
	LOG_FIELD_NONE, /* printed nowhere */
	LOG_FIELD_NAME,
	LOG_FIELD_TEXT,
	LOG_FIELD_ERROR,
	LOG_FIELD_INT,
	LOG_FIELD_UINT,
	LOG_FIELD_COUNTS,
};

struct log_field {
	const char *key;
	const char *event_key; /* the key that watchers see, if it is another one; or NULL */
	enum log_field_kind kind;
	unsigned int nr_counts;
	union {
		const char *text; /* NULL: the field is left out */
		int64_t number;	  /* also the errno */
		uint64_t unsigned_number;
		const struct log_count *counts;
	};
};

/*
 * Fields, for log_error() and its like (log.h). A record points to its keys and values, and copies
 * nothing. Texts may have any bytes; NULL leaves the field out, as LOG_NONE does.
 *
 *     LOG_NAME    rule=cam1, in quotes only if it could be read as something else (rule="7")
 *     LOG_TEXT    hint="two words", always in quotes
 *     LOG_ERROR   error="No such device", from -errno
 *     LOG_INT, LOG_UINT    a number
 *     LOG_COUNTS  errors=ENOBUFS:12,EAGAIN:3
 *     LOG_IFACE   iface=eth0, whose key is "interface" in events
 */
#define LOG_NAME(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_NAME, .text = (v)})
#define LOG_TEXT(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_TEXT, .text = (v)})
#define LOG_ERROR(err)                                                                             \
	((struct log_field){.key = "error", .kind = LOG_FIELD_ERROR, .number = (err)})
#define LOG_INT(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .number = (v)})
#define LOG_UINT(k, v)                                                                             \
	((struct log_field){.key = (k), .kind = LOG_FIELD_UINT, .unsigned_number = (v)})
#define LOG_COUNTS(k, list, nr)                                                                    \
	((struct log_field){                                                                       \
		.key = (k), .kind = LOG_FIELD_COUNTS, .nr_counts = (nr), .counts = (list)})
#define LOG_IFACE(name)                                                                            \
	((struct log_field){                                                                       \
		.key = "iface", .event_key = "interface", .kind = LOG_FIELD_NAME, .text = (name)})
#define LOG_NONE ((struct log_field){.kind = LOG_FIELD_NONE})

/* Whether a field is to be printed. */
static inline bool log_field_is_set(const struct log_field *field)
{
	if (field->kind == LOG_FIELD_NAME || field->kind == LOG_FIELD_TEXT)
		return field->text != NULL;
	return field->kind != LOG_FIELD_NONE;
}

/* Bytes for a field's value that is no text, with its NUL; a longer list of counts is cut. */
#define LOG_VALUE_SIZE 512

/* A field's value as plain text: its own text, or the number, list or error written to `room`. */
const char *log_field_text(const struct log_field *field, char room[LOG_VALUE_SIZE]);

/* ---- records ---- */

struct log_record {
	struct timespec time; /* CLOCK_REALTIME */
	enum log_facility facility;
	enum log_level level;
	const char *event; /* its name: lower-case words and hyphens */
	const struct log_field *fields;
	unsigned int nr_fields;
	uint64_t suppressed; /* records of this event held back before it */
};

/* Bytes of a line of text, newline included. */
#define LOG_TEXT_SIZE 1024

/* Bytes of a JSON line, prefix and newline included: PIPE_BUF, up to which a pipe accepts a write
 * whole or not at all. A longer one is cut inside a value, and has "cut":true. */
#define LOG_JSON_SIZE 4096

/* Write the record after `prefix` (at most 128 bytes, copied as it is) and return the line's
 * length. `suppressed` is printed only if it is not 0. There is no NUL after the line. */
size_t log_record_text(const struct log_record *record, const char *prefix,
		       char line[LOG_TEXT_SIZE]);
size_t log_record_json(const struct log_record *record, const char *prefix,
		       char line[LOG_JSON_SIZE]);

#endif
