/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/schema.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/text.h"
#include "rules/draft.h"
#include "rules/grammar.h"
#include "rules/range.h"
#include "rules/settings.h"
#include "rules/validate.h"
#include "rules/yaml_problem.h"
#include "rules/yaml_reader.h"

struct load {
	struct yaml_reader *reader;
	struct draft draft;
	struct errors *errors;
	const struct config_source *sources;
	unsigned int count;  /* of them */
	unsigned int source; /* the one that is read */
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

#define GLUED "no space behind the colon, expected `%.*s: `"

/* `elsewhere`: where the key would be right, or NULL. */
static void unknown_key(struct load *load, const struct word *key, const char *names,
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

/* ---- rules and outputs ---- */

/* The words of a mapping, to be put together as a line of the grammar. */
struct line {
	struct text name, main, options; /* NAME; the input or destination; the rest */
	bool has_range;
};

/* A rule that a mapping fills. */
struct rule_object {
	struct rule rule;
	struct rule_positions where;
	struct line line;
	struct text outputs; /* of the line */
};

static void line_free(struct line *line)
{
	text_free(&line->name);
	text_free(&line->main);
	text_free(&line->options);
}

/* Add a field that was read. */
static void line_add(struct line *line, const struct field *field, const void *object,
		     const struct word *word)
{
	struct text *text = field->required ? &line->main : &line->options;

	line->has_range |= word_has_range(word);
	if (field == &rule_fields[RULE_NAME])
		text = &line->name;
	else if (field->type != FIELD_SWITCH || field_number(field, object))
		text_add_format(text, " %s ",
				field == &output_fields[OUTPUT_TO] ? "out" : field->name);
	if (field->type != FIELD_SWITCH)
		text_add_bytes(text, word->text, word->length);
}

/* Add an output behind everything else. */
static void line_add_output(struct line *line, struct text *outputs, const struct line *output)
{
	line->has_range |= output->has_range;
	text_add(outputs, output->main.bytes ? output->main.bytes : "");
	text_add(outputs, output->options.bytes ? output->options.bytes : "");
}

static void read_outputs(struct load *load, const struct yaml_value *value,
			 struct rule_object *rule);

static bool has_key(const struct field *fields, const struct word *key)
{
	while (fields->name && !word_is(key, rule_field_key(fields)))
		fields++;
	return fields->name;
}

/* What to do with the key of a rule in an output, and the other way round; NULL: it is neither. */
static const char *key_elsewhere(const struct word *key, bool of_rule)
{
	if (of_rule && has_key(output_fields, key))
		return "a key of an output, expected it below `out:`, beside `to:`";
	if (!of_rule && has_key(rule_fields, key))
		return "a key of the rule, expected it beside `out:`";
	return NULL;
}

/* Read a mapping whose keys are these fields of the object. Their places go to `at`. The mapping of
 * a rule has the list of its outputs as well; `rule` is NULL for an output. The words are added to
 * the line. Returns a bit for each field that was there. */
static unsigned int read_mapping(struct load *load, const struct yaml_value *mapping,
				 const struct field *fields, void *object, struct position *at,
				 struct line *line, struct rule_object *rule)
{
	char names[FIELD_TEXT_SIZE] = "", expected[FIELD_TEXT_SIZE], room[RANGE_WORD_SIZE];
	struct yaml_value key, value;
	unsigned int seen = 0;
	size_t i, out;

	for (out = 0; fields[out].name; out++)
		list_name(names, rule_field_key(&fields[out]), SIZE_MAX);
	if (rule)
		list_name(names, "out", SIZE_MAX);
	while (next_key(load, &key)) {
		for (i = 0; i < out && !word_is(&key.word, rule_field_key(&fields[i])); i++)
			;
		if (i == out && !(rule && word_is(&key.word, "out"))) {
			unknown_key(load, &key.word, names, key_elsewhere(&key.word, rule));
			continue;
		}
		if (seen & 1u << i)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		seen |= 1u << i;
		value = yaml_read(load->reader);
		if (i == out) {
			read_outputs(load, &value, rule);
		} else if (expect_kind(load, &value, SCALAR,
				       field_expected(&fields[i], expected))) {
			struct word first = word_of_range(&value.word, 0, room);

			at[i] = value.word.at;
			if (field_parse(&fields[i], &first, object, load->errors) && fields[i].key)
				field_set_number(&fields[i], object,
						 !field_number(&fields[i], object));
			line_add(line, &fields[i], object, &value.word);
		}
	}
	if (yaml_error(load->reader))
		return seen;
	for (i = 0; i < out; i++) {
		if (fields[i].required && !(seen & 1u << i))
			word_error(load->errors, &mapping->word, "no `%s:` here, expected %s",
				   fields[i].name, fields[i].expected);
	}
	if (rule && !(seen & 1u << out))
		word_error(load->errors, &mapping->word,
			   "no `out:` here, expected a list of outputs");
	if (rule)
		rule->where.named = seen & 1u << RULE_NAME;
	return seen;
}

static bool has_space(const struct word *word)
{
	for (size_t i = 0; i < word->length; i++) {
		if (byte_is_space(word->text[i]))
			return true;
	}
	return false;
}

static void read_output(struct load *load, const struct yaml_value *item, struct rule_object *rule)
{
	struct rule_output output = {.port = 0};
	struct position at[OUTPUT_FIELDS] = {[OUTPUT_TO] = item->word.at};
	struct line line = {.has_range = false};
	char room[RANGE_WORD_SIZE];
	unsigned int given = 0;
	struct word first;

	if (!expect_kind(load, item, SCALAR | MAPPING,
			 "a mapping with `to`, or DEST[:PORT][@IFACE]"))
		return;
	if (item->kind == YAML_SCALAR && has_space(&item->word))
		word_error(load->errors, &item->word,
			   "more than one word, expected one output behind each `- `, and options "
			   "as keys beside `to:`");
	else if (item->kind == YAML_SCALAR) {
		first = word_of_range(&item->word, 0, room);
		field_parse(&output_fields[OUTPUT_TO], &first, &output, load->errors);
		line_add(&line, &output_fields[OUTPUT_TO], &output, &item->word);
	} else {
		given = read_mapping(load, item, output_fields, &output, at, &line, NULL);
	}
	line_add_output(&rule->line, &rule->outputs, &line);
	line_free(&line);
	if (rule_add_output(&rule->rule, &rule->where, &output, &at[OUTPUT_TO]))
		yaml_fail(load->reader, -ENOMEM);
	else
		rule->where.outputs[rule->rule.nr_outputs - 1].given = given;
}

/* A list, or the only output. */
static void read_outputs(struct load *load, const struct yaml_value *value,
			 struct rule_object *rule)
{
	struct yaml_value item;
	unsigned int items = 0;

	if (yaml_is_null(value)) {
		expect_kind(load, value, LIST, "a list of outputs");
		return;
	}
	if (value->kind != YAML_LIST) {
		read_output(load, value, rule);
		return;
	}
	for (; (item = yaml_read(load->reader)).kind != YAML_END; items++)
		read_output(load, &item, rule);
	if (!items && !yaml_error(load->reader))
		word_error(load->errors, &value->word, "no outputs, expected at least one");
}

/* Take a rule of a range, or a single one (`range` NULL), if there was no error since `before`. */
static int take_rule(struct load *load, struct rule *rule, struct rule_positions *where,
		     struct range *range, unsigned int before)
{
	int err = 0;

	/* One rule too many is kept, for the error about it. */
	if (load->errors->count == before && load->draft.config.nr_rules <= XMC_MAX_RULES) {
		rule->range = range_hold(range);
		rule->file = (uint16_t)load->source;
		err = draft_add_rule(&load->draft, rule, where);
	}
	rule_free(rule);
	rule_positions_free(where);
	return err;
}

/* The rules of a line from the given one on. Those behind an error have the same error. */
static int read_line(struct load *load, const struct word *line, struct range *range,
		     unsigned int from, unsigned int count)
{
	unsigned int before = load->errors->count;
	int err = 0;

	for (unsigned int i = from; i < count && !err; i++) {
		const struct grammar_range member = {i, line->fixed};
		struct rule_positions where;
		struct rule rule;

		err = grammar_parse_member(line->text, line->length, &line->at, &member, &rule,
					   &where, load->errors);
		if (!err)
			err = take_rule(load, &rule, &where, range, before);
	}
	return err;
}

/* A line of the grammar. */
static int read_lines(struct load *load, const struct word *line)
{
	unsigned int count = range_count(line->text, line->length, &line->at, false, load->errors);
	struct range *range = NULL;
	int err;

	if (count > 1) {
		range = range_new(line->text, line->length, count);
		if (!range)
			return -ENOMEM;
	}
	err = read_line(load, line, range, 0, count);
	range_put(range);
	return err;
}

/* The first rule of a mapping has been read. If it has ranges, it is put together as a line, from
 * which the others come. */
static int read_mapped(struct load *load, const struct yaml_value *item, struct rule_object *rule,
		       unsigned int before)
{
	struct word line = {.at = item->word.at, .fixed = true};
	struct range *range = NULL;
	unsigned int count = 1;
	int err;

	if (rule->line.has_range && load->errors->count == before) {
		text_add(&rule->line.name, rule->line.main.bytes);
		text_add(&rule->line.name,
			 rule->line.options.bytes ? rule->line.options.bytes : "");
		text_add(&rule->line.name, rule->outputs.bytes);
		if (rule->line.name.failed || rule->line.options.failed || rule->outputs.failed)
			return -ENOMEM;
		line.text = rule->line.name.bytes;
		line.length = rule->line.name.length;
		count = range_count(line.text, line.length, &line.at, true, load->errors);
		range = count > 1 ? range_new(line.text, line.length, count) : NULL;
		if (count > 1 && !range)
			return -ENOMEM;
	}
	err = take_rule(load, &rule->rule, &rule->where, range, before);
	if (!err)
		err = read_line(load, &line, range, 1, count);
	range_put(range);
	return err;
}

/* One item of the list: a mapping, or a line of the grammar. */
static void read_rule(struct load *load, const struct yaml_value *item)
{
	struct rule_object rule = {.where.at[RULE_NAME] = item->word.at};
	unsigned int before = load->errors->count;
	unsigned int glued = yaml_glued_key(item->word.text, item->word.text + item->word.length);
	int err = 0;

	if (item->kind == YAML_SCALAR && glued && !has_space(&item->word)) {
		word_error(load->errors, &item->word, GLUED, (int)glued, item->word.text);
	} else if (item->kind == YAML_SCALAR) {
		err = read_lines(load, &item->word);
	} else {
		read_mapping(load, item, rule_fields, &rule.rule, rule.where.at, &rule.line, &rule);
		rule_complete(&rule.rule, &rule.where, NULL);
		err = read_mapped(load, item, &rule, before);
	}
	rule_free(&rule.rule);
	rule_positions_free(&rule.where);
	line_free(&rule.line);
	text_free(&rule.outputs);
	/* Other errors have been reported; the rest of the file is still read. */
	if (err == -ENOMEM)
		yaml_fail(load->reader, err);
}

/* `[]` is a daemon that gets its rules while it runs. One line is the only rule. */
static void read_rules(struct load *load, const struct yaml_value *list)
{
	struct yaml_value item;

	if (list->kind == YAML_SCALAR && !yaml_is_null(list)) {
		read_rule(load, list);
		return;
	}
	if (!expect_kind(load, list, LIST, "a list of rules, each behind `- `"))
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

		if (!key || setting->type == FIELD_RETIRED ||
		    (key[length] && strncmp(key, last, length + 1) == 0))
			continue;
		list_name(names, key, length);
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
			unknown_key(load, &key.word, names, NULL);
			continue;
		}
		if (keys & bit)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		keys |= bit;
		if (part && !*section && setting->name && !setting_of_iface(setting)) {
			word_error(load->errors, &key.word,
				   "a setting, expected it in %s: a file of conf.d has `rules` and "
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
