/* SPDX-License-Identifier: BSD-2-Clause */
/* Several inputs: the part of rule.h about them. */
#include <stdio.h>
#include <string.h>

#include "rules/rule.h"

/* ---- views ---- */

const struct rule *rule_of_side(const struct rule *rule, unsigned int side, struct rule *view)
{
	*view = *rule;
	if (side < rule->nr_sides) {
		const struct rule_side *input = &rule->sides[side];

		view->side = (uint8_t)side;
		view->source = input->source;
		view->source_host_bits = input->source_host_bits;
		view->group = input->group;
		view->port = input->port;
		view->protocol = input->protocol;
		view->group_host_bits = input->group_host_bits;
		memcpy(view->iface, input->iface, sizeof(view->iface));
	}
	return view;
}

const char *side_format(const struct rule *rule, unsigned int side, char text[SIDE_TEXT_SIZE])
{
	char input[ENDPOINT_TEXT_SIZE];
	struct rule view;

	input_format(rule_of_side(rule, side, &view), input);
	snprintf(text, SIDE_TEXT_SIZE, "%s%s%s", rule->nr_sides ? rule->sides[side].label : "",
		 rule->nr_sides ? ":" : "", input);
	return text;
}

const char *rule_side_label(const struct rule *view)
{
	return view->nr_sides ? view->sides[view->side].label : NULL;
}

/* Members are compared one by one, because there may be padding between them. */
static bool sides_equal(const struct rule_side *a, const struct rule_side *b)
{
	return strcmp(a->label, b->label) == 0 && addr_equal(&a->group, &b->group) &&
	       a->port == b->port && a->protocol == b->protocol &&
	       addr_equal(&a->source, &b->source) && a->source_host_bits == b->source_host_bits &&
	       strcmp(a->iface, b->iface) == 0;
}

bool rule_sides_equal(const struct rule *a, const struct rule *b)
{
	bool equal = a->nr_sides == b->nr_sides;

	for (unsigned int i = 0; equal && i < a->nr_sides; i++)
		equal = sides_equal(&a->sides[i], &b->sides[i]);
	return equal;
}

/* ---- options ---- */

static const struct choice times[] = {{"ms", 1}, {"s", 1000}, {0}};

static const struct field return_time = {"return",
					 FIELD_UNITS,
					 FIELD(struct rule, return_ms),
					 .min = 1,
					 .max = RETURN_MS_MAX,
					 .choices = times,
					 .expected =
						 "a time from 1ms to 3600s, in ms or s, or never"};

bool return_parse(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;

	if (!word_is_any_case(word, "never"))
		return field_parse(&return_time, word, object, errors);
	rule->return_ms = RETURN_NEVER;
	return true;
}

void return_format(const void *object, char *text)
{
	const struct rule *rule = object;

	if (rule->return_ms == RETURN_NEVER)
		strcpy(text, "never");
	else
		field_format(&return_time, object, text);
}

/* OFFSET:BITS. */
static bool parse_number_place(const struct word *word, struct rule *rule, struct errors *errors)
{
	const char *colon = memchr(word->text, ':', word->length);
	size_t length = colon ? (size_t)(colon - word->text) : 0;
	struct word first = word_part(word, 0, length);
	struct word last = word_part(word, colon ? length + 1 : 0, word->length);
	unsigned int offset, bits;

	if (!colon || !word_to_number(&last, &bits) || (bits != 16 && bits != 32 && bits != 64)) {
		word_error(errors, word,
			   "not a way to merge, expected rtp, mold64, or OFFSET:16, OFFSET:32 or "
			   "OFFSET:64");
		return false;
	}
	if (!word_parse_number(&first, "offset", 0, MERGE_OFFSET_MAX, &offset, errors))
		return false;
	rule->merge = MERGE_FIELD;
	rule->merge_offset = (uint16_t)offset;
	rule->merge_bits = (uint8_t)bits;
	return true;
}

bool merge_parse(const struct word *word, void *object, struct errors *errors)
{
	struct rule *rule = object;

	rule->merge_offset = 0;
	rule->merge_bits = 0;
	if (word_is_any_case(word, "rtp"))
		rule->merge = MERGE_RTP;
	else if (word_is_any_case(word, "mold64"))
		rule->merge = MERGE_MOLD64;
	else
		return parse_number_place(word, rule, errors);
	return true;
}

void merge_format(const void *object, char *text)
{
	const struct rule *rule = object;

	if (rule->merge == MERGE_RTP)
		strcpy(text, "rtp");
	else if (rule->merge == MERGE_MOLD64)
		strcpy(text, "mold64");
	else if (rule->merge == MERGE_FIELD)
		sprintf(text, "%u:%u", rule->merge_offset, rule->merge_bits);
}

uint32_t rule_hold_ms(const struct rule *rule)
{
	return rule->hold_ms ? rule->hold_ms : HOLD_MS_DEFAULT;
}

uint32_t rule_return_ms(const struct rule *rule)
{
	return rule->return_ms ? rule->return_ms : RETURN_MS_DEFAULT;
}

uint32_t rule_skew_ms(const struct rule *rule)
{
	return rule->skew_ms ? rule->skew_ms : SKEW_MS_DEFAULT;
}
