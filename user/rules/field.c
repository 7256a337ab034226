/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/field.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/near.h"

bool field_is_text(const struct field *field)
{
	return field->type == FIELD_PATH || field->type == FIELD_ACCOUNT ||
	       field->type == FIELD_OTHER;
}

/* ---- numbers ---- */

uint64_t field_number(const struct field *field, const void *object)
{
	const char *bytes = (const char *)object + field->offset;
	uint64_t number;
	uint32_t half;
	uint16_t quarter;

	if (field->size == sizeof(uint8_t))
		return *(const uint8_t *)bytes;
	if (field->size == sizeof(quarter)) {
		memcpy(&quarter, bytes, sizeof(quarter));
		return quarter;
	}
	if (field->size == sizeof(half)) {
		memcpy(&half, bytes, sizeof(half));
		return half;
	}
	memcpy(&number, bytes, sizeof(number));
	return number;
}

void field_set_number(const struct field *field, void *object, uint64_t number)
{
	char *bytes = (char *)object + field->offset;
	uint32_t half = (uint32_t)number;
	uint16_t quarter = (uint16_t)number;

	if (field->size == sizeof(uint8_t))
		*(uint8_t *)bytes = (uint8_t)number;
	else if (field->size == sizeof(quarter))
		memcpy(bytes, &quarter, sizeof(quarter));
	else if (field->size == sizeof(half))
		memcpy(bytes, &half, sizeof(half));
	else
		memcpy(bytes, &number, sizeof(number));
}

void field_set_default(const struct field *field, void *object)
{
	if (field->value)
		field_set_number(field, object, field->value);
}

bool field_equal(const struct field *field, const void *a, const void *b)
{
	return memcmp((const char *)a + field->offset, (const char *)b + field->offset,
		      field->size) == 0;
}

/* ---- reading ---- */

static bool find_choice(const struct choice *choice, const struct word *word, uint64_t *number)
{
	for (; choice && choice->name; choice++) {
		if (word_is_any_case(word, choice->name)) {
			*number = choice->value;
			return true;
		}
	}
	return false;
}

static bool parse_choice(const struct field *field, const struct word *word, uint64_t *number)
{
	return find_choice(field->choices, word, number) || find_choice(field->also, word, number);
}

static bool parse_number(const struct field *field, const struct word *word, uint64_t *number)
{
	unsigned int plain;

	if (!word_to_number(word, &plain))
		return false;
	*number = plain;
	return *number >= field->min && *number <= field->max &&
	       (field->type != FIELD_POWER || !(plain & (plain - 1)));
}

/* A number with a unit behind it. */
static bool parse_units(const struct field *field, const struct word *word, uint64_t *number)
{
	size_t digits = 0;
	struct word first, unit;
	unsigned int factor;

	while (digits < word->length && word->text[digits] >= '0' && word->text[digits] <= '9')
		digits++;
	first = word_part(word, 0, digits);
	unit = word_part(word, digits, word->length);
	if (!word_to_number(&first, &factor) || !parse_choice(field, &unit, number))
		return false;
	/* Nine digits and a unit of at most 10^9: below 2^60. */
	*number *= factor;
	return *number >= field->min && *number <= field->max;
}

/* What useradd(8) allows, or a number. Whether it exists is known when it is used. */
static bool is_account(const struct word *word)
{
	for (size_t i = 0; i < word->length; i++) {
		char c = word->text[i];
		bool valid = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
			     (c >= '0' && c <= '9') || (i && (c == '-' || c == '.'));

		if (!valid)
			return false;
	}
	return true;
}

/* It must fit with its NUL. It is padded with zeros, so that equal texts are equal bytes. */
static bool parse_text(const struct field *field, const struct word *word, void *object)
{
	char *text = (char *)object + field->offset;

	if (!word->length || word->length >= field->size)
		return false;
	if (field->type == FIELD_ACCOUNT
		    ? !is_account(word)
		    : word->text[0] != '/' || memchr(word->text, '\0', word->length))
		return false;
	memset(text, 0, field->size);
	memcpy(text, word->text, word->length);
	return true;
}

/* A FIELD_LIST. */
struct list {
	unsigned int count;
	uint16_t items[];
};

/* A misspelt word of the choices is named; otherwise all that is possible is. */
static void report(const struct field *field, const struct word *word, struct errors *errors)
{
	const char *dot = strrchr(field->name, '.');
	const char *what = field->what ? field->what : dot ? dot + 1 : field->name;
	const struct choice *const lists[] = {field->choices, field->also};
	struct near near = {.word = word->text, .length = word->length};
	char expected[FIELD_TEXT_SIZE], question[NEAR_TEXT_SIZE];

	for (size_t i = 0; i < 2 && field->type != FIELD_UNITS; i++) {
		for (const struct choice *choice = lists[i]; choice && choice->name; choice++)
			near_offer(&near, choice->name, strlen(choice->name));
	}
	if (near.name)
		word_error(errors, word, "not a valid %s%s", what, near_question(&near, question));
	else
		word_error(errors, word, "not a valid %s, expected %s", what,
			   field_expected(field, expected));
}

const struct field *field_find(const struct field *list, const char *name)
{
	while (list->name && strcmp(list->name, name) != 0)
		list++;
	return list->name ? list : NULL;
}

bool field_parse(const struct field *field, const struct word *word, void *object,
		 struct errors *errors)
{
	struct list *list = (struct list *)((char *)object + field->offset);
	uint64_t number = 0;
	bool valid, on;

	if (field->parse)
		return field->parse(word, object, errors);
	if (field_is_text(field)) {
		valid = parse_text(field, word, object);
	} else if (field->type == FIELD_LIST) {
		valid = parse_number(field, word, &number);
		if (valid && list->count == (field->size - sizeof(*list)) / sizeof(uint16_t)) {
			word_error(errors, word, "too many of them, expected at most %u",
				   list->count);
			return false;
		}
		if (valid)
			list->items[list->count++] = (uint16_t)number;
	} else {
		valid = field->type == FIELD_UNITS ? parse_units(field, word, &number)
						   : parse_choice(field, word, &number);
		if (field->type == FIELD_SWITCH && word_to_bool(word, &on)) {
			number = on;
			valid = true;
		}
		if (!valid && (field->type == FIELD_NUMBER || field->type == FIELD_POWER))
			valid = parse_number(field, word, &number);
		if (valid)
			field_set_number(field, object, number);
	}
	if (!valid)
		report(field, word, errors);
	return valid;
}

/* Append the words, with `between` them. Returns the length. */
static size_t list_choices(const struct choice *choice, const char *between,
			   char text[FIELD_TEXT_SIZE], size_t used)
{
	/* Also behind "one of ". */
	bool first = !used || text[used - 1] == ' ';

	text[used] = '\0';
	for (; choice && choice->name; choice++) {
		used += (size_t)snprintf(text + used, FIELD_TEXT_SIZE - used, "%s%s",
					 first ? "" : between, choice->name);
		first = false;
	}
	return used;
}

const char *field_form(const struct field *field, char text[FIELD_TEXT_SIZE])
{
	size_t used = list_choices(field->also, "|", text, 0);
	const char *rest = "";

	used = list_choices(field->choices, "|", text, used);
	if (field->form)
		return strcpy(text, field->form);
	if (field->type == FIELD_NUMBER || field->type == FIELD_POWER)
		rest = "N";
	else if (field->type == FIELD_LIST)
		rest = "[N, ...]";
	else if (field_is_text(field))
		rest = field->what;
	sprintf(text + used, "%s%s", used && *rest ? "|" : "", rest);
	for (char *byte = text + used; *byte; byte++)
		*byte = (char)toupper((unsigned char)*byte);
	return text;
}

const char *field_expected(const struct field *field, char text[FIELD_TEXT_SIZE])
{
	size_t used = list_choices(field->also, ", ", text, 0);

	used = list_choices(field->choices, ", ", text, used);
	if (field->expected) {
		snprintf(text, FIELD_TEXT_SIZE, "%s", field->expected);
	} else if (field->type == FIELD_CHOICE) {
		list_choices(field->choices, ", ", text, (size_t)sprintf(text, "one of "));
	} else if (field->type == FIELD_SWITCH) {
		snprintf(text, FIELD_TEXT_SIZE, WORD_BOOL_EXPECTED);
	} else if (field->type == FIELD_PATH) {
		snprintf(text, FIELD_TEXT_SIZE, "an absolute path of at most %zu bytes",
			 field->size - 1);
	} else if (field->type == FIELD_ACCOUNT) {
		snprintf(text, FIELD_TEXT_SIZE,
			 "the name or the number of a %s, at most %zu characters", field->what,
			 field->size - 1);
	} else {
		snprintf(text + used, FIELD_TEXT_SIZE - used, "%sa %s from %" PRIu64 " to %" PRIu64,
			 used ? " or " : "", field->type == FIELD_POWER ? "power of two" : "number",
			 field->min, field->max);
	}
	return text;
}

/* ---- writing ---- */

static void format_number(const struct field *field, uint64_t number, char text[FIELD_TEXT_SIZE])
{
	for (const struct choice *choice = field->choices; choice && choice->name; choice++) {
		if (choice->value == number) {
			strcpy(text, choice->name);
			return;
		}
	}
	if (number >= field->min && number <= field->max)
		snprintf(text, FIELD_TEXT_SIZE, "%" PRIu64, number);
}

/* In the largest unit that divides it. */
static void format_units(const struct field *field, uint64_t number, char text[FIELD_TEXT_SIZE])
{
	const struct choice *unit = field->choices;

	while (unit[1].name && number % unit[1].value == 0)
		unit++;
	if (number)
		snprintf(text, FIELD_TEXT_SIZE, "%" PRIu64 "%s", number / unit->value, unit->name);
}

static void format_list(const struct list *list, char text[FIELD_TEXT_SIZE])
{
	size_t used = 0;

	for (unsigned int i = 0; i < list->count; i++)
		used += (size_t)snprintf(text + used, FIELD_TEXT_SIZE - used, "%s%u",
					 i ? ", " : "[", list->items[i]);
	if (used)
		strcpy(text + used, "]");
}

const char *field_format(const struct field *field, const void *object, char text[FIELD_TEXT_SIZE])
{
	const char *bytes = (const char *)object + field->offset;

	text[0] = '\0';
	if (field->type == FIELD_RETIRED)
		return text;
	if (field->format)
		field->format(object, text);
	else if (field_is_text(field))
		snprintf(text, FIELD_TEXT_SIZE, "%s", bytes);
	else if (field->type == FIELD_LIST)
		format_list((const struct list *)bytes, text);
	else if (field->type == FIELD_UNITS)
		format_units(field, field_number(field, object), text);
	else
		format_number(field, field_number(field, object), text);
	return text;
}
