/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A hash set of indexes into some array: open addressing, linear probing, a slot holds index + 1.
 * Keys stay in the array; `same` compares two of its elements. The slots are at least twice as many
 * as the elements, so that a probe ends soon.
 */
struct seen {
	uint32_t *slots; /* all zero at first */
	uint32_t mask;	 /* slots - 1, a power of two less 1 */
	const void *array;
	bool (*same)(const void *array, unsigned int a, unsigned int b);
};

/* No index: the element was not there before. */
#define NOT_SEEN UINT32_MAX

/* Slots on the stack for the outputs of one rule. */
#define OUTPUT_SLOTS (2 * XMC_MAX_OUTPUTS)
_Static_assert((OUTPUT_SLOTS & (OUTPUT_SLOTS - 1)) == 0, "a power of two");

#define STRING_OF(text) #text
#define STRING(macro)	STRING_OF(macro)

/* FNV-1a, 32 bits. Who could craft collisions is root, who wrote the file. */
#define HASH_SEED  2166136261u
#define HASH_PRIME 16777619u

static uint32_t hash(uint32_t seed, const void *bytes, size_t length)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < length; i++)
		seed = (seed ^ byte[i]) * HASH_PRIME;
	return seed;
}

/* Add an element, unless an equal one is there: then its index is returned. */
static uint32_t seen_add(struct seen *seen, uint32_t hashed, unsigned int index)
{
	/* The low bits of FNV alone are its weakest. */
	uint32_t slot = (hashed ^ hashed >> 16) & seen->mask;

	for (; seen->slots[slot]; slot = (slot + 1) & seen->mask) {
		if (seen->same(seen->array, seen->slots[slot] - 1, index))
			return seen->slots[slot] - 1;
	}
	seen->slots[slot] = index + 1;
	return NOT_SEEN;
}

static int seen_init(struct seen *seen, unsigned int elements, const void *array,
		     bool (*same)(const void *, unsigned int, unsigned int))
{
	uint32_t slots = 2;

	while (slots < 2UL * elements)
		slots *= 2;
	*seen = (struct seen){.mask = slots - 1, .array = array, .same = same};
	seen->slots = calloc(slots, sizeof(*seen->slots));
	return seen->slots ? 0 : -ENOMEM;
}

static uint32_t hash_name(const struct rule *rule)
{
	return hash(HASH_SEED, rule->name, strlen(rule->name));
}

static bool same_name(const void *array, unsigned int a, unsigned int b)
{
	const struct rule *rules = array;

	return strcmp(rules[a].name, rules[b].name) == 0;
}

static uint32_t hash_input(const struct rule *rule)
{
	uint32_t hashed = hash(HASH_SEED, &rule->source, sizeof(rule->source));

	hashed = hash(hashed, &rule->group, sizeof(rule->group));
	hashed = hash(hashed, &rule->port, sizeof(rule->port));
	return hash(hashed, rule->iface, strlen(rule->iface));
}

static bool same_input(const void *array, unsigned int a, unsigned int b)
{
	const struct rule *rules = array;

	return rules[a].port == rules[b].port && addr_equal(&rules[a].group, &rules[b].group) &&
	       addr_equal(&rules[a].source, &rules[b].source) &&
	       strcmp(rules[a].iface, rules[b].iface) == 0;
}

static uint32_t hash_output(const struct rule_output *output)
{
	uint32_t hashed = hash(HASH_SEED, &output->to, sizeof(output->to));

	hashed = hash(hashed, &output->port, sizeof(output->port));
	return hash(hashed, output->iface, strlen(output->iface));
}

static bool same_output(const void *array, unsigned int a, unsigned int b)
{
	const struct rule_output *outputs = array;

	return outputs[a].port == outputs[b].port && addr_equal(&outputs[a].to, &outputs[b].to) &&
	       strcmp(outputs[a].iface, outputs[b].iface) == 0;
}

static bool same_iface(const void *array, unsigned int a, unsigned int b)
{
	const struct iface_config *ifaces = array;

	return strcmp(ifaces[a].name, ifaces[b].name) == 0;
}

/* One rule, and where it stands. */
struct subject {
	const struct rule *rule;
	const struct rule_positions *where;
	struct errors *errors;
};

static void input_error(const struct subject *subject, const char *message)
{
	const struct rule *rule = subject->rule;
	char text[ENDPOINT_TEXT_SIZE];

	endpoint_format(&rule->group, rule->port, rule->iface, text);
	errors_add(subject->errors, &subject->where->input, text, strlen(text), "%s", message);
}

static void source_error(const struct subject *subject, const char *message)
{
	char text[ADDR_TEXT_SIZE];

	addr_format(&subject->rule->source, text);
	errors_add(subject->errors, &subject->where->source, text, strlen(text), "%s", message);
}

static void output_error(const struct subject *subject, unsigned int index, const char *message)
{
	const struct rule_output *output = &subject->rule->outputs[index];
	char text[ENDPOINT_TEXT_SIZE];

	endpoint_format(&output->to, output->port, output->iface, text);
	errors_add(subject->errors, &subject->where->outputs[index], text, strlen(text), "%s",
		   message);
}

/* The one place that refuses IPv6: everything else is family-agnostic. To support it, delete. */
static void refuse_ipv6(const struct subject *subject)
{
	const char *message = "IPv6 is not supported yet, expected an IPv4 address";
	const struct rule *rule = subject->rule;

	if (!addr_is_ipv4(&rule->group))
		input_error(subject, message);
	if (!addr_is_any(&rule->source) && !addr_is_ipv4(&rule->source))
		source_error(subject, message);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (!addr_is_ipv4(&rule->outputs[i].to))
			output_error(subject, i, message);
	}
}

/* A payload is re-published in the family in which it came. */
static void check_families(const struct subject *subject)
{
	const struct rule *rule = subject->rule;
	bool ipv4 = addr_is_ipv4(&rule->group);
	const char *message = ipv4 ? "another address family than the input, expected IPv4"
				   : "another address family than the input, expected IPv6";

	if (!addr_is_any(&rule->source) && addr_is_ipv4(&rule->source) != ipv4)
		source_error(subject, message);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (addr_is_ipv4(&rule->outputs[i].to) != ipv4)
			output_error(subject, i, message);
	}
}

static bool output_is_input(const struct rule *rule, const struct rule_output *output)
{
	return output->port == rule->port && addr_equal(&output->to, &rule->group) &&
	       strcmp(output->iface, rule->iface) == 0;
}

static void check_outputs(const struct subject *subject)
{
	const struct rule *rule = subject->rule;
	uint32_t slots[OUTPUT_SLOTS] = {0};
	struct seen seen = {slots, OUTPUT_SLOTS - 1, rule->outputs, same_output};

	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		if (i == XMC_MAX_OUTPUTS) {
			output_error(subject, i,
				     "too many outputs for one rule, expected at most " STRING(
					     XMC_MAX_OUTPUTS));
			return;
		}
		if (output_is_input(rule, output))
			output_error(subject, i,
				     "the output is the rule's own input: a loop, expected "
				     "another address, port or interface");
		if (seen_add(&seen, hash_output(output), i) != NOT_SEEN)
			output_error(subject, i, "duplicate output, expected each once in a rule");
	}
}

/* Append an error about something that was there before, and where if that is known. */
static void duplicate_error(struct errors *errors, const struct position *at, const char *word,
			    const char *what, const struct position *before)
{
	if (before)
		errors_add(errors, at, word, strlen(word),
			   "duplicate %s, expected it once; first at line %u, column %u", what,
			   before->line, before->column);
	else
		errors_add(errors, at, word, strlen(word),
			   "duplicate %s, expected one that no rule has", what);
}

static const struct rule_positions *rule_where(const struct draft *draft, uint32_t index)
{
	return index < draft->first ? NULL : &draft->rules_at[index - draft->first];
}

static void check_duplicates(const struct draft *draft, unsigned int index, struct seen *names,
			     struct seen *inputs, struct errors *errors)
{
	const struct rule *rule = &draft->config.rules[index];
	const struct rule_positions *where = rule_where(draft, index), *before;
	uint32_t name = seen_add(names, hash_name(rule), index);
	uint32_t input = seen_add(inputs, hash_input(rule), index);
	char text[ENDPOINT_TEXT_SIZE];

	/* Known to be valid: it is here for the others to be compared with. */
	if (!where)
		return;
	if (input != NOT_SEEN) {
		before = rule_where(draft, input);
		endpoint_format(&rule->group, rule->port, rule->iface, text);
		duplicate_error(errors, &where->input, text, "input",
				before ? &before->input : NULL);
	}
	/* A derived name is duplicate because the input is: say so once. */
	if (name != NOT_SEEN && (where->named || input == NOT_SEEN)) {
		before = rule_where(draft, name);
		duplicate_error(errors, &where->name, rule->name, "rule name",
				before ? &before->name : NULL);
	}
}

static int check_rules(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct seen names = {0}, inputs = {0};
	int error = -ENOMEM;

	if (seen_init(&names, config->nr_rules, config->rules, same_name) ||
	    seen_init(&inputs, config->nr_rules, config->rules, same_input))
		goto out;
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		struct subject subject = {&config->rules[i], rule_where(draft, i), errors};

		if (subject.where) {
			refuse_ipv6(&subject);
			check_families(&subject);
			check_outputs(&subject);
		}
		check_duplicates(draft, i, &names, &inputs, errors);
	}
	error = 0;
out:
	free(names.slots);
	free(inputs.slots);
	return error;
}

static int check_ifaces(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct seen seen;

	if (seen_init(&seen, config->nr_ifaces, config->ifaces, same_iface))
		return -ENOMEM;
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		const char *name = config->ifaces[i].name;
		uint32_t before = seen_add(&seen, hash(HASH_SEED, name, strlen(name)), i);

		if (before != NOT_SEEN)
			duplicate_error(errors, &draft->ifaces_at[i], name, "interface",
					&draft->ifaces_at[before]);
	}
	free(seen.slots);
	return 0;
}

int config_validate(const struct draft *draft, struct errors *errors)
{
	unsigned int before = errors->count;
	int error = check_rules(draft, errors);

	if (!error)
		error = check_ifaces(draft, errors);
	if (!error && errors->count != before)
		error = -EINVAL;
	return error;
}
