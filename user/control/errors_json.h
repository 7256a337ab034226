/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of errors as the control protocol has it. Pure; any thread. */
#ifndef XMCAST_CONTROL_ERRORS_JSON_H
#define XMCAST_CONTROL_ERRORS_JSON_H

#include <jansson.h>

#include "base/errors.h"

/* {"errors": [{"file", "line", "column", "word", "message"}…], "count": all that were found}. The
 * caller's reference; NULL: no memory. */
json_t *errors_json(const struct errors *errors);

#endif
