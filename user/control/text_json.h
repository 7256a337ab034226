/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that somebody else made, a file's name or a word of it, as JSON. Pure; any thread. */
#ifndef XMCAST_CONTROL_TEXT_JSON_H
#define XMCAST_CONTROL_TEXT_JSON_H

#include <jansson.h>

/* A string, whose bytes that are not UTF-8 are written as \xNN, since JSON has nothing but UTF-8.
 * The caller's reference; NULL: no memory, or no text. */
json_t *text_json(const char *text);

#endif
