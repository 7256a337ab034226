/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one-line rule grammar:
 *
 *     [NAME] in GROUP([/BITS]:PORT|[/BITS]:any|/PROTO)@IFACE [OPTION ...]
 *         out DEST[:PORT][@IFACE] [OPTION ...] [out ...]
 *
 * Several inputs, each with a label (sides.h), stand behind each other: `in A:… in B:…`.
 *
 * "{1..50}" in a word makes several rules of one (range.h): grammar_parse_rule() gives the first.
 * Words are separated by spaces, tabs or line ends. The options, of the rule and of each output,
 * are those of the tables in rule.h, in any order. Pure; any thread. What can only be checked with
 * the other rules or with all outputs (duplicates, limits) is up to validate.h.
 */
#ifndef XMCAST_RULES_GRAMMAR_H
#define XMCAST_RULES_GRAMMAR_H

#include <stdio.h>

#include "rules/draft.h"

/*
 * Parse one rule. `at` is the position of text[0]. Every error is appended that does not follow
 * from another.
 *
 * Returns 0, then the caller owns *rule (rule_free) and *where (rule_positions_free); `where` may
 * be NULL. Returns -EINVAL (errors appended) or -ENOMEM, then both are left all zero.
 */
int grammar_parse_rule(const char *text, size_t length, const struct position *at,
		       struct rule *rule, struct rule_positions *where, struct errors *errors);

/* A text with ranges (range.h), which range_count() has accepted. */
struct grammar_range {
	unsigned int index; /* which of the rules */
	bool fixed;	    /* all words stand at `at`: the text was put together */
};

/* The same for one rule of a range. */
int grammar_parse_member(const char *text, size_t length, const struct position *at,
			 const struct grammar_range *range, struct rule *rule,
			 struct rule_positions *where, struct errors *errors);

/* Print the grammar with every option, for people: lines that begin with the indent and have at
 * most 80 columns. */
void grammar_print(FILE *stream, const char *indent);

#endif
