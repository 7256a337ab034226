/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/draft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/array.h"

/* ---- rules ---- */

const char *position_line(const struct position *at, const struct position *from,
			  char text[LINE_TEXT_SIZE])
{
	*text = '\0';
	if (at->line && strcmp(at->file, from->file) != 0)
		snprintf(text, LINE_TEXT_SIZE, " (%.256s:%u)", at->file, at->line);
	else if (at->line)
		snprintf(text, LINE_TEXT_SIZE, " (line %u)", at->line);
	return text;
}

void report_same_input(const struct placed_rule *rule, const struct placed_rule *before,
		       struct errors *errors)
{
	char text[ENDPOINT_TEXT_SIZE], line[LINE_TEXT_SIZE];
	const struct position *at = &rule->where->at[RULE_INPUT];

	if (rule->rule->nr_sides)
		at = &rule->where->sides[rule->rule->side];
	input_format(rule->rule, text);
	errors_add(errors, at, text, strlen(text), "duplicate input: rule %s%s already has it",
		   before->rule->name, position_line(&before->where->at[RULE_INPUT], at, line));
}

void report_same_name(const struct placed_rule *rule, const struct placed_rule *before,
		      struct errors *errors)
{
	const char *name = rule->rule->name;
	char text[ENDPOINT_TEXT_SIZE], line[LINE_TEXT_SIZE];

	errors_add(errors, &rule->where->at[RULE_NAME], name, strlen(name),
		   "duplicate name: the rule for %s%s already has it",
		   input_format(before->rule, text),
		   position_line(&before->where->at[RULE_NAME], &rule->where->at[RULE_NAME], line));
}

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
	struct output_place *places;

	if (!outputs)
		return -ENOMEM;
	rule->outputs = outputs;
	places = array_grow(where->outputs, used, sizeof(*places));
	if (!places)
		return -ENOMEM;
	where->outputs = places;
	if (used > XMC_MAX_OUTPUTS)
		return 0;
	outputs[used] = *output;
	places[used] = (struct output_place){.at = *at};
	rule->nr_outputs++;
	return 0;
}

void rule_complete(struct rule *rule, const struct rule_positions *where,
		   const struct default_config *defaults)
{
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (rule->outputs[i].same)
			rule->outputs[i].to = rule->group;
		output_complete(&rule->outputs[i], where->outputs[i].given, defaults);
	}
	if (!where->named)
		rule_derive_name(rule);
}

/* ---- configurations ---- */

void draft_init(struct draft *draft)
{
	memset(draft, 0, sizeof(*draft));
	config_init(&draft->config);
}

/* Room for this number of rules and their positions. */
static int reserve(struct draft *draft, size_t count)
{
	size_t room = draft->room ? draft->room : 1;
	struct rule_positions *positions;
	struct rule *rules;

	if (count <= draft->room)
		return 0;
	while (room < count)
		room *= 2;
	rules = reallocarray(draft->config.rules, room, sizeof(*rules));
	if (!rules)
		return -ENOMEM;
	draft->config.rules = rules;
	positions = reallocarray(draft->rules_at, room, sizeof(*positions));
	if (!positions)
		return -ENOMEM;
	draft->rules_at = positions;
	draft->room = (unsigned int)room;
	return 0;
}

int draft_init_from(struct draft *draft, const struct config *config, size_t more)
{
	int err;

	memset(draft, 0, sizeof(*draft));
	err = config_copy(&draft->config, config);
	if (!err)
		err = reserve(draft, config->nr_rules + more);
	if (err)
		config_free(&draft->config);
	else if (config->nr_rules)
		memset(draft->rules_at, 0, config->nr_rules * sizeof(*draft->rules_at));
	return err;
}

int draft_add_rule(struct draft *draft, struct rule *rule, struct rule_positions *where)
{
	unsigned int used = draft->config.nr_rules;
	int err = reserve(draft, used + 1UL);

	if (err) {
		rule_free(rule);
		rule_positions_free(where);
		return err;
	}
	draft->config.rules[used] = *rule;
	draft->rules_at[used] = *where;
	draft->config.nr_rules++;
	memset(rule, 0, sizeof(*rule));
	memset(where, 0, sizeof(*where));
	return 0;
}

void draft_drop_rule(struct draft *draft, unsigned int index)
{
	rule_free(&draft->config.rules[index]);
	rule_positions_free(&draft->rules_at[index]);
}

void draft_compact(struct draft *draft)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < draft->config.nr_rules; i++) {
		if (!*draft->config.rules[i].name)
			continue;
		draft->config.rules[kept] = draft->config.rules[i];
		draft->rules_at[kept++] = draft->rules_at[i];
	}
	draft->config.nr_rules = kept;
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

void draft_finish(struct draft *draft, struct config *config)
{
	for (unsigned int i = 0; i < draft->config.nr_rules; i++)
		rule_positions_free(&draft->rules_at[i]);
	free(draft->rules_at);
	free(draft->ifaces_at);
	*config = draft->config;
	memset(draft, 0, sizeof(*draft));
}

void draft_free(struct draft *draft)
{
	struct config config;

	draft_finish(draft, &config);
	config_free(&config);
}
