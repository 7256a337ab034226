/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON as text, and text as JSON. Any thread. */
#ifndef XMCAST_BASE_JSON_TEXT_H
#define XMCAST_BASE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/*
 * The text on one line, with a newline and a NUL at its end, or NULL: no memory. *length counts the
 * newline, but not the NUL. The caller frees it.
 *
 * Instead of json_dumps(3), which silently leaves out a key when an allocation fails (jansson 2.14
 * does not check it).
 */
char *json_text_line(const json_t *json, size_t *length);

/*
 * Parse a text, with jansson's flags. 0: *json is the caller's; -EBADMSG: it is not JSON, and
 * *error (may be NULL) has the reason; -ENOMEM. On an error *json is NULL.
 *
 * Instead of json_loadb(3): when an allocation fails, that may leave out a character of a string,
 * or report a valid text as invalid (jansson 2.14 does not check it). Makes jansson allocate with
 * malloc(3) from then on.
 */
int json_text_read(json_t **json, const char *text, size_t length, size_t flags,
		   json_error_t *error);

/*
 * A string from text that may not be UTF-8, such as a file's name. Bytes that are not UTF-8, which
 * JSON cannot have, are written as \xNN. The caller's reference; NULL: no memory, or `text` is
 * NULL.
 */
json_t *json_text_string(const char *text);

#endif
