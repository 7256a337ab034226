/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a configuration's rules, as an admin asks for them while the daemon runs: a list of
 * operations, all of them or none. Pure; any thread.
 */
#ifndef XMCAST_RULES_CHANGE_H
#define XMCAST_RULES_CHANGE_H

#include "base/errors.h"
#include "rules/config.h"

/* More than the longest request holds: bounds what one change can make us allocate. */
#define RULE_OPERATIONS_MAX (1u << 20)

enum rule_verb {
	RULE_ADD,     /* a name and an input that no rule has; comes behind all others */
	RULE_REPLACE, /* the rule of this name is what the text says, in the same place */
	RULE_DELETE,
	RULE_ENABLE, /* also if it is */
	RULE_DISABLE,
};

struct rule_operation {
	enum rule_verb verb;
	const char *text; /* ADD, REPLACE: a rule, in the grammar; else a rule's name */
};

/*
 * Make *result what `running` (valid) is after the operations, in their order; rules and settings
 * are copied, nothing is shared.
 *
 * A name means the rule that has it at that point of the list: what an earlier operation deleted is
 * not there, what one added is. Every rule of the list must be valid by itself, also if a later
 * operation takes it away; that no two have the same input must hold in the end only, so that rules
 * can swap theirs. Errors, of every operation that is wrong, stand in file `label` (it must outlive
 * them), the line counts the operations from 1, the column is within the text.
 *
 * Near-linear in rules and operations. Returns 0, -EINVAL (errors appended) or -ENOMEM; then
 * *result is empty.
 */
int config_change(const struct config *running, const struct rule_operation *operations,
		  size_t count, const char *label, struct config *result, struct errors *errors);

#endif
