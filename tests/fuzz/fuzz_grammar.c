/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as one rule. If it is accepted, rule_format() must write a text that parses to the same
 * rule; if it is refused, there must be an error and nothing else.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"
#include "rules/grammar.h"

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
	return 0;
}
