/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of errors as the control protocol and xmcastctl have it, whatever bytes a file and its
 * name are made of (base/json_text.h). Pure; any thread. */
#ifndef XMCAST_CONTROL_ERRORS_JSON_H
#define XMCAST_CONTROL_ERRORS_JSON_H

#include <jansson.h>

#include "base/errors.h"

/* [{"file", "line", "column", "word", "message"}…], those that were kept; without line, column and
 * word where there is none. The caller's reference; NULL: no memory. */
json_t *errors_list_json(const struct errors *errors);

/* {"errors": that list, "count": all that were found}. The same. */
json_t *errors_json(const struct errors *errors);

#endif
