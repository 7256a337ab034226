/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- parsing ---- */

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* An IPv6 address in brackets, or at least the first number of an IPv4 address with its dot. What
 * follows a colon in an IPv6 address without brackets, or is a port, is neither. */
static bool begins_address(const char *text, size_t length)
{
	size_t digits = 0;

	if (length && text[0] == '[')
		return true;
	while (digits < length && is_digit(text[digits]))
		digits++;
	return digits && digits < length && text[digits] == '.';
}

bool word_has_label(const struct word *word, struct word *label, struct word *input)
{
	const char *colon = memchr(word->text, ':', word->length);
	size_t length = colon ? (size_t)(colon - word->text) : 0;

	if (!length || !is_letter(word->text[0]) ||
	    !begins_address(colon + 1, word->length - length - 1))
		return false;
	*label = word_part(word, 0, length);
	*input = word_part(word, length + 1, word->length);
	return true;
}

static bool label_parse(const struct word *word, char label[SIDE_LABEL_SIZE], struct errors *errors)
{
	bool valid = word->length < SIDE_LABEL_SIZE;

	for (size_t i = 0; valid && i < word->length; i++)
		valid = is_letter(word->text[i]) || is_digit(word->text[i]) ||
			word->text[i] == '_' || word->text[i] == '-';
	if (!valid) {
		word_error(errors, word,
			   "not a label of an input, expected 1 to %d letters, digits, '_' and "
			   "'-', the first one a letter",
			   SIDE_LABEL_SIZE - 1);
		return false;
	}
	memset(label, 0, SIDE_LABEL_SIZE);
	memcpy(label, word->text, word->length);
	return true;
}

/* What was parsed last is the input of the last side. */
static void store_side(struct rule *rule)
{
	struct rule_side *side;

	if (!rule->nr_sides)
		return;
	side = &rule->sides[rule->nr_sides - 1];
	side->source = rule->source;
	side->source_host_bits = rule->source_host_bits;
	side->group = rule->group;
	side->port = rule->port;
	side->protocol = rule->protocol;
	side->group_host_bits = rule->group_host_bits;
	memcpy(side->iface, rule->iface, sizeof(side->iface));
}

static void clear_input(struct rule *rule)
{
	rule->source = rule->group = (struct xmc_addr){0};
	rule->source_host_bits = rule->group_host_bits = rule->protocol = 0;
	rule->port = 0;
	memset(rule->iface, 0, sizeof(rule->iface));
}

static bool has_label(const struct rule *rule, const char *label)
{
	for (unsigned int i = 0; i < rule->nr_sides; i++) {
		if (strcmp(rule->sides[i].label, label) == 0)
			return true;
	}
	return false;
}

/* Append a side with this label. */
static int add_side(struct rule *rule, struct rule_positions *where, const struct word *word,
		    const char *label)
{
	struct rule_side *sides = realloc(rule->sides, RULE_SIDES_MAX * sizeof(*sides));

	if (!sides)
		return -ENOMEM;
	rule->sides = sides;
	store_side(rule);
	clear_input(rule);
	where->sides[rule->nr_sides] = word->at;
	sides[rule->nr_sides] = (struct rule_side){.port = 0};
	memcpy(sides[rule->nr_sides++].label, label, SIDE_LABEL_SIZE);
	return 0;
}

int rule_begin_side(struct rule *rule, struct rule_positions *where, bool first,
		    const struct word *word, struct word *input, struct errors *errors)
{
	char label[SIDE_LABEL_SIZE];
	struct word name;

	*input = *word;
	if (first)
		where->at[RULE_INPUT] = word->at;
	if (!word_has_label(word, &name, input)) {
		if (first)
			return 0;
		word_error(errors, word,
			   "a further input without a label, expected `in LABEL:GROUP:PORT@IFACE`");
		return -EINVAL;
	}
	if (!label_parse(&name, label, errors))
		return -EINVAL;
	if (!first && !rule->nr_sides)
		word_error(errors, word,
			   "a further input, but the first one has no label, expected `in "
			   "LABEL:GROUP:PORT@IFACE` for each");
	else if (has_label(rule, label))
		word_error(errors, &name,
			   "a label that another input of the rule has, expected another one");
	else if (rule->nr_sides == RULE_SIDES_MAX)
		word_error(errors, word, "too many inputs, expected at most %d", RULE_SIDES_MAX);
	else
		return add_side(rule, where, word, label);
	return -EINVAL;
}

void rule_end_sides(struct rule *rule)
{
	struct rule view;

	if (!rule->nr_sides)
		return;
	store_side(rule);
	*rule = *rule_of_side(rule, 0, &view);
}

/* ---- checking ---- */

/* What is checked of a rule, and where its errors go. */
struct subject {
	const struct rule *rule;
	const struct rule_positions *where;
	struct errors *errors;
};

static void option_error(const struct subject *subject, unsigned int field, const char *message)
{
	char text[FIELD_TEXT_SIZE];

	field_format(&rule_fields[field], subject->rule, text);
	errors_add(subject->errors, &subject->where->at[field], text, strlen(text), "%s", message);
}

static void side_error(const struct subject *subject, unsigned int side, const char *message)
{
	char text[SIDE_TEXT_SIZE];

	side_format(subject->rule, side, text);
	errors_add(subject->errors, &subject->where->sides[side], text, strlen(text), "%s",
		   message);
}

/* Options that say something only together with another one. */
static void check_options(const struct subject *subject)
{
	const struct rule *rule = subject->rule;

	for (unsigned int i = RULE_HOLD; i <= RULE_BELOW; i++) {
		char text[FIELD_TEXT_SIZE];

		if (!rule->select && *field_format(&rule_fields[i], rule, text))
			option_error(subject, i,
				     "it is of `select first`, expected that beside it");
	}
	if (!rule->merge && rule->skew_ms)
		option_error(subject, RULE_SKEW, "it is of `merge`, expected that beside it");
	if (!rule->merge && rule->unordered)
		option_error(subject, RULE_ORDER, "it is of `merge`, expected that beside it");
	if (rule->select && rule->merge)
		option_error(subject, RULE_MERGE,
			     "both `select` and `merge`, expected one of them");
	if (rule->nr_sides >= 2)
		return;
	if (rule->select)
		option_error(subject, RULE_SELECT,
			     "`select` needs several inputs, expected `in "
			     "LABEL:GROUP:PORT@IFACE` for each");
	if (rule->merge)
		option_error(subject, RULE_MERGE,
			     "`merge` needs several inputs, expected `in "
			     "LABEL:GROUP:PORT@IFACE` for each");
}

static bool same_input(const struct rule_side *a, const struct rule_side *b)
{
	return addr_equal(&a->group, &b->group) && a->port == b->port &&
	       addr_equal(&a->source, &b->source) && a->source_host_bits == b->source_host_bits &&
	       strcmp(a->iface, b->iface) == 0;
}

static bool keeps_port(const struct rule *rule)
{
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		if (rule->outputs[i].port == RULE_PORT_KEPT)
			return true;
	}
	return false;
}

static void check_side(const struct subject *subject, unsigned int i)
{
	const struct rule *rule = subject->rule;
	const struct rule_side *side = &rule->sides[i];

	if (side->protocol)
		side_error(subject, i,
			   "an IP protocol among several inputs, expected GROUP:PORT@IFACE: the "
			   "user path alone has several inputs");
	if (side->group_host_bits)
		side_error(subject, i, "a prefix among several inputs, expected one group");
	if ((side->port == RULE_PORT_ANY) != (rule->port == RULE_PORT_ANY))
		side_error(subject, i,
			   "any port of one input and a port of another, expected the same of all");
	else if (side->port != rule->port && keeps_port(rule))
		side_error(subject, i,
			   "another port than the first input, and an output without one, "
			   "expected DEST:PORT[@IFACE] in each output");
	if (addr_is_ipv4(&side->group) != addr_is_ipv4(&rule->group))
		side_error(subject, i,
			   "another address family than the first input, expected the same of all");
	for (unsigned int j = 0; j < i; j++) {
		if (same_input(side, &rule->sides[j])) {
			side_error(subject, i, "an input that the rule has already");
			return;
		}
	}
}

void rule_check_sides(const struct rule *rule, const struct rule_positions *where,
		      struct errors *errors)
{
	const struct subject subject = {rule, where, errors};

	check_options(&subject);
	if (!rule->nr_sides)
		return;
	for (unsigned int i = 0; i < rule->nr_sides; i++)
		check_side(&subject, i);
	if (rule->nr_sides == 1)
		side_error(&subject, 0,
			   "a label, but no further input, expected `in GROUP:PORT@IFACE`, or a "
			   "second `in LABEL:GROUP:PORT@IFACE`");
	else if (!rule->select && !rule->merge)
		side_error(&subject, 1,
			   "several inputs, but not how one stream is made of them, expected "
			   "`select first` or `merge rtp|mold64|OFFSET:BITS` behind them");
	if (rule->path == RULE_PATH_KERNEL)
		option_error(&subject, RULE_PATH,
			     "the kernel path has one input, expected `path user` with several");
	if (rule->sequence_bits)
		option_error(&subject, RULE_SEQUENCE,
			     "a lease moves at a number of one input, expected no `sequence` with "
			     "several");
}
