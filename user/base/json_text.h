/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON as text, and text as JSON. Any thread. */
#ifndef XMCAST_BASE_JSON_TEXT_H
#define XMCAST_BASE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/*
 * The whole text on one line with a newline and a NUL behind it, or NULL: no memory. *length counts
 * the newline, not the NUL. The caller frees it.
 *
 * In place of json_dumps(3), which without memory may leave out a key and say nothing of it
 * (jansson 2.14 does not look at what becomes of a key).
 */
char *json_text_line(const json_t *json, size_t *length);

/*
 * Read one line, or any text, with jansson's flags. 0; -EBADMSG: it is not JSON, *error (NULL:
 * nobody asks) says why; -ENOMEM. *json is NULL then, else the caller's.
 *
 * In place of json_loadb(3), which without memory may leave out a character of a string, or say of
 * a good text that it is bad (jansson 2.14 does not look at what becomes of a character). Has
 * jansson allocate with malloc(3) from then on, whatever was set before.
 */
int json_text_read(json_t **json, const char *text, size_t length, size_t flags,
		   json_error_t *error);

/*
 * Text that somebody else made, a file's name or a word of it, as a string, whose bytes that are
 * not UTF-8 are written as \xNN, since JSON has nothing but UTF-8. The caller's reference; NULL: no
 * memory, or no text.
 */
json_t *json_text_string(const char *text);

#endif
