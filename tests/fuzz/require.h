/* SPDX-License-Identifier: BSD-2-Clause */
/* Requirements that hold for any input: for the fuzz targets of rules. */
#ifndef XMCAST_TESTS_FUZZ_REQUIRE_H
#define XMCAST_TESTS_FUZZ_REQUIRE_H

#include <stdbool.h>
#include <stdlib.h>

#include "rules/change.h"
#include "rules/grammar.h"

static inline void require(bool holds)
{
	if (!holds)
		abort();
}

/* The rules, written as text and added one by one to an empty configuration, are accepted, and are
 * the same. */
static inline void require_rules_again(const struct config *config)
{
	char **texts = calloc(config->nr_rules + 1UL, sizeof(*texts));
	struct errors errors = {0};
	struct config again;

	require(texts);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		texts[i] = rule_format(&config->rules[i]);
		require(texts[i]);
	}
	config_init(&again);
	/* Which rules are valid depends on it. */
	again.relay = config->relay;
	require(config_add_rules(&again, (const char *const *)texts, config->nr_rules, "again",
				 &errors) == 0);
	require(errors.count == 0 && again.nr_rules == config->nr_rules);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		require(rule_equal(&again.rules[i], &config->rules[i]));
		free(texts[i]);
	}
	free(texts);
	config_free(&again);
}

#endif
