/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	free(config->rules);
	free(config->ifaces);
	config_init(config);
}

int config_copy_settings(struct config *copy, const struct config *config)
{
	*copy = *config;
	copy->nr_rules = 0;
	copy->rules = NULL;
	copy->ifaces = NULL;
	if (config->nr_ifaces == 0)
		return 0;
	copy->ifaces = calloc(config->nr_ifaces, sizeof(*copy->ifaces));
	if (!copy->ifaces) {
		config_init(copy);
		return -ENOMEM;
	}
	memcpy(copy->ifaces, config->ifaces, config->nr_ifaces * sizeof(*copy->ifaces));
	return 0;
}

static int copy_rules(struct config *copy, const struct config *config)
{
	copy->rules = calloc(config->nr_rules ? config->nr_rules : 1, sizeof(*copy->rules));
	if (!copy->rules)
		return -ENOMEM;
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
	int err = config_copy_settings(copy, config);

	if (!err)
		err = copy_rules(copy, config);
	if (err)
		config_free(copy);
	return err;
}

/* Whether all settings of two configs, or of two interfaces, have the same values. */
static bool settings_equal(const void *a, const void *b, bool of_iface)
{
	char first[SETTING_TEXT_SIZE], second[SETTING_TEXT_SIZE];

	for (const struct setting *setting = setting_list; setting->name; setting++) {
		if (setting_of_iface(setting) == of_iface &&
		    strcmp(setting_format(setting, a, first), setting_format(setting, b, second)))
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

const struct iface_config *config_iface(const struct config *config, const char *name)
{
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		if (strcmp(config->ifaces[i].name, name) == 0)
			return &config->ifaces[i];
	}
	return NULL;
}
