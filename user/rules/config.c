/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"
#include "base/near.h"
#include "rules/groups.h"
#include "rules/settings.h"

void config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	setting_defaults(config, false);
}

void config_free(struct config *config)
{
	for (unsigned int i = 0; i < config->nr_rules; i++)
		rule_free(&config->rules[i]);
	for (unsigned int i = 0; i < config->nr_parts; i++)
		free(config->parts[i].path);
	free(config->rules);
	free(config->groups);
	free(config->ifaces);
	free(config->parts);
	config_init(config);
}

static int copy_parts(struct config *copy, const struct config *config)
{
	copy->parts = calloc(config->nr_parts + 1UL, sizeof(*copy->parts));
	if (!copy->parts)
		return -ENOMEM;
	for (; copy->nr_parts < config->nr_parts; copy->nr_parts++) {
		copy->parts[copy->nr_parts] = config->parts[copy->nr_parts];
		copy->parts[copy->nr_parts].path = strdup(config->parts[copy->nr_parts].path);
		if (!copy->parts[copy->nr_parts].path)
			return -ENOMEM;
	}
	return 0;
}

/* *copy has the plain settings already. */
static int copy_arrays(struct config *copy, const struct config *config)
{
	copy->ifaces = calloc(config->nr_ifaces + 1UL, sizeof(*copy->ifaces));
	copy->rules = calloc(config->nr_rules + 1UL, sizeof(*copy->rules));
	copy->groups = calloc(config->nr_groups + 1UL, sizeof(*copy->groups));
	if (!copy->ifaces || !copy->rules || !copy->groups || copy_parts(copy, config))
		return -ENOMEM;
	copy->nr_groups = config->nr_groups;
	for (unsigned int i = 0; i < config->nr_groups; i++)
		copy->groups[i] = config->groups[i];
	copy->nr_ifaces = config->nr_ifaces;
	for (unsigned int i = 0; i < config->nr_ifaces; i++)
		copy->ifaces[i] = config->ifaces[i];
	while (copy->nr_rules < config->nr_rules) {
		int err = rule_copy(&copy->rules[copy->nr_rules], &config->rules[copy->nr_rules]);

		if (err)
			return err;
		copy->nr_rules++;
	}
	return 0;
}

int config_copy(struct config *copy, const struct config *config)
{
	int err;

	*copy = *config;
	copy->nr_rules = copy->nr_groups = copy->nr_ifaces = copy->nr_parts = 0;
	copy->rules = NULL;
	copy->groups = NULL;
	copy->ifaces = NULL;
	copy->parts = NULL;
	err = copy_arrays(copy, config);
	if (err)
		config_free(copy);
	return err;
}

int config_keep_files(struct config *next, const struct config *running)
{
	struct lookup names;
	int err;

	if (!running->nr_parts)
		return 0;
	err = lookup_init(&names, running->nr_rules, running->rules, sizeof(*running->rules), 0);
	if (err)
		return err;
	for (unsigned int i = 0; i < running->nr_rules; i++)
		lookup_add(&names, i);
	for (unsigned int i = 0; i < next->nr_rules; i++) {
		uint32_t index = lookup_find(&names, next->rules[i].name);

		next->rules[i].file = index == LOOKUP_NONE ? 0 : running->rules[index].file;
	}
	lookup_free(&names);
	for (unsigned int i = 0; i < next->nr_ifaces; i++) {
		const struct iface_config *iface = config_iface(running, next->ifaces[i].name);

		next->ifaces[i].file = iface ? iface->file : 0;
	}
	for (unsigned int i = 0; i < next->nr_groups; i++) {
		const struct rule_group *group = rule_group_find(running, next->groups[i].name);

		next->groups[i].file = group ? group->file : 0;
	}
	err = copy_parts(next, running);
	for (unsigned int i = 0; i < next->nr_parts; i++)
		next->parts[i].changed = true;
	return err;
}

/* Whether all settings of two configs, or of two interfaces, have the same values. */
static bool settings_equal(const void *a, const void *b, bool of_iface)
{
	char first[FIELD_TEXT_SIZE], second[FIELD_TEXT_SIZE];

	for (const struct field *setting = setting_list; setting->name; setting++) {
		if (setting_of_iface(setting) == of_iface &&
		    strcmp(setting_format(setting, a, first), setting_format(setting, b, second)) !=
			    0)
			return false;
	}
	return true;
}

bool config_equal(const struct config *a, const struct config *b)
{
	bool equal = a->nr_rules == b->nr_rules && a->nr_ifaces == b->nr_ifaces &&
		     settings_equal(a, b, false);

	for (unsigned int i = 0; equal && i < a->nr_rules; i++)
		equal = rule_equal(&a->rules[i], &b->rules[i]);
	for (unsigned int i = 0; equal && i < a->nr_ifaces; i++)
		equal = strcmp(a->ifaces[i].name, b->ifaces[i].name) == 0 &&
			settings_equal(&a->ifaces[i], &b->ifaces[i], true);
	return equal;
}

enum rule_path rule_path(const struct config *config, const struct rule *rule)
{
	return rule->path == RULE_PATH_DEFAULT ? config->relay.path : (enum rule_path)rule->path;
}

const char *no_rule_text(const struct config *config, const char *name,
			 char text[NO_RULE_TEXT_SIZE])
{
	struct near near = {.word = name, .length = strlen(name)};
	char question[NEAR_TEXT_SIZE];

	for (unsigned int i = 0; i < config->nr_rules; i++)
		near_offer(&near, config->rules[i].name, strlen(config->rules[i].name));
	snprintf(text, NO_RULE_TEXT_SIZE, NO_RULE "%s", near_question(&near, question));
	return text;
}

const struct iface_config *config_iface(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		if (strcmp(config->ifaces[i].name, name) == 0)
			return &config->ifaces[i];
	}
	return NULL;
}
