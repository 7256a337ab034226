/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges: a rule that stands for several. "{1..50}" in its words counts, all ranges of a rule in
 * step:
 *
 *     cam{1..50} in 239.1.1.{1..50}:5000@eth0 out 239.2.2.{1..50}:6000@eth1
 *
 * is cam1 in 239.1.1.1:5000@eth0 out 239.2.2.1:6000@eth1, and 49 more. As in a shell, a range may
 * count down, and {01..50} keeps its zeros. The rules are ordinary ones, which know the range that
 * they come from. Main thread.
 */
#ifndef XMCAST_RULES_RANGE_H
#define XMCAST_RULES_RANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/words.h"

/* Most rules of one range: a typing error must not fill the whole table. */
#define RANGE_MAX 4096

/* Longest text of a rule with a range, which is read once for each of its rules: room for all
 * outputs that a rule may have. */
#define RANGE_TEXT_MAX 65536

/* Longest word with a range when its numbers are put in, with its NUL. */
#define RANGE_WORD_SIZE 192

/* What the rules of one range have in common. Counted references. */
struct range {
	unsigned int references;
	unsigned int count; /* rules */
	char text[];	    /* the rule as it was written, words separated by one space */
};

/* Whether a word has a range. */
bool word_has_range(const struct word *word);

/* The number of rules of which a single word, such as a name, has the range: 1..RANGE_MAX; 1 as
 * well if its ranges do not fit each other. */
unsigned int word_range_count(const struct word *word);

/* The word of a rule of the range: with its numbers put in. The text is in `room`; what does not
 * fit there, a range in a range, and a word without one, stays as it is. */
struct word word_of_range(const struct word *word, unsigned int index, char room[RANGE_WORD_SIZE]);

/*
 * The number of rules that a text of the grammar stands for: 1 without a range. 0: the ranges are
 * wrong, and an error was appended. `at`: the position of text[0]; `fixed`: of all words.
 */
unsigned int range_count(const char *text, size_t length, const struct position *at, bool fixed,
			 struct errors *errors);

/* A range with one reference, for `count` rules of a text; NULL: no memory. */
struct range *range_new(const char *text, size_t length, unsigned int count);

/* Accept NULL. range_hold() returns its argument. */
struct range *range_hold(struct range *range);
void range_put(struct range *range);

/* What a table shows of a text: the name or, without one, the input. Returns its length. */
size_t range_name(const char *text, const char **name);

#endif
