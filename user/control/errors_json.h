/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors in rules and files as JSON, for the control protocol and for xmcastctl. Bytes that are not
 * UTF-8 are escaped (base/json_text.h). Pure; any thread.
 */
#ifndef XMCAST_CONTROL_ERRORS_JSON_H
#define XMCAST_CONTROL_ERRORS_JSON_H

#include <jansson.h>

#include "base/errors.h"

/* [{"file", "line", "column", "word", "message"}…]: the errors that were kept. Line, column and
 * word are missing where there is none. The caller's reference; NULL: no memory. */
json_t *errors_list_json(const struct errors *errors);

/* {"errors": that list, "count": how many were found}. As above. */
json_t *errors_json(const struct errors *errors);

#endif
