/* SPDX-License-Identifier: BSD-2-Clause */
/* `groups:` of the file, and `group:` of its rules. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/array.h"
#include "rules/groups.h"
#include "rules/load.h"
#include "rules/schema.h"

/* The number of a group that is named here for the first time, or again; 0: there is none, with an
 * error. */
static unsigned int number_of(struct load *load, const char *name, const struct position *at)
{
	struct config *config = &load->draft.config;
	const struct rule_group *group = rule_group_find(config, name);
	struct rule_group *groups;
	struct group_place *places;

	if (group)
		return (unsigned int)(group - config->groups) + 1;
	if (config->nr_groups == RULE_GROUPS_MAX) {
		errors_add(load->errors, at, name, strlen(name),
			   "too many groups, expected at most %d", RULE_GROUPS_MAX);
		return 0;
	}
	groups = array_grow(config->groups, config->nr_groups, sizeof(*groups));
	if (groups)
		config->groups = groups;
	places = groups ? array_grow(load->groups, config->nr_groups, sizeof(*places)) : NULL;
	if (!places) {
		yaml_fail(load->reader, -ENOMEM);
		return 0;
	}
	load->groups = places;
	groups[config->nr_groups] = (struct rule_group){};
	memcpy(groups[config->nr_groups].name, name, strlen(name));
	places[config->nr_groups] = (struct group_place){.at = *at};
	return ++config->nr_groups;
}

/* The name of a group is like that of a rule. */
static bool parse_name(struct load *load, const struct word *word, struct rule *into)
{
	return field_parse(&rule_fields[RULE_NAME], word, into, load->errors);
}

unsigned int load_group_of_rule(struct load *load, const struct word *word)
{
	struct rule named = {};

	return parse_name(load, word, &named) ? number_of(load, named.name, &word->at) : 0;
}

/* The mapping of one group. */
static void read_group(struct load *load, const struct yaml_value *mapping, struct rule *into)
{
	const struct field *field = &rule_fields[RULE_LEASE];
	struct yaml_value key, value;
	char expected[FIELD_TEXT_SIZE];
	bool seen = false;

	if (!load_expect_kind(load, mapping, MAPPING, "a mapping with lease"))
		return;
	while (load_next_key(load, &key)) {
		if (!word_is(&key.word, field->name)) {
			load_unknown_key(load, &key.word, field->name, NULL);
			continue;
		}
		if (seen)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		seen = true;
		value = yaml_read(load->reader);
		if (load_expect_kind(load, &value, SCALAR, field_expected(field, expected)))
			field_parse(field, &value.word, into, load->errors);
	}
	if (!seen && !yaml_error(load->reader))
		word_error(load->errors, &mapping->word, "no `lease:` here, expected %s",
			   field->expected);
}

void load_groups(struct load *load, const struct yaml_value *mapping)
{
	struct config *config = &load->draft.config;
	struct yaml_value key, value;

	if (yaml_is_null(mapping) ||
	    !load_expect_kind(load, mapping, MAPPING, "a mapping of group names"))
		return;
	while (load_next_key(load, &key)) {
		char line[LINE_TEXT_SIZE];
		struct position at = key.word.at;
		struct rule read = {};
		unsigned int number = 0;

		if (parse_name(load, &key.word, &read))
			number = number_of(load, read.name, &at);
		if (number && load->groups[number - 1].defined)
			word_error(load->errors, &key.word, "duplicate group: it is defined%s",
				   position_line(&load->groups[number - 1].at, &at, line));
		value = yaml_read(load->reader);
		read_group(load, &value, &read);
		if (!number)
			continue;
		memcpy(config->groups[number - 1].lease, read.lease, sizeof(read.lease));
		config->groups[number - 1].lease_shards = read.lease_shards;
		config->groups[number - 1].file = (uint16_t)load->source;
		load->groups[number - 1] = (struct group_place){.at = at, .defined = true};
	}
}

void load_end_groups(struct load *load)
{
	struct config *config = &load->draft.config;

	for (unsigned int i = 0; i < config->nr_groups; i++) {
		const char *name = config->groups[i].name;

		if (!load->groups[i].defined)
			errors_add(load->errors, &load->groups[i].at, name, strlen(name),
				   "no such group, expected one that `groups:` defines");
	}
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		struct rule *rule = &config->rules[i];
		const struct rule_group *group =
			rule->group_number ? &config->groups[rule->group_number - 1] : NULL;

		if (!group)
			continue;
		memcpy(rule->lease, group->lease, sizeof(rule->lease));
		rule->lease_shards = group->lease_shards;
	}
	free(load->groups);
	load->groups = NULL;
}
