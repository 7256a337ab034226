/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/add.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/grammar.h"
#include "rules/validate.h"

/* Refused texts are left out of the draft; that they are is seen from the errors. */
static int add_text(struct draft *draft, const char *text, const struct position *at,
		    struct errors *errors)
{
	struct rule_positions where;
	struct rule rule;
	int error = grammar_parse_rule(text, strlen(text), at, &rule, &where, errors);

	if (!error)
		error = draft_add_rule(draft, &rule, &where, errors);
	return error == -ENOMEM ? error : 0;
}

static int fill_draft(struct draft *draft, const char *const *texts, size_t count,
		      const char *label, struct errors *errors)
{
	int error = 0;

	for (size_t i = 0; i < count && !error && !draft->full; i++) {
		struct position at = {label, (unsigned int)i + 1, 1};

		error = add_text(draft, texts[i], &at, errors);
	}
	return error ? error : config_validate(draft, errors);
}

int config_add_rules(struct config *config, const char *const *texts, size_t count,
		     const char *label, struct errors *errors)
{
	unsigned int before = errors->count;
	struct draft draft;
	int error = draft_init_from(&draft, config);

	if (!error)
		error = fill_draft(&draft, texts, count, label, errors);
	if (!error && errors->count != before)
		error = -EINVAL;
	if (error) {
		draft_free(&draft);
		return error;
	}
	draft_free_positions(&draft);
	/* The rules that it had live on in the draft's array. */
	free(config->rules);
	config->rules = draft.config.rules;
	config->nr_rules = draft.config.nr_rules;
	free(draft.config.ifaces);
	return 0;
}

int config_add_rule_text(struct config *config, const char *text, const char *label,
			 struct errors *errors)
{
	return config_add_rules(config, &text, 1, label, errors);
}
