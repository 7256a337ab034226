/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/schema.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "rules/draft.h"
#include "rules/grammar.h"
#include "rules/settings.h"
#include "rules/validate.h"
#include "rules/yaml_reader.h"

struct load {
	struct yaml_reader *reader;
	struct draft draft;
	struct errors *errors;
};

/* ---- values and keys ---- */

#define SCALAR	(1u << YAML_SCALAR)
#define LIST	(1u << YAML_LIST)
#define MAPPING (1u << YAML_MAPPING)

/* Whether the value is of one of these kinds. If not, it is reported, unless it has been, and
 * skipped. */
static bool expect_kind(struct load *load, const struct yaml_value *value, unsigned int kinds,
			const char *expected)
{
	/* YAML reads an IPv6 address without quotes as a list. */
	bool ipv6 = value->kind == YAML_LIST && !(kinds & LIST) &&
		    memchr(value->word.text, ':', value->word.length);

	if (kinds & 1u << value->kind)
		return true;
	if (value->kind != YAML_REFUSED && value->kind != YAML_END)
		word_error(load->errors, &value->word, "%s, expected %s%s",
			   yaml_is_null(value) ? "no value" : "wrong type", expected,
			   ipv6 ? ", in quotes because of the brackets" : "");
	yaml_skip(load->reader, value);
	return false;
}

/* The value of the last key is not wanted. */
static void skip_value(struct load *load)
{
	struct yaml_value value = yaml_read(load->reader);

	yaml_skip(load->reader, &value);
}

/* The next key of the open mapping, a word. False: the mapping has ended. */
static bool next_key(struct load *load, struct yaml_value *key)
{
	while ((*key = yaml_read(load->reader)).kind != YAML_END) {
		if (key->plain && word_is(&key->word, "<<"))
			word_error(load->errors, &key->word,
				   "merge keys are not supported, expected a name");
		else if (expect_kind(load, key, SCALAR, "a key"))
			return true;
		skip_value(load);
	}
	return false;
}

/* Append to "a, b, c". */
static void list_name(char names[FIELD_TEXT_SIZE], const char *name, size_t length)
{
	size_t used = strlen(names);

	snprintf(names + used, FIELD_TEXT_SIZE - used, "%s%.*s", used ? ", " : "", (int)length,
		 name);
}

static void unknown_key(struct load *load, const struct word *key, const char *names)
{
	word_error(load->errors, key, "unknown key, expected one of %s", names);
	skip_value(load);
}

/* ---- rules and outputs ---- */

/* A key of a rule or of an output that is no option. `read` reads the value to its end. */
struct key {
	const char *name; /* NULL ends a table */
	unsigned int kind;
	const char *expected;
	bool required;
	void (*read)(struct load *load, const struct yaml_value *value, void *object);
};

/* A rule that a mapping fills. */
struct rule_object {
	struct rule rule;
	struct rule_positions where;
};

/* An output that a mapping fills. */
struct output_object {
	struct rule_output output;
	struct position at;
};

static void read_option(struct load *load, const struct field *option, void *object,
			struct position *at)
{
	struct yaml_value value = yaml_read(load->reader);
	char expected[FIELD_TEXT_SIZE];

	if (!expect_kind(load, &value, SCALAR, field_expected(option, expected)))
		return;
	*at = value.word.at;
	if (field_parse(option, &value.word, object, load->errors) && option->key)
		field_set_number(option, object, !field_number(option, object));
}

/* Read a mapping with these keys and options. The options' places go to `at`, if it is not NULL. */
static void read_mapping(struct load *load, const struct yaml_value *mapping,
			 const struct key *keys, const struct field *options, void *object,
			 struct position *at)
{
	char names[FIELD_TEXT_SIZE] = "";
	struct yaml_value name, value;
	struct position unused;
	unsigned int seen = 0;
	size_t nr_keys = 0, i;

	for (; keys[nr_keys].name; nr_keys++)
		list_name(names, keys[nr_keys].name, SIZE_MAX);
	for (i = 0; options[i].name; i++)
		list_name(names, option_key(&options[i]), SIZE_MAX);
	while (next_key(load, &name)) {
		const struct field *option = options;
		const struct key *key = keys;

		while (key->name && !word_is(&name.word, key->name))
			key++;
		while (option->name && !word_is(&name.word, option_key(option)))
			option++;
		if (!key->name && !option->name) {
			unknown_key(load, &name.word, names);
			continue;
		}
		i = (size_t)(key->name ? key - keys : option - options + (long)nr_keys);
		if (seen & 1u << i)
			word_error(load->errors, &name.word, "duplicate key, expected it once");
		seen |= 1u << i;
		if (!key->name) {
			read_option(load, option, object, at ? &at[option - options] : &unused);
			continue;
		}
		value = yaml_read(load->reader);
		if (expect_kind(load, &value, key->kind, key->expected))
			key->read(load, &value, object);
	}
	for (i = 0; i < nr_keys && !yaml_error(load->reader); i++) {
		if (keys[i].required && !(seen & 1u << i))
			word_error(load->errors, &mapping->word, "no `%s:` here, expected %s",
				   keys[i].name, keys[i].expected);
	}
}

static void read_to(struct load *load, const struct yaml_value *value, void *object)
{
	struct output_object *output = object;

	output->at = value->word.at;
	rule_parse_output(&value->word, &output->output, load->errors);
}

static const struct key output_keys[] = {{"to", SCALAR, "DEST[:PORT][@IFACE]", true, read_to}, {0}};

static void read_out(struct load *load, const struct yaml_value *list, void *object)
{
	struct rule_object *rule = object;
	struct yaml_value item;
	unsigned int items = 0;

	for (; (item = yaml_read(load->reader)).kind != YAML_END; items++) {
		struct output_object output = {.output.port = 0};

		if (!expect_kind(load, &item, SCALAR | MAPPING,
				 "a mapping with `to`, or DEST[:PORT][@IFACE]"))
			continue;
		if (item.kind == YAML_SCALAR)
			read_to(load, &item, &output);
		else
			read_mapping(load, &item, output_keys, output_options, &output, NULL);
		if (rule_add_output(&rule->rule, &rule->where, &output.output, &output.at))
			yaml_fail(load->reader, -ENOMEM);
	}
	if (!items && !yaml_error(load->reader))
		word_error(load->errors, &list->word, "no outputs, expected at least one");
}

static void read_name(struct load *load, const struct yaml_value *value, void *object)
{
	struct rule_object *rule = object;

	rule->where.named = true;
	rule->where.name = value->word.at;
	rule_parse_name(&value->word, rule->rule.name, load->errors);
}

static void read_in(struct load *load, const struct yaml_value *value, void *object)
{
	struct rule_object *rule = object;

	rule->where.input = value->word.at;
	rule_parse_input(&value->word, &rule->rule, load->errors);
}

static const struct key rule_keys[] = {{"name", SCALAR, "a rule name", false, read_name},
				       {"in", SCALAR, "GROUP:PORT@IFACE", true, read_in},
				       {"out", LIST, "a list of outputs", true, read_out},
				       {0}};

/* One item of the list: a mapping, or a line of the grammar. */
static void read_rule(struct load *load, const struct yaml_value *item)
{
	struct rule_object rule = {.where.name = item->word.at};
	unsigned int before = load->errors->count;
	int err = 0;

	if (item->kind == YAML_SCALAR) {
		err = grammar_parse_rule(item->word.text, item->word.length, &item->word.at,
					 &rule.rule, &rule.where, load->errors);
	} else {
		read_mapping(load, item, rule_keys, rule_options, &rule, rule.where.options);
		rule_complete(&rule.rule, &rule.where);
	}
	/* One rule too many is kept, for the error about it. */
	if (!err && load->errors->count == before && load->draft.config.nr_rules <= XMC_MAX_RULES)
		err = draft_add_rule(&load->draft, &rule.rule, &rule.where);
	rule_free(&rule.rule);
	rule_positions_free(&rule.where);
	/* Other errors have been reported; the rest of the file is still read. */
	if (err == -ENOMEM)
		yaml_fail(load->reader, err);
}

/* `[]` is a daemon that gets its rules while it runs. */
static void read_rules(struct load *load, const struct yaml_value *list)
{
	struct yaml_value item;

	if (!expect_kind(load, list, LIST, "a list of rules"))
		return;
	while ((item = yaml_read(load->reader)).kind != YAML_END) {
		if (expect_kind(load, &item, SCALAR | MAPPING, "a rule"))
			read_rule(load, &item);
	}
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

		if (!key || (key[length] && strncmp(key, last, length + 1) == 0))
			continue;
		list_name(names, key, length);
		last = key;
	}
}

static void read_setting(struct load *load, const struct field *setting,
			 const struct yaml_value *value, void *object, uint64_t seen)
{
	bool list = setting->type == FIELD_LIST;
	char expected[FIELD_TEXT_SIZE];
	struct yaml_value item;

	field_expected(setting, expected);
	if (!expect_kind(load, value, list ? LIST : SCALAR, list ? "a list of numbers" : expected))
		return;
	if (!list)
		setting_parse(setting, &value->word, object, seen, load->errors);
	while (list && (item = yaml_read(load->reader)).kind != YAML_END) {
		if (expect_kind(load, &item, SCALAR, expected))
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
	    !expect_kind(load, mapping, MAPPING, "a mapping of interface names"))
		return;
	while (next_key(load, &key)) {
		struct iface_config iface = {.queues = 0};
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
	bool no_rules = !*section;
	struct yaml_value key, value;
	uint64_t keys = 0;

	if (!*section)
		list_name(names, "rules", SIZE_MAX);
	list_keys(section, names);
	snprintf(expected, sizeof(expected), "a mapping with %s", *section ? names : "`rules:`");
	if (yaml_is_null(mapping) || !expect_kind(load, mapping, MAPPING, expected))
		return;
	while (next_key(load, &key)) {
		const struct field *setting = find_key(section, &key.word);
		/* Each has its bit: a section within this one that of its first setting, `rules`
		 * that behind the last setting. */
		uint64_t bit = 1ULL << (setting - setting_list);
		char name[64];

		if (!setting->name && (*section || !word_is(&key.word, "rules"))) {
			unknown_key(load, &key.word, names);
			continue;
		}
		if (keys & bit)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		keys |= bit;
		snprintf(name, sizeof(name), "%s%s%.*s", section, *section ? "." : "",
			 (int)key.word.length, key.word.text);
		value = yaml_read(load->reader);
		if (!setting->name) {
			no_rules = false;
			read_rules(load, &value);
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

	if (!yaml_error(load->reader) && (root.kind == YAML_END || yaml_is_null(&root)))
		errors_add(load->errors, &(struct position){file, 1, 1}, NULL, 0,
			   "an empty file, expected `rules:` with a list of rules");
	else if (root.kind != YAML_END)
		read_section(load, "", &root, &load->draft.config, &seen);
	/* Up to the end of the file: a second document is an error, too. */
	while (yaml_read(load->reader).kind != YAML_END)
		;
	return yaml_error(load->reader);
}

int config_parse_yaml(const char *bytes, size_t length, const char *file, struct config *config,
		      struct errors *errors)
{
	unsigned int before = errors->count;
	struct load load = {.errors = errors};
	int err;

	draft_init(&load.draft);
	err = yaml_reader_new(&load.reader, bytes, length, file, errors);
	if (!err)
		err = load_document(&load, file);
	if (!err)
		err = config_validate(&load.draft, errors);
	yaml_reader_free(load.reader);
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
