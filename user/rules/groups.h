/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Groups of rules in the file: what is said of a group holds for the rules that name it.
 *
 *     groups: { tv: { lease: tv/16 } }
 *     rules: [{ group: tv, in: 239.1.1.1:5000@eth0, out: 239.2.2.2:6000@eth1 }]
 *
 * A group may stand behind its rules, and in another file of conf.d. Rules in one line of the
 * grammar name their lease. Main thread.
 */
#ifndef XMCAST_RULES_GROUPS_H
#define XMCAST_RULES_GROUPS_H

#include <stdbool.h>
#include <stdio.h>

#include "rules/model.h"

/* The group of this name, or NULL. */
const struct rule_group *rule_group_find(const struct config *config, const char *name);

/* Is the rule as the group with this number (0: none) says? */
bool rule_group_fits(const struct config *config, unsigned int number, const struct rule *rule);

#endif
