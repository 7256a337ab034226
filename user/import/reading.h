/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of several peers share: lines, words and addresses. Pure; any thread. */
#ifndef XMCAST_IMPORT_READING_H
#define XMCAST_IMPORT_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "rules/words.h"

/* Longest word that is looked at: no address, number or interface is longer. The rest of a longer
 * one is dropped, and what is left is refused like any other wrong word. */
#define READING_WORD_MAX 100

/* What is left of a text. Starts as {bytes, length, 0}. */
struct reading {
	const char *next;
	size_t left;
	unsigned int line; /* number of the last line, from 1 */
};

/* The next line, without its end. False: there is none. */
bool reading_line(struct reading *reading, struct word *line);

/* Take the next word off the front of a line. False: there is none; what begins with '#' is a
 * comment. */
bool reading_word(struct word *line, struct word *word);

/* The arguments of "%.*s". */
#define READING_WORD(word) (int)(word).length, (word).text

/* Add an address as the grammar has it: IPv6 in brackets. */
void reading_add_address(struct text *text, const struct word *word);

#endif
