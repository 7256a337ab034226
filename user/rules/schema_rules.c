/* SPDX-License-Identifier: BSD-2-Clause */
/* `rules:` of the file: mappings and lines of the grammar, single or with ranges. */
#include <errno.h>
#include <stdint.h>

#include "base/text.h"
#include "rules/grammar.h"
#include "rules/load.h"
#include "rules/schema.h"
#include "rules/range.h"
#include "rules/sides.h"
#include "rules/yaml_problem.h"

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
	outputs->failed |= output->main.failed || output->options.failed;
	text_add(outputs, output->main.bytes ? output->main.bytes : "");
	text_add(outputs, output->options.bytes ? output->options.bytes : "");
}

static void read_outputs(struct load *load, const struct yaml_value *value,
			 struct rule_object *rule);
static void read_inputs(struct load *load, const struct yaml_value *list, struct rule_object *rule);

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
	if (of_rule && word_is(key, "disabled"))
		return "a word of a rule on one line, expected `enabled: no`";
	if (!of_rule && has_key(rule_fields, key))
		return "a key of the rule, expected it beside `out:`";
	return NULL;
}

/* The group gives the rule its lease. */
static void read_group_name(struct load *load, const struct yaml_value *value, struct position *at)
{
	if (!load_expect_kind(load, value, SCALAR, "the name of a group"))
		return;
	*at = value->word.at;
	load->group_number = load_group_of_rule(load, &value->word);
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
		load_list_name(names, rule_field_key(&fields[out]), SIZE_MAX);
	if (rule) {
		load_list_name(names, "group", SIZE_MAX);
		load_list_name(names, "out", SIZE_MAX);
	}
	while (load_next_key(load, &key)) {
		for (i = 0; i < out && !word_is(&key.word, rule_field_key(&fields[i])); i++)
			;
		if (i == out && rule && word_is(&key.word, "group"))
			i = out + 1;
		if (i == out && !(rule && word_is(&key.word, "out"))) {
			load_unknown_key(load, &key.word, names, key_elsewhere(&key.word, rule));
			continue;
		}
		if (seen & 1u << i)
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		seen |= 1u << i;
		value = yaml_read(load->reader);
		if (i > out) {
			read_group_name(load, &value, &at[RULE_LEASE]);
		} else if (i == out) {
			read_outputs(load, &value, rule);
		} else if (rule && i == RULE_INPUT && value.kind == YAML_LIST) {
			read_inputs(load, &value, rule);
		} else if (load_expect_kind(load, &value, SCALAR,
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
	if (rule && seen & 1u << RULE_LEASE && seen & 2u << out)
		word_error(
			load->errors, &mapping->word,
			"both `group:` and `lease:`, expected one of them: the group has a lease");
	if (rule && !(seen & 1u << out))
		word_error(load->errors, &mapping->word,
			   "no `out:` here, expected a list of outputs");
	if (rule)
		rule->where.named = seen & 1u << RULE_NAME;
	return seen;
}

/* The fields of one of several inputs. */
static const struct field *const input_fields[] = {&rule_fields[RULE_INPUT],
						   &rule_fields[RULE_SOURCE]};

/* Begin an input, or continue it with its source. */
static void read_input_word(struct load *load, const struct yaml_value *value, bool of_source,
			    bool first, struct rule_object *object)
{
	const struct field *field = input_fields[of_source];
	char room[RANGE_WORD_SIZE], expected[FIELD_TEXT_SIZE];
	struct word word, input;
	int err = 0;

	if (!load_expect_kind(load, value, SCALAR, field_expected(field, expected)))
		return;
	word = input = word_of_range(&value->word, 0, room);
	if (!of_source)
		err = rule_begin_side(&object->rule, &object->where, first, &word, &input,
				      load->errors);
	if (err == -ENOMEM)
		yaml_fail(load->reader, err);
	if (!err)
		field_parse(field, &input, &object->rule, load->errors);
	object->line.has_range |= word_has_range(&value->word);
	text_add_format(&object->line.main, " %s ", field->name);
	text_add_bytes(&object->line.main, value->word.text, value->word.length);
}

/* A mapping with `in`, and perhaps `source`, which may stand first. */
static void read_input(struct load *load, const struct yaml_value *item, bool first,
		       struct rule_object *rule)
{
	struct yaml_value key, value;
	bool seen[2] = {false};

	while (load_next_key(load, &key)) {
		bool of_source = word_is(&key.word, input_fields[1]->name);

		if (!of_source && !word_is(&key.word, input_fields[0]->name)) {
			load_unknown_key(load, &key.word, "in, source", NULL);
			continue;
		}
		if (seen[of_source])
			word_error(load->errors, &key.word, "duplicate key, expected it once");
		else if (of_source && !seen[0])
			word_error(load->errors, &key.word,
				   "`source` before `in`, expected it behind the input that it "
				   "belongs to");
		value = yaml_read(load->reader);
		if (seen[of_source] || (of_source && !seen[0]))
			yaml_skip(load->reader, &value);
		else
			read_input_word(load, &value, of_source, first, rule);
		seen[of_source] = true;
	}
	if (!seen[0] && !yaml_error(load->reader))
		word_error(load->errors, &item->word,
			   "no `in:` here, expected LABEL:GROUP:PORT@IFACE");
}

/* Several inputs. */
static void read_inputs(struct load *load, const struct yaml_value *list, struct rule_object *rule)
{
	struct yaml_value item;
	unsigned int items = 0;

	for (; (item = yaml_read(load->reader)).kind != YAML_END; items++) {
		if (!load_expect_kind(load, &item, SCALAR | MAPPING,
				      "a mapping with `in`, or LABEL:GROUP:PORT@IFACE"))
			continue;
		if (item.kind == YAML_SCALAR)
			read_input_word(load, &item, false, !items, rule);
		else
			read_input(load, &item, !items, rule);
	}
	if (!items && !yaml_error(load->reader))
		word_error(load->errors, &list->word, "no inputs, expected at least one");
	rule_end_sides(&rule->rule);
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

	if (!load_expect_kind(load, item, SCALAR | MAPPING,
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
		load_expect_kind(load, value, LIST, "a list of outputs");
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
		/* A line of the grammar, as which a range is saved, names no group. */
		rule->range = load->group_number ? NULL : range_hold(range);
		rule->group_number = (uint16_t)load->group_number;
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

	for (unsigned int i = from;
	     i < count && !err && load->draft.config.nr_rules <= XMC_MAX_RULES; i++) {
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
		if (rule->line.main.failed || rule->line.options.failed || rule->outputs.failed)
			return -ENOMEM;
		text_add(&rule->line.name, rule->line.main.bytes);
		text_add(&rule->line.name,
			 rule->line.options.bytes ? rule->line.options.bytes : "");
		text_add(&rule->line.name, rule->outputs.bytes);
		if (rule->line.name.failed)
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

	load->group_number = 0;
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
void load_rules(struct load *load, const struct yaml_value *list)
{
	struct yaml_value item;

	if (list->kind == YAML_SCALAR && !yaml_is_null(list)) {
		read_rule(load, list);
		return;
	}
	if (!load_expect_kind(load, list, LIST, "a list of rules, each behind `- `"))
		return;
	while ((item = yaml_read(load->reader)).kind != YAML_END) {
		if (load_expect_kind(load, &item, SCALAR | MAPPING, "a rule"))
			read_rule(load, &item);
	}
}
