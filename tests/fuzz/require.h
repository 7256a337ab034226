/* SPDX-License-Identifier: BSD-2-Clause */
/* Requirements that hold for any input: for the fuzz targets of rules. */
#ifndef XMCAST_TESTS_FUZZ_REQUIRE_H
#define XMCAST_TESTS_FUZZ_REQUIRE_H

#include <stdlib.h>

#include "rules/change.h"
#include "rules/grammar.h"

#include "must.h"

/* The rules, written as text and added one by one to an empty configuration, are accepted, and are
 * the same. */
static inline void require_rules_again(const struct config *config)
{
	char **texts = calloc(config->nr_rules + 1UL, sizeof(*texts));
	struct errors errors = {0};
	struct config again;

	must(texts);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		texts[i] = rule_format(&config->rules[i], NULL);
		must(texts[i]);
	}
	config_init(&again);
	/* Which rules are valid depends on it. */
	again.relay = config->relay;
	must(config_add_rules(&again, (const char *const *)texts, config->nr_rules, "again",
			      &errors) == 0);
	must(errors.count == 0 && again.nr_rules == config->nr_rules);
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		must(rule_equal(&again.rules[i], &config->rules[i]));
		free(texts[i]);
	}
	free(texts);
	config_free(&again);
}

#endif
