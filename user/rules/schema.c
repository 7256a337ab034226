/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/schema.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "rules/load.h"
#include "rules/settings.h"
#include "rules/validate.h"
#include "rules/yaml_problem.h"

/* ---- values and keys ---- */

bool load_expect_kind(struct load *load, const struct yaml_value *value, unsigned int kinds,
		      const char *expected)
{
	if (kinds & 1u << value->kind)
		return true;
	if (value->kind != YAML_REFUSED && value->kind != YAML_END)
		word_error(load->errors, &value->word, "%s, expected %s",
			   yaml_is_null(value) ? "no value" : "wrong type", expected);
	yaml_skip(load->reader, value);
	return false;
}

/* The value of the last key is not wanted. */
static void skip_value(struct load *load)
{
	struct yaml_value value = yaml_read(load->reader);

	yaml_skip(load->reader, &value);
}

bool load_next_key(struct load *load, struct yaml_value *key)
{
	while ((*key = yaml_read(load->reader)).kind != YAML_END) {
		if (key->plain && word_is(&key->word, "<<"))
			word_error(load->errors, &key->word,
				   "merge keys are not supported, expected a name");
		else if (load_expect_kind(load, key, SCALAR, "a key"))
			return true;
		skip_value(load);
	}
	return false;
}

void load_list_name(char names[FIELD_TEXT_SIZE], const char *name, size_t length)
{
	size_t used = strlen(names);

	snprintf(names + used, FIELD_TEXT_SIZE - used, "%s%.*s", used ? ", " : "", (int)length,
		 name);
}

void load_unknown_key(struct load *load, const struct word *key, const char *names,
		      const char *elsewhere)
{
	unsigned int glued = yaml_glued_key(key->text, key->text + key->length);
	struct near near = {.word = key->text, .length = key->length};
	char question[NEAR_TEXT_SIZE];
	size_t length;

	for (const char *name = names; *name; name += length + (name[length] ? 2 : 0)) {
		length = strcspn(name, ",");
		near_offer(&near, name, length);
	}
	if (glued)
		word_error(load->errors, key, GLUED, (int)glued, key->text);
	else if (elsewhere)
		word_error(load->errors, key, "%s", elsewhere);
	else if (near.name)
		word_error(load->errors, key, "unknown key%s", near_question(&near, question));
	else
		word_error(load->errors, key, "unknown key, expected one of %s", names);
	skip_value(load);
}

/* ---- settings ---- */

/* Whether the key names a section within `section` that the setting is of: "levels" in "logging",
 * of "logging.levels.daemon". */
static bool is_subsection(const struct field *setting, const char *section, const struct word *key)
{
	const char *name = setting_key(setting, section);

	return name && strncmp(name, key->text, key->length) == 0 && name[key->length] == '.';
}

/* The setting with this key, or the first one of the section within `section` with this key. */
static const struct field *find_key(const char *section, const struct word *key)
{
	const struct field *setting = setting_list;

	for (; setting->name; setting++) {
		const char *name = setting_key(setting, section);

		if (name && ((word_is(key, name) && !strchr(name, '.')) ||
			     is_subsection(setting, section, key)))
			break;
	}
	return setting;
}

/* Append the keys of a section; those of a section within it as one. */
static void list_keys(const char *section, char names[FIELD_TEXT_SIZE])
{
	const char *last = "";

	for (const struct field *setting = setting_list; setting->name; setting++) {
		const char *key = setting_key(setting, section);
		size_t length = key ? strcspn(key, ".") : 0;

		if (!key || setting->type == FIELD_RETIRED ||
		    (key[length] && strncmp(key, last, length + 1) == 0))
			continue;
		load_list_name(names, key, length);
		last = key;
	}
}

static void read_setting(struct load *load, const struct field *setting,
			 const struct yaml_value *value, void *object, uint64_t seen)
{
	bool list = setting->type == FIELD_LIST && value->kind != YAML_SCALAR;
	char expected[FIELD_TEXT_SIZE];
	struct yaml_value item;

	field_expected(setting, expected);
	/* A scalar is a list of one. */
	if (!load_expect_kind(load, value, list ? LIST : SCALAR,
			      list ? "a list of numbers" : expected))
		return;
	if (!list)
		setting_parse(setting, &value->word, object, seen, load->errors);
	while (list && (item = yaml_read(load->reader)).kind != YAML_END) {
		if (load_expect_kind(load, &item, SCALAR, expected))
			setting_parse(setting, &item.word, object, seen, load->errors);
	}
}

static void read_section(struct load *load, const char *section, const struct yaml_value *mapping,
			 void *object, uint64_t *seen);

static void read_interfaces(struct load *load, const struct yaml_value *mapping)
{
	struct draft *draft = &load->draft;
	struct yaml_value key, value;

	if (yaml_is_null(mapping) ||
	    !load_expect_kind(load, mapping, MAPPING, "a mapping of interface names"))
		return;
	while (load_next_key(load, &key)) {
		struct iface_config iface = {.file = (uint16_t)load->source};
		struct position at = key.word.at;
		uint64_t seen = 0;
		bool valid = word_parse_iface(&key.word, iface.name, load->errors);

		setting_defaults(&iface, true);
		value = yaml_read(load->reader);
		read_section(load, SETTING_IFACES, &value, &iface, &seen);
		if (draft->config.nr_ifaces == XMC_MAX_RULES) {
			errors_add(load->errors, &at, iface.name, strlen(iface.name),
				   "too many interfaces, expected at most %d", XMC_MAX_RULES);
			yaml_fail(load->reader, -EINVAL);
		} else if (valid && draft_add_iface(draft, &iface, &at)) {
			/* Also after an error inside it, so that a duplicate is found. */
			yaml_fail(load->reader, -ENOMEM);
		}
	}
}

/* Read the mapping of a section, whose settings are fields of `object`. The file itself is the
 * section "". No value at all leaves the defaults. */
static void read_section(struct load *load, const char *section, const struct yaml_value *mapping,
			 void *object, uint64_t *seen)
{
	const struct security_config *security = &load->draft.config.security;
	char names[FIELD_TEXT_SIZE] = "", expected[FIELD_TEXT_SIZE + 16];
	/* With conf.d all rules may be there. */
	bool part = load->source, no_rules = !*section && load->count == 1;
	struct yaml_value key, value;
	uint64_t keys = 0;

	if (!*section) {
		load_list_name(names, "rules", SIZE_MAX);
		load_list_name(names, "groups", SIZE_MAX);
	}
	list_keys(section, names);
	snprintf(expected, sizeof(expected), "a mapping with %s", *section ? names : "`rules:`");
	if (yaml_is_null(mapping) || !load_expect_kind(load, mapping, MAPPING, expected))
		return;
	while (load_next_key(load, &key)) {
		const struct field *setting = find_key(section, &key.word);
		/* Each has its bit: a section within this one that of its first setting, `rules`
		 * that behind the last setting. */
		bool groups = !setting->name && !*section && word_is(&key.word, "groups");
		uint64_t bit = groups ? 1ULL << 63 : 1ULL << (setting - setting_list);
		char name[64];

		if (!setting->name && !groups && (*section || !word_is(&key.word, "rules"))) {
			load_unknown_key(load, &key.word, names, NULL);
			continue;
		}
		if (keys & bit)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		keys |= bit;
		if (part && !*section && setting->name && !setting_of_iface(setting)) {
			word_error(load->errors, &key.word,
				   "a setting, expected it in %s: a file of conf.d has `rules`, "
				   "`groups` and "
				   "`interfaces`",
				   load->sources[0].file);
			skip_value(load);
			continue;
		}
		if (setting->type == FIELD_RETIRED && !is_subsection(setting, section, &key.word)) {
			word_error(load->errors, &key.word, "not supported any more: %s",
				   setting->help);
			skip_value(load);
			continue;
		}
		snprintf(name, sizeof(name), "%s%s%.*s", section, *section ? "." : "",
			 (int)key.word.length, key.word.text);
		value = yaml_read(load->reader);
		if (groups) {
			load_groups(load, &value);
		} else if (!setting->name) {
			no_rules = false;
			load_rules(load, &value);
		} else if (strcmp(name, SETTING_IFACES) == 0) {
			read_interfaces(load, &value);
		} else if (strcmp(name, setting->name) != 0) {
			read_section(load, name, &value, object, seen);
		} else {
			*seen |= bit;
			read_setting(load, setting, &value, object, *seen);
		}
	}
	if (yaml_error(load->reader))
		return;
	if (no_rules)
		word_error(load->errors, &mapping->word,
			   "no `rules:` here, expected a list of rules");
	if (strcmp(section, "security") == 0 && *security->group && !*security->user)
		word_error(load->errors, &mapping->word,
			   "a group without a user, expected both or the user alone");
}

/* ---- the whole ---- */

static int load_document(struct load *load, const char *file)
{
	struct yaml_value root = yaml_read(load->reader);
	uint64_t seen = 0;

	if (!yaml_error(load->reader) && !load->source &&
	    (root.kind == YAML_END || yaml_is_null(&root)))
		errors_add(load->errors, &(struct position){file, 1, 1}, NULL, 0,
			   "an empty file, expected `rules:` with a list of rules");
	else if (root.kind != YAML_END)
		read_section(load, "", &root, &load->draft.config, &seen);
	/* Up to the end of the file: a second document is an error, too. */
	while (yaml_read(load->reader).kind != YAML_END)
		;
	return yaml_error(load->reader);
}

static int set_parts(struct config *config, const struct config_source *sources, unsigned int count)
{
	config->parts = calloc(count, sizeof(*config->parts));
	if (!config->parts)
		return -ENOMEM;
	for (; config->nr_parts < count; config->nr_parts++) {
		config->parts[config->nr_parts].path = strdup(sources[config->nr_parts].file);
		if (!config->parts[config->nr_parts].path)
			return -ENOMEM;
	}
	return 0;
}

/* Its rules and interfaces go to the draft. What cannot be read on is no obstacle for the others.
 */
static int load_source(struct load *load)
{
	const struct config_source *source = &load->sources[load->source];
	int err = yaml_reader_new(&load->reader, source->bytes, source->length, source->file,
				  load->errors);

	if (!err)
		err = load_document(load, source->file);
	yaml_reader_free(load->reader);
	load->reader = NULL;
	return err == -ENOMEM ? err : 0;
}

int config_parse_sources(const struct config_source *sources, unsigned int count,
			 struct config *config, struct errors *errors)
{
	unsigned int before = errors->count;
	struct load load = {.errors = errors, .sources = sources, .count = count};
	struct config *draft = &load.draft.config;
	int err = 0;

	draft_init(&load.draft);
	for (; load.source < count && !err; load.source++)
		err = load_source(&load);
	load_end_groups(&load);
	/* The defaults may stand behind the rules. */
	for (unsigned int i = 0; i < draft->nr_rules; i++)
		rule_complete(&draft->rules[i], &load.draft.rules_at[i], &draft->defaults);
	if (!err && count > 1)
		err = set_parts(draft, &sources[1], count - 1);
	if (!err)
		err = config_validate(&load.draft, errors);
	if (!err && errors->count != before)
		err = -EINVAL;
	if (err) {
		draft_free(&load.draft);
		return err;
	}
	config_free(config);
	draft_finish(&load.draft, config);
	return 0;
}

int config_parse_yaml(const char *bytes, size_t length, const char *file, struct config *config,
		      struct errors *errors)
{
	const struct config_source source = {file, bytes, length};

	return config_parse_sources(&source, 1, config, errors);
}
