/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/lookup.h"
#include "rules/aliases.h"
#include "rules/feedback.h"

/* All that is compared of a rule's input. The first members are the key of an interface and
 * family, and with the third of a shape there (xmcast/abi.h). */
struct input {
	char iface[IF_NAMESIZE];
	uint32_t family;
	uint32_t shape;
	struct xmc_rule_key key;
	uint32_t group_host_bits;
};

struct check {
	const struct draft *draft;
	struct errors *errors;
	uint32_t *order;      /* indexes of the rules, in the order in which they are checked */
	uint32_t *first;      /* of each rule: its first input */
	uint32_t *owner;      /* of each input: its rule */
	struct input *inputs; /* of all rules, those of a rule one behind the other */
	unsigned int *shapes; /* by the first input of an interface and family: shapes there */
	struct lookup by_name, by_input, by_family, by_shape, by_lease;
	unsigned int shards;   /* of all leases so far */
	unsigned int prefixes; /* of groups, likewise */
};

static void add_input(struct check *check, uint32_t owner, const struct rule *view, uint32_t index)
{
	struct input *input = &check->inputs[index];

	check->owner[index] = owner;
	memcpy(input->iface, view->iface, sizeof(input->iface));
	input->family = (uint32_t)addr_family(&view->group);
	rule_key(view, &input->key);
	input->shape = xmc_shape_of(&input->key);
	input->group_host_bits = view->group_host_bits;
}

static int init_lookups(struct check *check, size_t inputs)
{
	const struct config *config = &check->draft->config;
	size_t count = config->nr_rules;
	int err = lookup_init(&check->by_name, count, config->rules, sizeof(*config->rules), 0);

	if (!err)
		err = lookup_init(&check->by_input, inputs, check->inputs, sizeof(struct input),
				  sizeof(struct input));
	if (!err)
		err = lookup_init(&check->by_family, inputs, check->inputs, sizeof(struct input),
				  offsetof(struct input, shape));
	if (!err)
		err = lookup_init(&check->by_lease, count,
				  (const char *)config->rules + offsetof(struct rule, lease),
				  sizeof(*config->rules), LEASE_NAME_SIZE);
	if (!err)
		err = lookup_init(&check->by_shape, inputs, check->inputs, sizeof(struct input),
				  offsetof(struct input, key));
	return err;
}

static int check_init(struct check *check)
{
	const struct config *config = &check->draft->config;
	size_t count = config->nr_rules, inputs = 0;
	uint32_t next = 0;

	for (uint32_t i = 0; i < count; i++)
		inputs += rule_inputs(&config->rules[i]);
	check->order = calloc(count + 1, sizeof(*check->order));
	check->first = calloc(count + 1, sizeof(*check->first));
	check->owner = calloc(inputs + 1, sizeof(*check->owner));
	check->inputs = calloc(inputs + 1, sizeof(*check->inputs));
	check->shapes = calloc(inputs + 1, sizeof(*check->shapes));
	if (!check->order || !check->first || !check->owner || !check->inputs || !check->shapes)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		check->order[i] = i;
		check->first[i] = next;
		for (unsigned int j = 0; j < rule_inputs(&config->rules[i]); j++) {
			struct rule view;

			add_input(check, i, rule_of_side(&config->rules[i], j, &view), next++);
		}
	}
	return init_lookups(check, inputs);
}

static void check_free(struct check *check)
{
	lookup_free(&check->by_name);
	lookup_free(&check->by_input);
	lookup_free(&check->by_family);
	lookup_free(&check->by_shape);
	lookup_free(&check->by_lease);
	free(check->order);
	free(check->first);
	free(check->owner);
	free(check->inputs);
	free(check->shapes);
}

/* Rules that were accepted earlier come first, for the others to be compared with; then those of
 * the input, by line and column. */
static int compare_places(const void *a, const void *b, void *context)
{
	const struct draft *draft = context;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct position *x = &draft->rules_at[i].at[RULE_NAME],
			      *y = &draft->rules_at[j].at[RULE_NAME];

	/* Those of several files are in the order in which these were read. */
	if (x->line && y->line && x->file != y->file)
		return i < j ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return i < j ? -1 : i > j;
}

/* Report an input that another rule has. `index`: of the input. Returns whether there is one. */
static bool check_same_input(struct check *check, uint32_t index)
{
	const struct draft *draft = check->draft;
	uint32_t before = lookup_add(&check->by_input, index), owner = check->owner[index];
	struct rule_positions *where = &draft->rules_at[owner];
	struct placed_rule rule = {NULL, where}, other = {NULL, NULL};
	struct rule view, other_view;

	/* An input that a rule has twice is reported by rule_check_sides(). */
	if (before == LOOKUP_NONE || check->owner[before] == owner)
		return false;
	if (!where->at[RULE_NAME].line || where->input_reported)
		return true;
	rule.rule = rule_of_side(&draft->config.rules[owner], index - check->first[owner], &view);
	owner = check->owner[before];
	other.rule = rule_of_side(&draft->config.rules[owner], before - check->first[owner],
				  &other_view);
	other.where = &draft->rules_at[owner];
	report_same_input(&rule, &other, check->errors);
	return true;
}

static void check_duplicates(struct check *check, uint32_t index)
{
	const struct rule *rules = check->draft->config.rules;
	struct rule_positions *at = check->draft->rules_at;
	const struct placed_rule rule = {&rules[index], &at[index]};
	uint32_t by_name = lookup_add(&check->by_name, index);
	bool same_input = false;

	for (unsigned int i = 0; i < rule_inputs(rule.rule); i++)
		same_input |= check_same_input(check, check->first[index] + i);
	if (!rule.where->at[RULE_NAME].line)
		return;
	/* A derived name is duplicate because the input is: say so once. */
	if (by_name != LOOKUP_NONE && !rule.where->name_reported &&
	    (rule.where->named || !same_input))
		report_same_name(&rule, &(struct placed_rule){&rules[by_name], &at[by_name]},
				 check->errors);
}

static void check_lease(struct check *check, uint32_t index)
{
	const struct rule *rule = &check->draft->config.rules[index];
	struct rule_positions *at = check->draft->rules_at;
	const struct position *where = &at[index].at[RULE_LEASE];
	char text[FIELD_TEXT_SIZE], line[LINE_TEXT_SIZE];
	const struct rule *first;
	uint32_t before;

	if (!rule->lease_shards)
		return;
	field_format(&rule_fields[RULE_LEASE], rule, text);
	before = lookup_add(&check->by_lease, index);
	if (before == LOOKUP_NONE) {
		check->shards += rule->lease_shards;
		if (check->shards >= XMC_LEASE_SLOTS && where->line)
			errors_add(check->errors, where, text, strlen(text),
				   "too many shards of leases, expected at most %d in all",
				   XMC_LEASE_SLOTS - 1);
		return;
	}
	first = &check->draft->config.rules[before];
	if (first->lease_shards != rule->lease_shards && where->line)
		errors_add(check->errors, where, text, strlen(text),
			   "another number of shards, expected %u as in rule %s%s",
			   first->lease_shards, first->name,
			   position_line(&at[before].at[RULE_LEASE], where, line));
}

static void check_prefixes(struct check *check, uint32_t index)
{
	const struct rule *rule = &check->draft->config.rules[index];
	const struct position *at = &check->draft->rules_at[index].at[RULE_INPUT];
	char text[ENDPOINT_TEXT_SIZE];

	check->prefixes += rule->group_host_bits != 0;
	if (!rule->group_host_bits || check->prefixes <= RULE_PREFIXES_MAX || !at->line)
		return;
	input_format(rule, text);
	errors_add(check->errors, at, text, strlen(text),
		   "too many prefixes of groups, expected at most %d", RULE_PREFIXES_MAX);
}

/* A packet is looked up once for each shape of its interface and family, hence a limit. */
static void check_shape(struct check *check, uint32_t index)
{
	uint32_t owner = check->owner[index];
	const struct rule_positions *where = &check->draft->rules_at[owner];
	char text[ENDPOINT_TEXT_SIZE];
	struct rule view;
	uint32_t first;
	bool any;

	if (lookup_add(&check->by_shape, index) != LOOKUP_NONE)
		return;
	first = lookup_add(&check->by_family, index);
	if (check->shapes[first == LOOKUP_NONE ? index : first]++ < XMC_MAX_SHAPES ||
	    !where->at[RULE_NAME].line)
		return;
	rule_of_side(&check->draft->config.rules[owner], index - check->first[owner], &view);
	any = addr_is_any(&view.source);
	if (any)
		input_format(&view, text);
	else
		source_format(&view, text);
	errors_add(check->errors,
		   any ? position_of_input(&view, where) : position_of_source(&view, where), text,
		   strlen(text),
		   "too many lengths of sources on %s, expected at most %d for %s: prefixes, hosts "
		   "and any source each count, with ports and with any port or an IP protocol",
		   view.iface, XMC_MAX_SHAPES, addr_is_ipv4(&view.group) ? "IPv4" : "IPv6");
}

static int check_rules(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct check check = {.draft = draft, .errors = errors};
	int err = check_init(&check);

	if (err)
		goto out;
	qsort_r(check.order, config->nr_rules, sizeof(*check.order), compare_places, (void *)draft);
	for (uint32_t i = 0; i < config->nr_rules; i++) {
		uint32_t index = check.order[i];

		if (i == XMC_MAX_RULES) {
			const struct rule *rule = &config->rules[index];

			errors_add(errors, &draft->rules_at[index].at[RULE_NAME], rule->name,
				   strlen(rule->name), "too many rules, expected at most %d",
				   XMC_MAX_RULES);
			break;
		}
		if (draft->rules_at[index].at[RULE_NAME].line)
			rule_validate(config, &config->rules[index], &draft->rules_at[index],
				      errors);
		check_duplicates(&check, index);
		check_lease(&check, index);
		check_prefixes(&check, index);
	}
	for (uint32_t i = 0; i < config->nr_rules; i++) {
		uint32_t index = check.order[i];

		for (unsigned int j = 0; j < rule_inputs(&config->rules[index]); j++)
			check_shape(&check, check.first[index] + j);
	}
out:
	check_free(&check);
	return err;
}

/* ---- interfaces ---- */

_Static_assert(offsetof(struct iface_config, name) == 0, "found by its name");

static int check_ifaces(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct lookup seen;
	int err = lookup_init(&seen, config->nr_ifaces, config->ifaces, sizeof(*config->ifaces), 0);
	char line[LINE_TEXT_SIZE];

	for (unsigned int i = 0; i < config->nr_ifaces && !err; i++) {
		const char *name = config->ifaces[i].name;
		uint32_t before = lookup_add(&seen, i);

		if (before != LOOKUP_NONE)
			errors_add(errors, &draft->ifaces_at[i], name, strlen(name),
				   "duplicate interface: it is there already%s",
				   position_line(&draft->ifaces_at[before], &draft->ifaces_at[i],
						 line));
	}
	lookup_free(&seen);
	return err;
}

static int check(const struct draft *draft, struct errors *errors)
{
	unsigned int before = errors->count;
	int err = check_rules(draft, errors);

	if (!err)
		err = feedback_check(draft, errors);
	if (!err)
		err = check_ifaces(draft, errors);
	if (!err && errors->count != before)
		err = -EINVAL;
	return err;
}

int config_validate(const struct draft *draft, struct errors *errors)
{
	struct draft unified = *draft;
	int error = check(draft, errors);

	/* Once more with one name for each interface: errors then show that name. */
	if (!error)
		error = aliases_unify(&unified.config, &draft->config);
	if (error == -ENOENT)
		return 0;
	if (error)
		return error;
	error = check(&unified, errors);
	config_free(&unified.config);
	return error;
}
