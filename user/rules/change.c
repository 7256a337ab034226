/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/grammar.h"
#include "base/lookup.h"
#include "rules/validate.h"

/* A rule that the list spells out. */
struct said {
	struct rule rule;
	struct rule_positions where;
	/* Not part of the result: a later operation took it away, or it is wrong by itself. */
	bool dropped;
	uint32_t draft_index; /* in the draft, which owns the rule by then */
};

#define NOT_SAID UINT32_MAX

/* A place in the order of rules. It stays when its rule is deleted, and so does the name. */
struct slot {
	const char *name;
	const struct rule *running; /* NULL: added */
	uint32_t said;		    /* what it says, or NOT_SAID: the same as `running` */
	bool disabled;
	bool gone;
	struct position enabled_at; /* of the last operation that did; line 0: none */
};

struct change {
	const struct config *running;
	const char *label;
	struct errors *errors;
	struct slot *slots; /* those of the running rules, then those added */
	uint32_t nr_slots;
	struct said *said; /* in the order of the list */
	uint32_t nr_said;
	struct lookup names; /* the last slot of each name */
};

static bool slot_has_name(const void *array, uint32_t index, const void *key)
{
	const struct slot *slots = array;

	return strcmp(slots[index].name, key) == 0;
}

/* --- single operations --- */

/* The rule that has the name now, or NULL. */
static struct slot *find_slot(const struct change *change, const char *name)
{
	uint32_t index = lookup_find(&change->names, lookup_hash_text(name), name);

	if (index == LOOKUP_NONE || change->slots[index].gone)
		return NULL;
	return &change->slots[index];
}

/* Enter a name; an earlier slot of that name is gone. */
static struct slot *add_slot(struct change *change, const char *name)
{
	struct slot *slot = &change->slots[change->nr_slots];

	*slot = (struct slot){.name = name, .said = NOT_SAID};
	lookup_set(&change->names, lookup_hash_text(name), name, change->nr_slots++);
	return slot;
}

/* Leave out of the result what was said. It will not be checked with the others, so it is now. */
static void drop(struct change *change, uint32_t index)
{
	struct said *said;

	if (index == NOT_SAID || change->said[index].dropped)
		return;
	said = &change->said[index];
	rule_validate(&said->rule, &said->where, change->errors);
	said->dropped = true;
}

/* The first word of a rule that cannot be parsed, if that is a name. */
static bool guess_name(const char *text, char name[RULE_NAME_SIZE])
{
	struct errors ignored = {0};
	struct word word = {.text = text};
	bool valid;

	while (byte_is_space(*word.text))
		word.text++;
	while (word.text[word.length] && !byte_is_space(word.text[word.length]))
		word.length++;
	if (word_is_keyword(&word))
		return false;
	valid = rule_parse_name(&word, name, &ignored);
	errors_free(&ignored);
	return valid;
}

/* One line of text, as the grammar counts lines and we count operations. NULL without memory. */
static char *copy_line(const char *text)
{
	char *line = strdup(text);

	for (char *byte = line; byte && *byte; byte++) {
		if (*byte == '\n')
			*byte = ' ';
	}
	return line;
}

/* Parse a rule into the next `said`. 0, -ENOMEM, or -EINVAL; then at most its name is known. */
static int say(struct change *change, const char *text, const struct position *at)
{
	struct said *said = &change->said[change->nr_said];
	char *line = copy_line(text);
	int error;

	if (!line)
		return -ENOMEM;
	error = grammar_parse_rule(line, strlen(line), at, &said->rule, &said->where,
				   change->errors);
	if (error == -EINVAL) {
		said->dropped = true;
		if (!guess_name(line, said->rule.name))
			said->rule.name[0] = '\0';
	}
	if (error != -ENOMEM)
		change->nr_said++;
	free(line);
	return error;
}

static void unknown_name(struct change *change, const struct position *at, const char *name)
{
	errors_add(change->errors, at, name, strlen(name),
		   "no rule of this name, expected one that exists");
}

static int add(struct change *change, const char *text, const struct position *at)
{
	uint32_t index = change->nr_said;
	int error = say(change, text, at);
	struct said *said = &change->said[index];
	bool taken;
	struct slot *slot;

	if (error == -ENOMEM)
		return error;
	taken = find_slot(change, said->rule.name);
	if (taken && !error) {
		errors_add(change->errors, &said->where.name, said->rule.name,
			   strlen(said->rule.name),
			   "duplicate rule name, expected one that no rule has");
		drop(change, index);
	}
	/* Also if it is wrong: then later operations on it are not. */
	if (!taken && *said->rule.name) {
		slot = add_slot(change, said->rule.name);
		slot->said = index;
		slot->disabled = said->rule.disabled;
	}
	return 0;
}

static int replace(struct change *change, const char *text, const struct position *at)
{
	uint32_t index = change->nr_said;
	int error = say(change, text, at);
	const struct said *said = &change->said[index];
	struct slot *slot;

	if (error)
		return error == -ENOMEM ? error : 0;
	slot = find_slot(change, said->rule.name);
	if (!slot) {
		unknown_name(change, &said->where.name, said->rule.name);
		drop(change, index);
		return 0;
	}
	drop(change, slot->said);
	slot->said = index;
	slot->disabled = said->rule.disabled;
	return 0;
}

static int operate(struct change *change, const struct rule_operation *operation,
		   const struct position *at)
{
	struct slot *slot;

	if (operation->verb == RULE_ADD)
		return add(change, operation->text, at);
	if (operation->verb == RULE_REPLACE)
		return replace(change, operation->text, at);
	slot = find_slot(change, operation->text);
	if (!slot) {
		unknown_name(change, at, operation->text);
	} else if (operation->verb == RULE_DELETE) {
		drop(change, slot->said);
		slot->gone = true;
	} else {
		slot->disabled = operation->verb == RULE_DISABLE;
		if (!slot->disabled)
			slot->enabled_at = *at;
	}
	return 0;
}

/* --- the list --- */

/* Every size is known beforehand, so that names can be pointed at. */
static int change_init(struct change *change, const struct rule_operation *operations, size_t count)
{
	const struct config *running = change->running;
	size_t adds = 0, rules = 0;

	for (size_t i = 0; i < count; i++) {
		adds += operations[i].verb == RULE_ADD;
		rules += operations[i].verb == RULE_ADD || operations[i].verb == RULE_REPLACE;
	}
	change->slots = calloc(running->nr_rules + adds + 1, sizeof(*change->slots));
	change->said = calloc(rules + 1, sizeof(*change->said));
	if (!change->slots || !change->said ||
	    lookup_init(&change->names, running->nr_rules + adds, change->slots, slot_has_name))
		return -ENOMEM;
	for (unsigned int i = 0; i < running->nr_rules; i++) {
		struct slot *slot = add_slot(change, running->rules[i].name);

		slot->running = &running->rules[i];
		slot->disabled = running->rules[i].disabled;
	}
	return 0;
}

static void change_free(struct change *change)
{
	for (uint32_t i = 0; i < change->nr_said; i++) {
		rule_free(&change->said[i].rule);
		rule_positions_free(&change->said[i].where);
	}
	free(change->said);
	free(change->slots);
	lookup_free(&change->names);
}

/* Begin a draft with the rules that stay as they are, but for being enabled: they were valid, and
 * are not looked at again, but compared with. */
static int draft_running(const struct change *change, struct draft *draft)
{
	size_t most = change->running->nr_rules + 1UL;
	struct config same = {.rules = calloc(most, sizeof(*same.rules))};
	struct position *enabled_at = calloc(most, sizeof(*enabled_at));
	int error = -ENOMEM;

	if (!same.rules || !enabled_at)
		goto out;
	for (uint32_t i = 0; i < change->nr_slots; i++) {
		const struct slot *slot = &change->slots[i];

		if (slot->gone || slot->said != NOT_SAID)
			continue;
		same.rules[same.nr_rules] = *slot->running;
		same.rules[same.nr_rules].disabled = slot->disabled;
		enabled_at[same.nr_rules++] = slot->enabled_at;
	}
	error = draft_init_from(draft, &same);
	if (!error) {
		draft->enabled_at = enabled_at;
		enabled_at = NULL;
	}
out:
	free(same.rules);
	free(enabled_at);
	return error;
}

/* Hand what was said, and still holds, to the draft: in the order of the list, so that errors are
 * found in that order. */
static int draft_said(struct change *change, struct draft *draft)
{
	for (uint32_t i = 0; i < change->nr_slots; i++) {
		const struct slot *slot = &change->slots[i];

		/* A later operation may have said otherwise than the text. */
		if (slot->said != NOT_SAID)
			change->said[slot->said].rule.disabled = slot->disabled;
	}
	for (uint32_t i = 0; i < change->nr_said && !draft->full; i++) {
		struct said *said = &change->said[i];
		struct rule rule = said->rule;
		struct rule_positions where = said->where;

		if (said->dropped)
			continue;
		said->rule.outputs = NULL;
		memset(&said->where, 0, sizeof(said->where));
		said->draft_index = draft->config.nr_rules;
		if (draft_add_rule(draft, &rule, &where, change->errors) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* Give the slot's rule to the result: a copy of the running one, or the draft's. */
static int take_rule(const struct change *change, const struct slot *slot, struct draft *draft,
		     struct rule *rule)
{
	int error = 0;

	if (slot->said == NOT_SAID) {
		error = rule_copy(rule, slot->running);
	} else {
		struct rule *drafted = &draft->config.rules[change->said[slot->said].draft_index];

		*rule = *drafted;
		memset(drafted, 0, sizeof(*drafted));
	}
	rule->disabled = slot->disabled;
	return error;
}

static int build_result(const struct change *change, struct draft *draft, struct config *result)
{
	int error = config_copy_settings(result, change->running);

	if (error)
		return error;
	result->rules = calloc(draft->config.nr_rules + 1UL, sizeof(*result->rules));
	if (!result->rules)
		error = -ENOMEM;
	for (uint32_t i = 0; i < change->nr_slots && !error; i++) {
		if (change->slots[i].gone)
			continue;
		error = take_rule(change, &change->slots[i], draft,
				  &result->rules[result->nr_rules]);
		result->nr_rules += !error;
	}
	if (error)
		config_free(result);
	return error;
}

static int change_apply(struct change *change, const struct rule_operation *operations,
			size_t count, struct config *result)
{
	unsigned int before = change->errors->count;
	struct draft draft = {.first = 0};
	int error = change_init(change, operations, count);

	for (size_t i = 0; i < count && !error; i++) {
		struct position at = {change->label, (unsigned int)i + 1, 1};

		error = operate(change, &operations[i], &at);
	}
	if (!error)
		error = draft_running(change, &draft);
	if (!error)
		error = draft_said(change, &draft);
	if (!error)
		error = config_validate(&draft, change->errors);
	if (!error && change->errors->count != before)
		error = -EINVAL;
	if (!error)
		error = build_result(change, &draft, result);
	draft_free(&draft);
	return error;
}

int config_change(const struct config *running, const struct rule_operation *operations,
		  size_t count, const char *label, struct config *result, struct errors *errors)
{
	struct change change = {.running = running, .label = label, .errors = errors};
	int error;

	config_init(result);
	if (count > RULE_OPERATIONS_MAX) {
		errors_add(errors, &(struct position){.file = label}, NULL, 0,
			   "too many operations, expected at most %u", RULE_OPERATIONS_MAX);
		return -EINVAL;
	}
	error = change_apply(&change, operations, count, result);
	change_free(&change);
	return error;
}
