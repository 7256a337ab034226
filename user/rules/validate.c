/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "rules/feedback.h"
#include "base/lookup.h"

/* Slots on the stack for the outputs of one rule. */
#define OUTPUT_SLOTS (2 * XMC_MAX_OUTPUTS)
_Static_assert((OUTPUT_SLOTS & (OUTPUT_SLOTS - 1)) == 0, "a power of two");

#define STRING_OF(text) #text
#define STRING(macro)	STRING_OF(macro)

static uint32_t hash_name(const struct rule *rule)
{
	return lookup_hash_text(rule->name);
}

static bool same_name(const void *array, uint32_t index, const void *key)
{
	const struct rule *a = (const struct rule *)array + index, *b = key;

	return strcmp(a->name, b->name) == 0;
}

static uint32_t hash_input(const struct rule *rule)
{
	uint32_t hashed = lookup_hash(LOOKUP_SEED, &rule->source, sizeof(rule->source));

	hashed = lookup_hash(hashed, &rule->source_host_bits, sizeof(rule->source_host_bits));
	hashed = lookup_hash(hashed, &rule->group, sizeof(rule->group));
	hashed = lookup_hash(hashed, &rule->port, sizeof(rule->port));
	return lookup_hash(hashed, rule->iface, strlen(rule->iface));
}

static bool same_input(const void *array, uint32_t index, const void *key)
{
	const struct rule *a = (const struct rule *)array + index, *b = key;

	return a->port == b->port && addr_equal(&a->group, &b->group) &&
	       addr_equal(&a->source, &b->source) && a->source_host_bits == b->source_host_bits &&
	       strcmp(a->iface, b->iface) == 0;
}

/* Outputs by where they send, however that is written: keys and elements of one rule. */
static uint32_t hash_output(const struct rule *rule, const struct rule_output *output)
{
	uint32_t hashed = lookup_hash(LOOKUP_SEED, &output->to, sizeof(output->to));
	uint16_t port = rule_output_port(rule, output);

	hashed = lookup_hash(hashed, &port, sizeof(port));
	return lookup_hash(hashed, output->iface, strlen(output->iface));
}

static bool same_output(const void *array, uint32_t index, const void *key)
{
	const struct rule *rule = array;
	const struct rule_output *a = &rule->outputs[index], *b = key;

	return rule_output_port(rule, a) == rule_output_port(rule, b) &&
	       addr_equal(&a->to, &b->to) && strcmp(a->iface, b->iface) == 0;
}

static bool same_iface(const void *array, uint32_t index, const void *key)
{
	const struct iface_config *a = (const struct iface_config *)array + index, *b = key;

	return strcmp(a->name, b->name) == 0;
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

	input_format(rule, text);
	errors_add(subject->errors, &subject->where->input, text, strlen(text), "%s", message);
}

static void source_error(const struct subject *subject, const char *message)
{
	char text[SOURCE_TEXT_SIZE];

	source_format(subject->rule, text);
	errors_add(subject->errors, &subject->where->options[RULE_OPTION_SOURCE], text,
		   strlen(text), "%s", message);
}

static void output_error(const struct subject *subject, unsigned int index, const char *message)
{
	const struct rule_output *output = &subject->rule->outputs[index];
	char text[ENDPOINT_TEXT_SIZE];

	output_format(output, text);
	errors_add(subject->errors, &subject->where->outputs[index], text, strlen(text), "%s",
		   message);
}

/* What an IPv6 address says of where it holds (RFC 4291 sections 2.5.6, 2.7): of an IPv4 one, and
 * of any but these, nothing that matters here. */
static bool is_link_local(const struct xmc_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

static bool stays_on_host(const struct xmc_addr *addr)
{
	return addr->b[0] == 0xff && (addr->b[1] & 0xf) <= 1;
}

/* The payload alone is carried, so the families of input and outputs are free; a packet has one. */
static void check_addresses(const struct subject *subject)
{
	const struct rule *rule = subject->rule;
	bool ipv4 = addr_is_ipv4(&rule->group);

	if (!addr_is_any(&rule->source) && addr_is_ipv4(&rule->source) != ipv4)
		source_error(subject,
			     ipv4 ? "another address family than the input, expected IPv4"
				  : "another address family than the input, expected IPv6");
	if (stays_on_host(&rule->group))
		input_error(subject, "a group of interface-local scope is on no wire, expected "
				     "ff02: or wider");
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		if (stays_on_host(&output->to))
			output_error(subject, i,
				     "a group of interface-local scope leaves no host, expected "
				     "ff02: or wider");
		if (is_link_local(&output->to) && !*output->iface)
			output_error(subject, i,
				     "a link-local address without an interface, expected "
				     "[ADDR][:PORT]@IFACE");
	}
}

static void check_outputs(const struct subject *subject)
{
	const struct rule *rule = subject->rule;
	uint32_t slots[OUTPUT_SLOTS] = {0};
	struct lookup seen = {slots, OUTPUT_SLOTS - 1, rule, same_output};

	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		if (i == XMC_MAX_OUTPUTS) {
			output_error(subject, i,
				     "too many outputs for one rule, expected at most " STRING(
					     XMC_MAX_OUTPUTS));
			return;
		}
		if (!rule->may_loop && rule_output_is_input(rule, output))
			output_error(subject, i,
				     "the output is the rule's own input: a loop, expected "
				     "another address, port or interface, or `may_loop` in the "
				     "rule");
		if (output->burst_ms && !output_is_limited(output))
			output_error(subject, i,
				     "a burst without a limit, expected `rate` or "
				     "`pps` beside it");
		if (lookup_add(&seen, hash_output(rule, output), output, i) != LOOKUP_NONE)
			output_error(subject, i, "duplicate output, expected each once in a rule");
	}
}

void rule_validate(const struct rule *rule, const struct rule_positions *where,
		   struct errors *errors)
{
	struct subject subject = {rule, where, errors};

	check_addresses(&subject);
	check_outputs(&subject);
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

static void check_duplicates(const struct draft *draft, unsigned int index, struct lookup *names,
			     struct lookup *inputs, struct errors *errors)
{
	const struct rule *rule = &draft->config.rules[index];
	const struct rule_positions *where = rule_where(draft, index), *before;
	uint32_t name = lookup_add(names, hash_name(rule), rule, index);
	uint32_t input = lookup_add(inputs, hash_input(rule), rule, index);
	char text[ENDPOINT_TEXT_SIZE];

	/* Known to be valid: it is here for the others to be compared with. */
	if (!where)
		return;
	if (input != LOOKUP_NONE) {
		before = rule_where(draft, input);
		input_format(rule, text);
		duplicate_error(errors, &where->input, text, "input",
				before ? &before->input : NULL);
	}
	/* A derived name is duplicate because the input is: say so once. */
	if (name != LOOKUP_NONE && (where->named || input == LOOKUP_NONE)) {
		before = rule_where(draft, name);
		duplicate_error(errors, &where->name, rule->name, "rule name",
				before ? &before->name : NULL);
	}
}

static int check_rules(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct lookup names = {0}, inputs = {0};
	int error = -ENOMEM;

	if (lookup_init(&names, config->nr_rules, config->rules, same_name) ||
	    lookup_init(&inputs, config->nr_rules, config->rules, same_input))
		goto out;
	for (unsigned int i = 0; i < config->nr_rules; i++) {
		if (rule_where(draft, i))
			rule_validate(&config->rules[i], rule_where(draft, i), errors);
		check_duplicates(draft, i, &names, &inputs, errors);
	}
	error = 0;
out:
	lookup_free(&names);
	lookup_free(&inputs);
	return error;
}

/* Shapes of inputs (xmcast/abi.h) on one interface, of one family: a length of source, with a port
 * or with any; and how many shapes there are. */
static uint32_t hash_shapes(const struct rule *rule)
{
	int family = addr_family(&rule->group);

	return lookup_hash(lookup_hash_text(rule->iface), &family, sizeof(family));
}

static bool same_shapes(const void *array, uint32_t index, const void *key)
{
	const struct rule *a = (const struct rule *)array + index, *b = key;

	return addr_family(&a->group) == addr_family(&b->group) && strcmp(a->iface, b->iface) == 0;
}

static unsigned int shape_of(const struct rule *rule)
{
	struct xmc_rule_key key;

	rule_key(rule, &key);
	return xmc_shape_of(&key);
}

static uint32_t hash_shape(const struct rule *rule)
{
	unsigned int shape = shape_of(rule);

	return lookup_hash(hash_shapes(rule), &shape, sizeof(shape));
}

static bool same_shape(const void *array, uint32_t index, const void *key)
{
	const struct rule *a = (const struct rule *)array + index, *b = key;

	return same_shapes(array, index, key) && shape_of(a) == shape_of(b);
}

static void shapes_error(const struct draft *draft, uint32_t index, struct errors *errors)
{
	const struct rule *rule = &draft->config.rules[index];
	const struct rule_positions *where = rule_where(draft, index);
	bool any = addr_is_any(&rule->source);
	char text[ENDPOINT_TEXT_SIZE];

	if (any)
		input_format(rule, text);
	else
		source_format(rule, text);
	errors_add(
		errors, any ? &where->input : &where->options[RULE_OPTION_SOURCE], text,
		strlen(text),
		"too many lengths of sources on %s, expected at most " STRING(
			XMC_MAX_SHAPES) " for %s: prefixes, hosts and any source each count, with "
					"ports and with any port",
		rule->iface, addr_is_ipv4(&rule->group) ? "IPv4" : "IPv6");
}

/* A packet is looked up once for each shape, hence a limit. */
static int check_shapes(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct lookup shape = {0}, shapes = {0};
	uint8_t *counts = calloc(config->nr_rules + 1UL, 1);
	int error = -ENOMEM;

	if (!counts || lookup_init(&shape, config->nr_rules, config->rules, same_shape) ||
	    lookup_init(&shapes, config->nr_rules, config->rules, same_shapes))
		goto out;
	for (uint32_t i = 0; i < config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i];
		uint32_t first;

		if (lookup_add(&shape, hash_shape(rule), rule, i) != LOOKUP_NONE)
			continue;
		first = lookup_add(&shapes, hash_shapes(rule), rule, i);
		if (counts[first == LOOKUP_NONE ? i : first]++ >= XMC_MAX_SHAPES &&
		    rule_where(draft, i))
			shapes_error(draft, i, errors);
	}
	error = 0;
out:
	free(counts);
	lookup_free(&shape);
	lookup_free(&shapes);
	return error;
}

static int check_ifaces(const struct draft *draft, struct errors *errors)
{
	const struct config *config = &draft->config;
	struct lookup seen;

	if (lookup_init(&seen, config->nr_ifaces, config->ifaces, same_iface))
		return -ENOMEM;
	for (unsigned int i = 0; i < config->nr_ifaces; i++) {
		const char *name = config->ifaces[i].name;
		uint32_t before = lookup_add(&seen, lookup_hash_text(name), &config->ifaces[i], i);

		if (before != LOOKUP_NONE)
			duplicate_error(errors, &draft->ifaces_at[i], name, "interface",
					&draft->ifaces_at[before]);
	}
	lookup_free(&seen);
	return 0;
}

int config_validate(const struct draft *draft, struct errors *errors)
{
	unsigned int before = errors->count;
	int error = check_rules(draft, errors);

	if (!error)
		error = check_shapes(draft, errors);
	if (!error)
		error = feedback_check(draft, errors);
	if (!error)
		error = check_ifaces(draft, errors);
	if (!error && errors->count != before)
		error = -EINVAL;
	return error;
}
