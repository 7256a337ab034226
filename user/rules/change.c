/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/lookup.h"
#include "rules/grammar.h"
#include "rules/groups.h"
#include "rules/range.h"
#include "rules/validate.h"

/* The name is what a rule is looked up by. */
_Static_assert(offsetof(struct rule, name) == 0, "a rule begins with its name");

struct change {
	struct draft draft;
	struct lookup names; /* of the draft's rules */
	struct errors *errors;
};

static struct rule *find_rule(const struct change *change, const char *name)
{
	uint32_t index = *name ? lookup_find(&change->names, name) : LOOKUP_NONE;

	return index == LOOKUP_NONE ? NULL : &change->draft.config.rules[index];
}

static struct rule_positions *positions_of(const struct change *change, const struct rule *rule)
{
	return &change->draft.rules_at[rule - change->draft.config.rules];
}

/* The file of conf.d that the rule is from has to be saved. */
static void mark_part(struct change *change, const struct rule *rule)
{
	if (rule->file)
		change->draft.config.parts[rule->file - 1].changed = true;
}

/* The rule will not be checked with the others, so it is now, unless it was accepted earlier or
 * could not be parsed. */
static void drop(struct change *change, struct rule *rule)
{
	struct rule_positions *where = positions_of(change, rule);

	mark_part(change, rule);
	if (where->at[RULE_NAME].line && rule->nr_outputs)
		rule_validate(&change->draft.config, rule, where, change->errors);
	draft_drop_rule(&change->draft, (unsigned int)(rule - change->draft.config.rules));
}

/* The first word of a rule that cannot be parsed, if it is a name; otherwise empty. */
static void guess_name(const char *text, struct rule *rule)
{
	struct errors ignored = {0};
	struct word word = {.text = text};

	while (byte_is_space(*word.text))
		word.text++;
	while (word.text[word.length] && !byte_is_space(word.text[word.length]))
		word.length++;
	if (!word_is_keyword(&word))
		field_parse(&rule_fields[RULE_NAME], &word, rule, &ignored);
	errors_free(&ignored);
}

/* One rule of a text, as add() and replace() take it. */
struct parsed {
	struct position at;
	const char *line; /* without line ends: the grammar counts lines and we count operations */
	struct range *range; /* NULL: the only one */
	unsigned int index;
};

/* Parse a rule of the list. 0, -ENOMEM, or -EINVAL; then at most its name is known. */
static int parse(const struct change *change, const struct parsed *parsed, struct rule *rule,
		 struct rule_positions *where)
{
	const struct grammar_range member = {.index = parsed->index};
	int err = grammar_parse_member(parsed->line, strlen(parsed->line), &parsed->at, &member,
				       rule, where, change->errors);

	if (err == -EINVAL && !parsed->range)
		guess_name(parsed->line, rule);
	if (err)
		return err;
	rule_complete(rule, where, &change->draft.config.defaults);
	rule->range = range_hold(parsed->range);
	return 0;
}

static void unknown_name(struct change *change, const struct position *at, const char *name)
{
	char text[NO_RULE_TEXT_SIZE];

	/* The search costs a look at every rule, so one is enough. */
	errors_add(change->errors, at, name, strlen(name), "%s",
		   change->errors->count ? NO_RULE
					 : no_rule_text(&change->draft.config, name, text));
}

static bool same_input(const struct rule *a, const struct rule *b)
{
	struct xmc_rule_key x, y;

	rule_key(a, &x);
	rule_key(b, &y);
	return memcmp(&x, &y, sizeof(x)) == 0 && strcmp(a->iface, b->iface) == 0;
}

/* The name of a new rule is taken. A derived name is because the input is: then say that instead.
 */
static void report_taken(struct change *change, const struct rule *taken, const struct rule *rule,
			 struct rule_positions *where)
{
	const struct placed_rule before = {taken, positions_of(change, taken)};
	const struct placed_rule added = {rule, where};

	where->name_reported = true;
	where->input_reported = !where->named && same_input(taken, rule);
	if (where->input_reported)
		report_same_input(&added, &before, change->errors);
	else
		report_same_name(&added, &before, change->errors);
}

static int add(struct change *change, const struct parsed *parsed)
{
	struct rule_positions where;
	struct rule rule;
	int err = parse(change, parsed, &rule, &where);
	const struct rule *taken;

	if (err == -ENOMEM)
		return err;
	taken = find_rule(change, rule.name);
	if (taken && !err)
		report_taken(change, taken, &rule, &where);
	/* One that cannot be parsed is there for later operations if its name is known. */
	if (err && (taken || !*rule.name))
		return 0;
	err = draft_add_rule(&change->draft, &rule, &where);
	if (!err && !taken)
		lookup_add(&change->names, change->draft.config.nr_rules - 1);
	return err;
}

static int replace(struct change *change, const struct parsed *parsed)
{
	struct rule_positions where;
	struct rule rule, *found;
	int err = parse(change, parsed, &rule, &where);

	if (err)
		return err == -ENOMEM ? err : 0;
	found = find_rule(change, rule.name);
	if (found) {
		rule.file = found->file;
		if (rule_group_fits(&change->draft.config, found->group_number, &rule))
			rule.group_number = found->group_number;
		drop(change, found);
		*positions_of(change, found) = where;
		*found = rule;
		return 0;
	}
	unknown_name(change, &where.at[RULE_NAME], rule.name);
	rule_validate(&change->draft.config, &rule, &where, change->errors);
	rule_free(&rule);
	rule_positions_free(&where);
	return 0;
}

/* Add or replace the rules of a text: one, or those of a range, of which those behind an error have
 * the same error. */
static int operate_text(struct change *change, const struct rule_operation *operation,
			const struct position *at)
{
	int (*run)(struct change *, const struct parsed *) =
		operation->verb == RULE_ADD ? add : replace;
	unsigned int before = change->errors->count, count;
	struct parsed parsed = {.at = *at};
	char *line = strdup(operation->text);
	int err = 0;

	if (!line)
		return -ENOMEM;
	for (char *byte = line; *byte; byte++) {
		if (*byte == '\n')
			*byte = ' ';
	}
	parsed.line = line;
	count = range_count(line, strlen(line), at, false, change->errors);
	if (count > 1) {
		parsed.range = range_new(line, strlen(line), count);
		err = parsed.range ? 0 : -ENOMEM;
	}
	for (; parsed.index < count && !err; parsed.index++) {
		if (parsed.index && change->errors->count != before)
			break;
		err = run(change, &parsed);
	}
	range_put(parsed.range);
	free(line);
	return err;
}

static void operate_name(struct change *change, enum rule_verb verb, const char *name,
			 const struct position *at)
{
	struct rule *rule = find_rule(change, name);

	if (!rule) {
		unknown_name(change, at, name);
	} else if (verb == RULE_DELETE) {
		drop(change, rule);
	} else {
		mark_part(change, rule);
		rule->disabled = verb == RULE_DISABLE;
		if (!rule->disabled)
			positions_of(change, rule)->enabled = *at;
	}
}

static int operate(struct change *change, const struct rule_operation *operation,
		   const struct position *at)
{
	struct word name = {.text = operation->text, .length = strlen(operation->text)};
	unsigned int before = change->errors->count, count;
	char room[RANGE_WORD_SIZE];

	if (operation->verb == RULE_ADD || operation->verb == RULE_REPLACE)
		return operate_text(change, operation, at);
	count = word_has_range(&name) ? word_range_count(&name) : 1;
	if (count == 1)
		operate_name(change, operation->verb, operation->text, at);
	for (unsigned int i = 0; i < count && count > 1 && change->errors->count == before; i++) {
		struct word member = word_of_range(&name, i, room);

		operate_name(change, operation->verb, member.text == room ? room : name.text, at);
	}
	return 0;
}

static int operate_all(struct change *change, const struct rule_operation *operations, size_t count,
		       const char *label)
{
	struct config *config = &change->draft.config;
	int err = lookup_init(&change->names, change->draft.room, config->rules,
			      sizeof(*config->rules), 0);

	for (unsigned int i = 0; i < config->nr_rules && !err; i++)
		lookup_add(&change->names, i);
	for (size_t i = 0; i < count && !err; i++) {
		struct position at = {label, (unsigned int)i + 1, 1};

		err = operate(change, &operations[i], &at);
	}
	lookup_free(&change->names);
	/* What could not be parsed has been reported. */
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		if (!config->rules[i].nr_outputs)
			draft_drop_rule(&change->draft, i);
	}
	draft_compact(&change->draft);
	return err;
}

/* How many rules a text may become. */
static unsigned int rules_of(const char *text)
{
	const struct position nowhere = {.file = "", .line = 1, .column = 1};
	struct errors ignored = {0};
	unsigned int count = range_count(text, strlen(text), &nowhere, true, &ignored);

	errors_free(&ignored);
	return count;
}

int config_change(const struct config *running, const struct rule_operation *operations,
		  size_t count, const char *label, struct config *result, struct errors *errors)
{
	struct change change = {.errors = errors};
	unsigned int before = errors->count;
	size_t adds = 0;
	int err;

	config_init(result);
	if (count > RULE_OPERATIONS_MAX) {
		errors_add(errors, &(struct position){.file = label}, NULL, 0,
			   "too many operations, expected at most %u", RULE_OPERATIONS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++)
		adds += operations[i].verb == RULE_ADD ? rules_of(operations[i].text) : 0;
	/* Without ranges, the rule that is one too many is named. */
	if (adds > XMC_MAX_RULES && adds > count) {
		errors_add(errors, &(struct position){.file = label}, NULL, 0,
			   "too many rules, expected at most %u", XMC_MAX_RULES);
		return -EINVAL;
	}
	/* Names are looked up in place, so the rules must not move. */
	err = draft_init_from(&change.draft, running, adds);
	if (!err)
		err = operate_all(&change, operations, count, label);
	if (!err)
		err = config_validate(&change.draft, errors);
	if (!err && errors->count != before)
		err = -EINVAL;
	if (err)
		draft_free(&change.draft);
	else
		draft_finish(&change.draft, result);
	return err;
}

int config_add_rules(struct config *config, const char *const *texts, size_t count,
		     const char *label, struct errors *errors)
{
	struct rule_operation *operations = calloc(count + 1, sizeof(*operations));
	struct config result;
	int err;

	if (!operations)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		operations[i] = (struct rule_operation){RULE_ADD, texts[i]};
	err = config_change(config, operations, count, label, &result, errors);
	free(operations);
	if (err)
		return err;
	config_free(config);
	*config = result;
	return 0;
}
