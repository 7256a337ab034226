/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rules/array.h"
#include "rules/lookup.h"
#include "rules/values.h"

/* --- rules --- */

static bool rule_has_name(const void *array, uint32_t index, const void *key)
{
	const struct rule *rules = array;

	return strcmp(rules[index].name, key) == 0;
}

/* Enter `before`s rules by name, compare each of `after` with its namesake, and note in `found`
 * which have one. */
static int compare_rules(const struct config *before, const struct config *after,
			 struct config_diff *diff, bool *found)
{
	struct lookup names;
	int error = lookup_init(&names, before->nr_rules, before->rules, rule_has_name);

	if (error)
		return error;
	for (unsigned int i = 0; i < before->nr_rules; i++) {
		const char *name = before->rules[i].name;

		lookup_add(&names, lookup_hash_text(name), name, i);
	}
	for (unsigned int i = 0; i < after->nr_rules; i++) {
		const struct rule *rule = &after->rules[i];
		uint32_t index = lookup_find(&names, lookup_hash_text(rule->name), rule->name);

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

/* Append a change if there is one. Takes over the strings, of which any may be NULL: no memory. */
static int add_setting(struct config_diff *diff, char *name, char *before, char *after, bool live)
{
	struct setting_change *settings;
	int error = -ENOMEM;

	if (!name || !before || !after)
		goto out;
	error = 0;
	if (strcmp(before, after) == 0)
		goto out;
	error = -ENOMEM;
	settings = array_grow(diff->settings, diff->nr_settings, sizeof(*settings));
	if (!settings)
		goto out;
	diff->settings = settings;
	settings[diff->nr_settings++] = (struct setting_change){name, before, after, live};
	return 0;
out:
	free(name);
	free(before);
	free(after);
	return error;
}

static int diff_settings(const struct config *before, const struct config *after,
			 struct config_diff *diff)
{
	int error = 0;

	for (size_t i = 0; i < NR_SETTINGS && !error; i++) {
		const struct setting *setting = &setting_list[i];

		error = add_setting(diff, strdup(setting->name), setting_format(setting, before),
				    setting_format(setting, after), setting->live);
	}
	return error;
}

/* --- interfaces --- */

static bool iface_has_name(const void *array, uint32_t index, const void *key)
{
	const struct iface_config *ifaces = array;

	return strcmp(ifaces[index].name, key) == 0;
}

static int index_ifaces(struct lookup *names, const struct config *config)
{
	int error = lookup_init(names, config->nr_ifaces, config->ifaces, iface_has_name);

	for (unsigned int i = 0; i < config->nr_ifaces && !error; i++) {
		const char *name = config->ifaces[i].name;

		lookup_add(names, lookup_hash_text(name), name, i);
	}
	return error;
}

/* The interface's section, or NULL. */
static const struct iface_config *find_iface(const struct lookup *names, const char *name)
{
	uint32_t index = lookup_find(names, lookup_hash_text(name), name);

	return index == LOOKUP_NONE ? NULL : (const struct iface_config *)names->array + index;
}

static int diff_iface(const char *iface, const struct iface_config *before,
		      const struct iface_config *after, struct config_diff *diff)
{
	int error = 0;

	for (size_t i = 0; i < NR_IFACE_SETTINGS && !error; i++) {
		const struct iface_setting *setting = &iface_setting_list[i];
		char *name = text_format("interfaces.%s.%s", iface, setting->name);

		if (!name)
			return -ENOMEM;
		error = add_setting(diff, name, iface_setting_format(setting, before),
				    iface_setting_format(setting, after), false);
	}
	return error;
}

static int diff_ifaces(const struct config *before, const struct config *after,
		       struct config_diff *diff)
{
	const struct iface_config *none = &iface_config_default, *other;
	struct lookup before_names = {0}, after_names = {0};
	int error = index_ifaces(&before_names, before);

	if (!error)
		error = index_ifaces(&after_names, after);
	for (unsigned int i = 0; i < before->nr_ifaces && !error; i++) {
		const struct iface_config *iface = &before->ifaces[i];

		other = find_iface(&after_names, iface->name);
		error = diff_iface(iface->name, iface, other ? other : none, diff);
	}
	for (unsigned int i = 0; i < after->nr_ifaces && !error; i++) {
		const struct iface_config *iface = &after->ifaces[i];

		if (!find_iface(&before_names, iface->name))
			error = diff_iface(iface->name, none, iface, diff);
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
		error = diff_settings(before, after, diff);
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
