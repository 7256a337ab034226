/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/groups.h"

#include <string.h>

const struct rule_group *rule_group_find(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->nr_groups; i++) {
		if (strcmp(config->groups[i].name, name) == 0)
			return &config->groups[i];
	}
	return NULL;
}

bool rule_group_fits(const struct config *config, unsigned int number, const struct rule *rule)
{
	const struct rule_group *group = number ? &config->groups[number - 1] : NULL;

	return group && rule->lease_shards == group->lease_shards &&
	       strcmp(rule->lease, group->lease) == 0;
}
