/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as lists of operations: a line each, "add RULE", "replace RULE", "del NAME", "enable
 * NAME" or "disable NAME"; an empty line ends a list. Each list is applied to the result of the one
 * before. If it is accepted, the result must be what the same operations make one by one of a plain
 * array, and a valid configuration; if it is refused, there must be an error, and nothing changed.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "rules/change.h"
#include "rules/diff.h"
#include "rules/range.h"

#define LIST_MAX 64

/* Longer ranges would make the model slow, which looks at every rule. */
#define RANGE_MOST 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *word;
	enum rule_verb verb;
} verbs[] = {
	{"add ", RULE_ADD},	  {"replace ", RULE_REPLACE}, {"del ", RULE_DELETE},
	{"enable ", RULE_ENABLE}, {"disable ", RULE_DISABLE},
};

/* Of a text or a name. */
static unsigned int rules_of(const char *text)
{
	struct word word = {.text = text, .length = strlen(text)};
	struct position at = {"", 1, 1};
	struct errors ignored = {0};
	unsigned int most = word_range_count(&word);
	unsigned int count = range_count(text, word.length, &at, true, &ignored);

	errors_free(&ignored);
	return most > count ? most : count;
}

/* A line as an operation. False: it is none. */
static bool parse_line(const char *line, struct rule_operation *operation)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		size_t length = strlen(verbs[i].word);

		if (strncmp(line, verbs[i].word, length) != 0)
			continue;
		*operation = (struct rule_operation){verbs[i].verb, line + length};
		return rules_of(line + length) <= RANGE_MOST;
	}
	return false;
}

/* --- the model: rules in an array, searched from its start --- */

static struct rule *model_find(struct config *model, const char *name)
{
	for (unsigned int i = 0; i < model->nr_rules; i++) {
		if (strcmp(model->rules[i].name, name) == 0)
			return &model->rules[i];
	}
	return NULL;
}

static void model_delete(struct config *model, struct rule *rule)
{
	unsigned int index = (unsigned int)(rule - model->rules);

	rule_free(rule);
	memmove(rule, rule + 1, (model->nr_rules - index - 1) * sizeof(*rule));
	model->nr_rules--;
}

/* Add or replace a rule, of a range that with this index; the operation must be possible. */
static void model_say(struct config *model, const struct rule_operation *operation,
		      unsigned int index)
{
	struct grammar_range member = {.index = index};
	struct position at = {"model", 1, 1};
	struct errors errors = {0};
	struct rule rule, *found;

	must(grammar_parse_member(operation->text, strlen(operation->text), &at, &member, &rule,
				  NULL, &errors) == 0);
	found = model_find(model, rule.name);
	must((operation->verb == RULE_ADD) == !found);
	if (found) {
		rule_free(found);
		*found = rule;
		return;
	}
	model->rules = reallocarray(model->rules, model->nr_rules + 1UL, sizeof(rule));
	must(model->rules);
	model->rules[model->nr_rules++] = rule;
}

static void model_apply(struct config *model, const struct rule_operation *operation)
{
	struct word name = {.text = operation->text, .length = strlen(operation->text)};
	struct position at = {"", 1, 1};
	struct errors errors = {0};
	unsigned int count = word_range_count(&name);
	char room[RANGE_WORD_SIZE];

	if (operation->verb == RULE_ADD || operation->verb == RULE_REPLACE) {
		count = range_count(name.text, name.length, &at, true, &errors);
		for (unsigned int i = 0; i < count; i++)
			model_say(model, operation, i);
		return;
	}
	for (unsigned int i = 0; i < count; i++) {
		const char *text = count > 1 ? word_of_range(&name, i, room).text : name.text;
		struct rule *found = model_find(model, text);

		must(found);
		if (operation->verb == RULE_DELETE)
			model_delete(model, found);
		else
			found->disabled = operation->verb == RULE_DISABLE;
	}
}

/* --- checks --- */

/* The difference accounts for every rule. */
static void check_diff(const struct config *before, const struct config *after)
{
	struct config_diff diff;

	must(config_diff(before, after, &diff) == 0);
	must(before->nr_rules - diff.nr_removed == after->nr_rules - diff.nr_added);
	must(diff.nr_changed <= after->nr_rules - diff.nr_added);
	must(diff.nr_settings == 0);
	config_diff_free(&diff);
}

/* The difference is checked for the last list only: it writes every setting twice, which would be
 * most of the time of a run. */
static void apply_list(struct config *config, const struct rule_operation *operations, size_t count,
		       bool last)
{
	struct errors errors = {0};
	struct config before, result;
	int error;

	must(config_copy(&before, config) == 0);
	error = config_change(config, operations, count, "fuzz", &result, &errors);
	must(config_equal(config, &before));
	if (error) {
		must(error == -EINVAL);
		must(errors.count > 0 && errors.kept > 0);
		for (unsigned int i = 0; i < errors.kept; i++)
			must(errors.list[i].at.line >= 1 && errors.list[i].at.line <= count &&
			     errors.list[i].at.column >= 1);
		must(result.nr_rules == 0 && !result.rules && !result.ifaces);
	} else {
		must(errors.count == 0);
		for (size_t i = 0; i < count; i++)
			model_apply(&before, &operations[i]);
		must(config_equal(&result, &before));
		require_rules_again(&result);
		if (last)
			check_diff(config, &result);
		config_free(config);
		*config = result;
	}
	errors_free(&errors);
	config_free(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rule_operation operations[LIST_MAX];
	char *text = malloc(size + 1), *next = text, *line;
	struct config config;
	size_t count = 0;

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	config_init(&config);
	while ((line = strsep(&next, "\n"))) {
		if (count < LIST_MAX && parse_line(line, &operations[count]))
			count++;
		if (*line && next)
			continue;
		apply_list(&config, operations, count, !next);
		count = 0;
	}
	config_free(&config);
	free(text);
	return 0;
}
