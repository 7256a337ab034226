/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of several peers share: lines, words and ranges of groups. Pure; any thread. */
#ifndef XMCAST_IMPORT_READING_H
#define XMCAST_IMPORT_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "rules/words.h"

/* Longest word that is looked at: no address, number or interface is longer. The rest of a longer
 * one is dropped, and what is left is refused like any other wrong word. */
#define READING_WORD_MAX 100

/* Groups of one range that become rules, one each. */
#define READING_RANGE_MAX 256

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

struct group_range {
	struct xmc_addr first;
	unsigned int host_bits; /* 0: one group */
};

/* GROUP or GROUP/BITS. False: it is wrong, and an error was appended. */
bool group_range_parse(const struct word *word, struct group_range *range, struct errors *errors);

/* The number of groups, at most READING_RANGE_MAX + 1. */
unsigned int group_range_count(const struct group_range *range);

/* The index-th group as text, IPv6 in brackets. Returns `text`. */
const char *group_range_format(const struct group_range *range, unsigned int index,
			       char text[ENDPOINT_TEXT_SIZE]);

/* Whether the group is in the range. */
bool group_range_has(const struct group_range *range, const struct xmc_addr *group);

#endif
