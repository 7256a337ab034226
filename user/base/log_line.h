/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A log record as a line: text, or a JSON object. Both are valid UTF-8 without control characters,
 * whatever bytes the record has, and end in a newline. Pure; any thread.
 *
 *     error join-failed rule=cam1 error="No buffer space available" suppressed=3
 *     {"time":"2026-11-22T15:04:05.123Z","level":"error","facility":"membership",
 *      "event":"join-failed","rule":"cam1","error":"No buffer space available","suppressed":3}
 *
 * In text, inside and outside quotes, a backslash is \\ and a byte that is a control character or
 * not UTF-8 is \xNN; inside quotes a quote is \". In JSON a byte that is not UTF-8 is U+FFFD.
 *
 * A quoted value ends at the quote that is followed by the end or by the next key, so quotes inside
 * values need no escaping by whoever logs. What is not key=value, and a key that is there already,
 * is in the member "text" of a JSON line. Its values are strings, but for plain integers of up to
 * 18 digits that the record's format made from a number.
 */
#ifndef XMCAST_BASE_LOG_LINE_H
#define XMCAST_BASE_LOG_LINE_H

#include <time.h>

#include "base/log.h"

/* Bytes of a line of text, newline included; of what a record says, NUL included. */
#define LOG_TEXT_SIZE 1024

/* Bytes of a JSON line, prefix and newline included: PIPE_BUF, up to which a pipe takes all or
 * nothing. A longer one is cut inside a value, and has "cut":true. */
#define LOG_JSON_SIZE 4096

struct log_record {
	struct timespec time; /* CLOCK_REALTIME */
	enum log_facility facility;
	enum log_level level;
	const char *text;   /* event name and key=value pairs */
	const char *format; /* what `text` was made from; NULL: not known */
	uint64_t suppressed;
};

/* Write the record behind `prefix` (at most 128 bytes, taken as it is) and return the line's
 * length. `suppressed` is there only if it is not 0. No NUL behind the line. */
size_t log_line_text(const struct log_record *record, const char *prefix, char line[LOG_TEXT_SIZE]);
size_t log_line_json(const struct log_record *record, const char *prefix, char line[LOG_JSON_SIZE]);

#endif
