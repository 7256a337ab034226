/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations as values: made, copied, compared, released. A struct config owns all that it
 * points to. Not thread-safe; built and read by the main thread.
 */
#ifndef XMCAST_RULES_CONFIG_H
#define XMCAST_RULES_CONFIG_H

#include "rules/model.h"

/* An empty configuration with every default set. */
void config_init(struct config *config);

/* Copy all of it, rules included. 0, or -ENOMEM (then *copy is empty). */
int config_copy(struct config *copy, const struct config *config);

/* Rules and interfaces of *next are in the same files of conf.d as those of the same name in
 * `running`, all of which have to be saved then. *next was read from one text. 0 or -ENOMEM. */
int config_keep_files(struct config *next, const struct config *running);

/* Whether both say the same: rules in the same order, sections of interfaces, every setting. */
bool config_equal(const struct config *a, const struct config *b);

/* Release what it owns and leave it empty. */
void config_free(struct config *config);

/* The path that the rule asks for, by itself or by `relay.path`: never RULE_PATH_DEFAULT. */
enum rule_path rule_path(const struct config *config, const struct rule *rule);

/* What is said of a name that no rule has, with the name that may be meant. Looks at all rules.
 * Returns `text`. */
#define NO_RULE		  "no rule of this name"
#define NO_RULE_TEXT_SIZE 128
const char *no_rule_text(const struct config *config, const char *name,
			 char text[NO_RULE_TEXT_SIZE]);

/* The interface's section of the file, or NULL if it has none (then the defaults hold). */
const struct iface_config *config_iface(const struct config *config, const char *name);

#endif
