/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"
#include "base/text.h"
#include "rules/array.h"
#include "rules/settings.h"

/* --- rules --- */

/* Compare each rule of `after` with the rule of `before` that has its name, and mark in `found` the
 * rules of `before` that have one. */
static int compare_rules(const struct config *before, const struct config *after,
			 struct config_diff *diff, bool *found)
{
	struct lookup names;
	int error = lookup_init(&names, before->nr_rules, before->rules, sizeof(*before->rules), 0);

	if (error)
		return error;
	for (unsigned int i = 0; i < before->nr_rules; i++)
		lookup_add(&names, i);
	for (unsigned int i = 0; i < after->nr_rules; i++) {
		const struct rule *rule = &after->rules[i];
		uint32_t index = lookup_find(&names, rule->name);

		if (index == LOOKUP_NONE) {
			diff->added[diff->nr_added++] = i;
			continue;
		}
		found[index] = true;
		if (!rule_equal(&before->rules[index], rule))
			diff->changed[diff->nr_changed++] = (struct rule_change){index, i};
	}
	lookup_free(&names);
	return 0;
}

static int diff_rules(const struct config *before, const struct config *after,
		      struct config_diff *diff)
{
	bool *found = calloc(before->nr_rules + 1UL, sizeof(*found));
	int error = -ENOMEM;

	diff->added = calloc(after->nr_rules + 1UL, sizeof(*diff->added));
	diff->removed = calloc(before->nr_rules + 1UL, sizeof(*diff->removed));
	diff->changed = calloc(after->nr_rules + 1UL, sizeof(*diff->changed));
	if (found && diff->added && diff->removed && diff->changed)
		error = compare_rules(before, after, diff, found);
	for (unsigned int i = 0; i < before->nr_rules && !error; i++) {
		if (!found[i])
			diff->removed[diff->nr_removed++] = i;
	}
	free(found);
	return error;
}

/* --- settings --- */

/* Append a change if the values differ. `iface`: the interface whose setting it is, or NULL. */
static int diff_setting(const struct field *setting, const char *iface, const void *before,
			const void *after, struct config_diff *diff)
{
	char old[FIELD_TEXT_SIZE], new[FIELD_TEXT_SIZE];
	struct setting_change *changes, *change;

	setting_format(setting, before, old);
	setting_format(setting, after, new);
	if (strcmp(old, new) == 0)
		return 0;
	changes = array_grow(diff->settings, diff->nr_settings, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	diff->settings = changes;
	change = &changes[diff->nr_settings++];
	*change = (struct setting_change){
		.name = iface ? text_format(SETTING_IFACES ".%s.%s", iface,
					    setting_key(setting, SETTING_IFACES))
			      : strdup(setting->name),
		.before = strdup(old),
		.after = strdup(new),
		.live = setting->live,
	};
	return change->name && change->before && change->after ? 0 : -ENOMEM;
}

static int diff_settings(const char *iface, const void *before, const void *after,
			 struct config_diff *diff)
{
	int error = 0;

	for (const struct field *setting = setting_list; setting->name && !error; setting++) {
		if (setting_of_iface(setting) == !!iface)
			error = diff_setting(setting, iface, before, after, diff);
	}
	return error;
}

/* --- interfaces --- */

static int index_ifaces(struct lookup *names, const struct config *config)
{
	int error =
		lookup_init(names, config->nr_ifaces, config->ifaces, sizeof(*config->ifaces), 0);

	for (unsigned int i = 0; i < config->nr_ifaces && !error; i++)
		lookup_add(names, i);
	return error;
}

static int diff_ifaces(const struct config *before, const struct config *after,
		       struct config_diff *diff)
{
	struct iface_config none = {.queues = 0};
	struct lookup before_names = {0}, after_names = {0};
	int error = index_ifaces(&before_names, before);

	setting_defaults(&none, true);
	if (!error)
		error = index_ifaces(&after_names, after);
	for (unsigned int i = 0; i < before->nr_ifaces && !error; i++) {
		const struct iface_config *iface = &before->ifaces[i];
		uint32_t other = lookup_find(&after_names, iface->name);

		error = diff_settings(iface->name, iface,
				      other == LOOKUP_NONE ? &none : &after->ifaces[other], diff);
	}
	for (unsigned int i = 0; i < after->nr_ifaces && !error; i++) {
		const struct iface_config *iface = &after->ifaces[i];

		if (lookup_find(&before_names, iface->name) == LOOKUP_NONE)
			error = diff_settings(iface->name, &none, iface, diff);
	}
	lookup_free(&before_names);
	lookup_free(&after_names);
	return error;
}

int config_diff(const struct config *before, const struct config *after, struct config_diff *diff)
{
	int error;

	memset(diff, 0, sizeof(*diff));
	error = diff_rules(before, after, diff);
	if (!error)
		error = diff_settings(NULL, before, after, diff);
	if (!error)
		error = diff_ifaces(before, after, diff);
	if (error)
		config_diff_free(diff);
	return error;
}

void config_diff_free(struct config_diff *diff)
{
	for (unsigned int i = 0; i < diff->nr_settings; i++) {
		free(diff->settings[i].name);
		free(diff->settings[i].before);
		free(diff->settings[i].after);
	}
	free(diff->settings);
	free(diff->added);
	free(diff->removed);
	free(diff->changed);
	memset(diff, 0, sizeof(*diff));
}
