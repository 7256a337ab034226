/* SPDX-License-Identifier: BSD-2-Clause */
/* Configurations from text and as text, or a failure of the test that asks for them. */
#ifndef XMCAST_TESTS_CONFIG_TEXT_H
#define XMCAST_TESTS_CONFIG_TEXT_H

#include "expect.h"
#include "rules/change.h"
#include "rules/config.h"
#include "rules/grammar.h"
#include "rules/schema.h"
#include "rules/write.h"

/* A file that must be right, read over the defaults: to be freed by config_free(). */
static inline struct config parse(const char *text)
{
	struct errors errors = {0};
	struct config config;
	int error;

	config_init(&config);
	error = config_parse_yaml(text, strlen(text), "text", &config, &errors);
	expect_no_errors(&errors, text);
	assert_int_equal(error, 0);
	return config;
}

/* A rule of the grammar that must be right: to be freed by rule_free(). */
static inline struct rule parse_rule(const char *text)
{
	struct position start = {"text", 1, 1};
	struct errors errors = {0};
	struct rule rule;
	int error = grammar_parse_rule(text, strlen(text), &start, &rule, NULL, &errors);

	expect_no_errors(&errors, text);
	assert_int_equal(error, 0);
	return rule;
}

/* The rule at this index must be what the grammar makes of the text. */
static inline void expect_rule(const struct config *config, unsigned int index, const char *text)
{
	struct rule rule = parse_rule(text);

	assert_true(index < config->nr_rules);
	if (!rule_equal(&config->rules[index], &rule))
		fail_msg("not rule %u: %s", index, text);
	rule_free(&rule);
}

/* Written and read again it must be the same. */
static inline void expect_same(const struct config *config)
{
	size_t length;
	char *text = config_write(config, &length);
	struct config again;

	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	again = parse(text);
	if (!config_equal(config, &again))
		fail_msg("not the same after:\n%s", text);
	config_free(&again);
	free(text);
}

/* Change a rule, which must be possible. */
static inline void apply(struct config *config, enum rule_verb verb, const char *text)
{
	const struct rule_operation operation = {verb, text};
	struct errors errors = {0};
	struct config result;

	if (config_change(config, &operation, 1, "x", &result, &errors))
		errors_print(&errors, stderr);
	expect_no_errors(&errors, text);
	config_free(config);
	*config = result;
}

#endif
