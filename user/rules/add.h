/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules given as text (`--rule`, `xmcastctl rule add`), added to a configuration that is valid.
 * No I/O; main thread.
 */
#ifndef XMCAST_RULES_ADD_H
#define XMCAST_RULES_ADD_H

#include "base/errors.h"
#include "rules/config.h"

/*
 * Add `count` rules, each in the one-line grammar: all of them or, if any is refused, none. Errors
 * stand at file `label` (for instance "--rule"; it must outlive the list) and at a line that counts
 * the texts from 1. One call with many is near-linear; many calls with one are not.
 *
 * Returns 0, -EINVAL (errors appended) or -ENOMEM; then the config is as if never called.
 */
int config_add_rules(struct config *config, const char *const *texts, size_t count,
		     const char *label, struct errors *errors);

/* The same for one rule, at line 1. */
int config_add_rule_text(struct config *config, const char *text, const char *label,
			 struct errors *errors);

#endif
