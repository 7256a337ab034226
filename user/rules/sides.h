/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and checking rules with several inputs (rule.h). In the grammar each input begins with
 * the label of its side:
 *
 *     cam1 in A:239.1.1.1:5000@eth0 source 10.9.9.9 in B:239.1.1.2:5000@eth1 select first
 *         out 239.2.2.2:6000@eth2
 *
 * Pure; any thread.
 */
#ifndef XMCAST_RULES_SIDES_H
#define XMCAST_RULES_SIDES_H

#include "rules/draft.h"
#include "rules/rule.h"

/* ---- parsing ---- */

/* Split "LABEL:GROUP…" into both parts. False: it begins with no label, because what follows the
 * first colon is no address. */
bool word_has_label(const struct word *word, struct word *label, struct word *input);

/*
 * Begin an input of the rule, the `first` or a further one. *input is the word without its label,
 * to be parsed into the rule next. 0; -EINVAL: an error about the label, or a missing one, was
 * appended; -ENOMEM.
 */
int rule_begin_side(struct rule *rule, struct rule_positions *where, bool first,
		    const struct word *word, struct word *input, struct errors *errors);

/* All inputs were parsed. */
void rule_end_sides(struct rule *rule);

/* ---- checking ---- */

/* Append an error for everything that is wrong about several inputs, or about options that need
 * them. */
void rule_check_sides(const struct rule *rule, const struct rule_positions *where,
		      struct errors *errors);

#endif
