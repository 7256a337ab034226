/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/draft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/array.h"

void rule_positions_free(struct rule_positions *where)
{
	free(where->outputs);
	memset(where, 0, sizeof(*where));
}

int rule_add_output(struct rule *rule, struct rule_positions *where,
		    const struct rule_output *output, const struct position *at)
{
	unsigned int used = rule->nr_outputs;
	struct rule_output *outputs = array_grow(rule->outputs, used, sizeof(*outputs));
	struct position *positions;

	if (!outputs)
		return -ENOMEM;
	rule->outputs = outputs;
	positions = array_grow(where->outputs, used, sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	where->outputs = positions;
	if (used > XMC_MAX_OUTPUTS)
		return 0;
	outputs[used] = *output;
	positions[used] = *at;
	rule->nr_outputs++;
	return 0;
}

void rule_complete(struct rule *rule, const struct rule_positions *where)
{
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (!rule->outputs[i].ttl)
			rule->outputs[i].ttl = rule_default_ttl(&rule->outputs[i].to);
	}
	if (!where->named)
		rule_derive_name(rule);
}

void draft_init(struct draft *draft)
{
	memset(draft, 0, sizeof(*draft));
	config_init(&draft->config);
}

int draft_init_from(struct draft *draft, const struct config *config)
{
	unsigned int size = 1; /* as array_grow() would have left it */

	draft_init(draft);
	if (config->nr_rules == 0)
		return 0;
	while (size < config->nr_rules)
		size *= 2;
	draft->config.rules = reallocarray(NULL, size, sizeof(*config->rules));
	if (!draft->config.rules)
		return -ENOMEM;
	memcpy(draft->config.rules, config->rules, config->nr_rules * sizeof(*config->rules));
	draft->config.nr_rules = config->nr_rules;
	draft->first = config->nr_rules;
	return 0;
}

static int append_rule(struct draft *draft, const struct rule *rule,
		       const struct rule_positions *where, struct errors *errors)
{
	unsigned int used = draft->config.nr_rules;
	struct rule_positions *positions;
	struct rule *rules;

	if (used == XMC_MAX_RULES) {
		if (!draft->full)
			errors_add(errors, &where->name, rule->name, strlen(rule->name),
				   "too many rules, expected at most %d", XMC_MAX_RULES);
		draft->full = true;
		return -E2BIG;
	}
	rules = array_grow(draft->config.rules, used, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	draft->config.rules = rules;
	positions = array_grow(draft->rules_at, used - draft->first, sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	draft->rules_at = positions;
	rules[used] = *rule;
	positions[used - draft->first] = *where;
	draft->config.nr_rules++;
	return 0;
}

int draft_add_rule(struct draft *draft, struct rule *rule, struct rule_positions *where,
		   struct errors *errors)
{
	int error = append_rule(draft, rule, where, errors);

	if (error) {
		rule_free(rule);
		rule_positions_free(where);
	}
	/* Moved, or freed. */
	memset(rule, 0, sizeof(*rule));
	memset(where, 0, sizeof(*where));
	return error;
}

int draft_add_iface(struct draft *draft, const struct iface_config *iface,
		    const struct position *at)
{
	unsigned int used = draft->config.nr_ifaces;
	struct iface_config *ifaces = array_grow(draft->config.ifaces, used, sizeof(*ifaces));
	struct position *positions;

	if (!ifaces)
		return -ENOMEM;
	draft->config.ifaces = ifaces;
	positions = array_grow(draft->ifaces_at, used, sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	draft->ifaces_at = positions;
	ifaces[used] = *iface;
	positions[used] = *at;
	draft->config.nr_ifaces++;
	return 0;
}

void draft_free_positions(struct draft *draft)
{
	for (unsigned int i = draft->first; i < draft->config.nr_rules; i++)
		rule_positions_free(&draft->rules_at[i - draft->first]);
	free(draft->rules_at);
	free(draft->enabled_at);
	free(draft->ifaces_at);
}

void draft_free(struct draft *draft)
{
	draft_free_positions(draft);
	for (unsigned int i = draft->first; i < draft->config.nr_rules; i++)
		rule_free(&draft->config.rules[i]);
	free(draft->config.rules);
	free(draft->config.ifaces);
	memset(draft, 0, sizeof(*draft));
}
