/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two configurations. Pure; any thread. */
#ifndef XMCAST_RULES_DIFF_H
#define XMCAST_RULES_DIFF_H

#include <stdbool.h>

#include "rules/config.h"

/* A rule that both have, by name, and that differs: its index in each. */
struct rule_change {
	unsigned int before;
	unsigned int after;
};

struct setting_change {
	char *name;   /* "egress.gso", "interfaces.eth0.mode" */
	char *before; /* the value as in a file, without quotes; empty: not set */
	char *after;
	bool live; /* a reload applies it; otherwise it needs a restart */
};

struct config_diff {
	unsigned int nr_added;
	unsigned int *added; /* indexes of rules in `after`, rising */
	unsigned int nr_removed;
	unsigned int *removed; /* indexes of rules in `before`, rising */
	unsigned int nr_changed;
	struct rule_change *changed; /* rising in `after` */
	unsigned int nr_settings;
	struct setting_change *settings; /* in the order of the table, then the interfaces' */
};

/*
 * Compare two valid configurations. The order of rules does not matter; a missing section of
 * `interfaces` equals one with the defaults. Near-linear. The caller calls config_diff_free().
 *
 * Returns 0, or -ENOMEM; then *diff is empty.
 */
int config_diff(const struct config *before, const struct config *after, struct config_diff *diff);

/* Release what it owns and leave it all zero. */
void config_diff_free(struct config_diff *diff);

#endif
