/* SPDX-License-Identifier: BSD-2-Clause */
/* How a refusal of the daemon, a JSON-RPC error, is shown. One thread. */
#ifndef XMCAST_CTL_REFUSAL_H
#define XMCAST_CTL_REFUSAL_H

#include <jansson.h>
#include <stdio.h>

/* Where the operations of a change stand in the user's own file, so that an error about the n-th
 * operation ("line n") is shown as an error about a line of that file. */
struct places {
	const char *file;
	size_t count;
	const struct place {
		unsigned int line;
		unsigned int column; /* of the operation's first byte, from 1 */
	} * list;
};

/* Print "FILE:LINE:COLUMN: 'WORD': MESSAGE" for each of its errors, then its own message. `places`
 * may be NULL. */
void refusal_print(FILE *stream, const json_t *error, const struct places *places);

#endif
