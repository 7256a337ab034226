/* SPDX-License-Identifier: BSD-2-Clause */
/* Places in UTF-8 text: from characters to bytes, lines and columns. Pure; any thread. */
#ifndef XMCAST_RULES_UTF8_H
#define XMCAST_RULES_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place in a text. Starts as { .bytes, .length, .line = 1 }. */
struct utf8_cursor {
	const char *bytes;
	size_t length;
	size_t character;  /* characters before it */
	size_t offset;	   /* bytes before it */
	size_t line_start; /* offset of the first byte of its line */
	unsigned int line; /* from 1; only '\n' ends a line, as in editors */
};

/* Go to a character of valid UTF-8, or to the end of the text if it has fewer. Takes as long as the
 * way is, so that a sequence of rising places costs one pass. */
void utf8_seek(struct utf8_cursor *cursor, size_t character);

/*
 * Go to the first byte that is not valid UTF-8, or begins a character that YAML does not allow
 * (NUL and other control characters), and say in *what what is there. Returns true if there is
 * none.
 */
bool utf8_find_bad(struct utf8_cursor *cursor, const char **what);

/* Whether YAML allows the character in a file: c-printable of YAML 1.1, without the byte-order mark
 * that it allows in the midst. */
bool utf8_is_printable(uint32_t code);

#endif
