/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as one rule. If it is accepted, rule_format() must write a text that parses to the same
 * rule; if it is refused, there must be an error and nothing else. Of a range, the first rule and
 * the last, which must be the same from the text that is kept.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "rules/grammar.h"
#include "rules/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct rule *rule, const struct position *at)
{
	struct errors errors = {0};
	char *text = rule_format(rule, NULL);
	struct rule again;

	must(text);
	must(grammar_parse_rule(text, strlen(text), at, &again, NULL, &errors) == 0);
	must(errors.count == 0);
	must(rule_equal(rule, &again));
	rule_free(&again);
	free(text);
}

/* The rule of a range is the same from its kept text. */
static void check_kept(const char *text, size_t size, unsigned int count, unsigned int index,
		       const struct rule *rule)
{
	struct position at = {"kept", 1, 1};
	struct grammar_range member = {index, true};
	struct range *range = range_new(text, size, count);
	struct errors errors = {0};
	struct rule again;
	const char *name;

	must(range);
	must(range_count(range->text, strlen(range->text), &at, true, &errors) == count);
	must(grammar_parse_member(range->text, strlen(range->text), &at, &member, &again, NULL,
				  &errors) == 0);
	must(rule_equal(rule, &again));
	must(range_name(range->text, &name) <= strlen(name));
	rule_free(&again);
	range_put(range);
}

static void try_range(const char *text, size_t size)
{
	struct position at = {"fuzz", 1, 1};
	struct errors errors = {0};
	unsigned int count = range_count(text, size, &at, false, &errors);

	must(count <= RANGE_MAX && !count == !!errors.count);
	for (unsigned int i = 0; i < count && count > 1; i += count - 1) {
		struct grammar_range member = {.index = i};
		struct rule_positions where;
		struct rule rule;

		if (grammar_parse_member(text, size, &at, &member, &rule, &where, &errors))
			break;
		check_again(&rule, &at);
		check_kept(text, size, count, i, &rule);
		rule_free(&rule);
		rule_positions_free(&where);
	}
	errors_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct position at = {"fuzz", 1, 1};
	struct rule_positions where;
	struct errors errors = {0};
	struct rule rule;
	int error = grammar_parse_rule((const char *)data, size, &at, &rule, &where, &errors);

	if (error) {
		must(error == -EINVAL);
		must(errors.count > 0 && errors.kept > 0);
		must(!rule.outputs && !where.outputs);
		for (unsigned int i = 0; i < errors.kept; i++)
			must(errors.list[i].at.line > 0 && errors.list[i].at.column > 0);
	} else {
		must(errors.count == 0);
		must(rule.nr_outputs > 0);
		check_again(&rule, &at);
		rule_free(&rule);
		rule_positions_free(&where);
	}
	errors_free(&errors);
	try_range((const char *)data, size);
	return 0;
}
