/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sections of a configuration other than its rules, one function each, in the form that a
 * struct field takes (walk.h): they fill walk->draft.config. Internal to this module.
 */
#ifndef XMCAST_RULES_SETTINGS_H
#define XMCAST_RULES_SETTINGS_H

#include "rules/walk.h"

int settings_interfaces(struct walk *walk, tree_node value, void *object);
int settings_egress(struct walk *walk, tree_node value, void *object);
int settings_workers(struct walk *walk, tree_node value, void *object);
int settings_statistics(struct walk *walk, tree_node value, void *object);
int settings_control(struct walk *walk, tree_node value, void *object);
int settings_logging(struct walk *walk, tree_node value, void *object);
int settings_events(struct walk *walk, tree_node value, void *object);
int settings_metrics(struct walk *walk, tree_node value, void *object);
int settings_security(struct walk *walk, tree_node value, void *object);

#endif
