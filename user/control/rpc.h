/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON-RPC 2.0 on single lines, without I/O. */
#ifndef XMCAST_CONTROL_RPC_H
#define XMCAST_CONTROL_RPC_H

#include <stddef.h>

#include "control/server.h"

/* Answer one request line [line, line+length), without its newline. Returns a malloc()ed answer
 * that ends with a newline, its length in *answer_length; NULL: no answer is due (a notification),
 * or no memory. */
char *rpc_answer(const char *line, size_t length, const struct control_method *methods,
		 void *context, size_t *answer_length);

/* An error answer without an id, for a request that could not be read at all. */
char *rpc_error(int code, const char *message, size_t *answer_length);

#endif
