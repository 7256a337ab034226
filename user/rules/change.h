/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a configuration's rules: a list of operations, all of them or none. Rules of a
 * command line are added in the same way. Pure; any thread.
 */
#ifndef XMCAST_RULES_CHANGE_H
#define XMCAST_RULES_CHANGE_H

#include "base/errors.h"
#include "rules/config.h"

/* More than the longest request holds: bounds what one change can allocate. */
#define RULE_OPERATIONS_MAX (1u << 20)

enum rule_verb {
	RULE_ADD,     /* a rule with a new name and a new input, after all others */
	RULE_REPLACE, /* replace the rule that has this name, in the same place */
	RULE_DELETE,
	RULE_ENABLE, /* no error if it is enabled already; likewise below */
	RULE_DISABLE,
};

struct rule_operation {
	enum rule_verb verb;
	const char *text; /* ADD, REPLACE: a rule, in the grammar; otherwise a rule's name */
};

/*
 * Make *result what `running` (valid) is after the operations, in their order; rules and settings
 * are copied, nothing is shared.
 *
 * A name means the rule that has it at that point of the list: one that an earlier operation
 * deleted is gone, one that it added is there. Every rule of the list must be valid by itself, even
 * if a later operation removes it; that no two have the same input must hold in the end only, so
 * that rules can swap theirs. Errors, of every operation that is wrong, stand in file `label` (it
 * must outlive them), the line counts the operations from 1, the column is within the text.
 *
 * Near-linear in rules and operations. Returns 0, -EINVAL (errors appended) or -ENOMEM; then
 * *result is empty.
 */
int config_change(const struct config *running, const struct rule_operation *operations,
		  size_t count, const char *label, struct config *result, struct errors *errors);

/*
 * Add `count` rules, each in the one-line grammar: all of them or, if any is refused, none. Errors
 * as of config_change().
 *
 * Returns 0, -EINVAL (errors appended) or -ENOMEM; then the config is as if never called.
 */
int config_add_rules(struct config *config, const char *const *texts, size_t count,
		     const char *label, struct errors *errors);

#endif
