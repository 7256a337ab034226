/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON5 (json5.org) as values of jansson: comments, names and strings in any quotes or none, commas
 * at the end. Words that are no strings (numbers, true, null) become strings of their own text.
 *
 * Pure; any thread.
 */
#ifndef XMCAST_IMPORT_JSON5_H
#define XMCAST_IMPORT_JSON5_H

#include <jansson.h>
#include <stddef.h>

#include "base/errors.h"

/* Levels of objects and arrays. */
#define JSON5_DEPTH_MAX 16

/* A member that each object gets: the number of the line at which it begins. */
#define JSON5_LINE "\n"

/* The value, which is the caller's. NULL: errno is EINVAL (errors appended) or ENOMEM. `file`: for
 * the errors, which it must outlive. */
json_t *json5_parse(const char *bytes, size_t length, const char *file, struct errors *errors);

#endif
