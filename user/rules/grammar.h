/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one-line rule grammar:
 *
 *     [NAME] in GROUP:(PORT|any)@IFACE [source ADDR[/BITS]] [disabled] [may_loop]
 *         out DEST[:PORT][@IFACE] [ttl N] [dscp N|NAME] [gso on|off|N]
 *             [rate N(bit|kbit|mbit|gbit)] [pps N] [burst N(ms|s)] [out ...]
 *
 * Words are separated by spaces, tabs or line ends. What stands behind an `out` belongs to it.
 * Pure; any thread. What one rule alone cannot tell (duplicates, limits) is validate.h's.
 */
#ifndef XMCAST_RULES_GRAMMAR_H
#define XMCAST_RULES_GRAMMAR_H

#include "rules/rule.h"
#include "rules/words.h"

/* Where the words of a rule stand: kept while parsing, so that later checks can name the place. */
struct rule_positions {
	bool named;		  /* the user gave the name, it was not derived */
	struct position name;	  /* where the rule begins, if it was not named */
	struct position input;	  /* GROUP:PORT@IFACE */
	struct position source;	  /* if the rule has one */
	struct position *outputs; /* DEST[:PORT][@IFACE], one per output of the rule */
};

void rule_positions_free(struct rule_positions *where);

/* Append an output to a rule under construction. 0 or -ENOMEM. */
int rule_add_output(struct rule *rule, struct rule_positions *where,
		    const struct rule_output *output, const struct position *at);

/*
 * Parse one rule. `at` is the position of text[0]. Every error that can be told apart is appended.
 *
 * Returns 0, then the caller owns *rule (rule_free) and *where (rule_positions_free); `where` may
 * be NULL. Returns -EINVAL (errors appended) or -ENOMEM, then both are left all zero.
 */
int grammar_parse_rule(const char *text, size_t length, const struct position *at,
		       struct rule *rule, struct rule_positions *where, struct errors *errors);

#endif
