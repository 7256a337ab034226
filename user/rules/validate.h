/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a word of a rule alone cannot tell: duplicates, loops and limits. Every rule goes through
 * this, whether it came as a line or from a file. Near-linear in the number of rules. Any thread;
 * pure, except for what aliases.h resolves.
 */
#ifndef XMCAST_RULES_VALIDATE_H
#define XMCAST_RULES_VALIDATE_H

#include "rules/draft.h"

/* Check one rule by itself: families, loops, its outputs, and whether the path that it has under
 * these settings can carry it. Every error is appended. */
void rule_validate(const struct config *config, const struct rule *rule,
		   const struct rule_positions *where, struct errors *errors);

/*
 * Check the rules of the draft that have positions, against each other and against those accepted
 * earlier, and its interfaces. All names of an interface are the same (aliases.h). Every error is
 * appended, in the order of the lines. Returns 0, -EINVAL (errors appended) or -ENOMEM.
 */
int config_validate(const struct draft *draft, struct errors *errors);

#endif
