/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A named value of a struct, as a line of a table: settings (settings.h) and the options of rules
 * and outputs (rule.h) are lists of fields. Reading, writing and comparing values, messages about
 * them and the reference are made from these lines. Pure; any thread.
 */
#ifndef XMCAST_RULES_FIELD_H
#define XMCAST_RULES_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rules/words.h"

enum field_type {
	FIELD_CHOICE,  /* one of `choices` */
	FIELD_SWITCH,  /* a bool: yes or no; `choices` has the two words that are written */
	FIELD_NUMBER,  /* from `min` to `max`, or one of `choices` */
	FIELD_POWER,   /* the same, and a power of two */
	FIELD_UNITS,   /* a number and one of `choices`, which are units, the smallest first */
	FIELD_PATH,    /* an absolute path, in an array of char */
	FIELD_ACCOUNT, /* the name or the number of a user or group, in an array of char */
	FIELD_LIST,  /* numbers from `min` to `max`: an unsigned count, then an array of uint16_t */
	FIELD_OTHER, /* see `parse` and `format` */
	FIELD_RETIRED, /* refused; `help` says what to use instead */
};

/* A word and its value, or a unit and its size. */
struct choice {
	const char *name; /* NULL ends a list */
	unsigned int value;
};

struct field {
	/* A setting: SECTION.KEY or SECTION.SECTION.KEY. An option: its word in the grammar. NULL
	 * ends a table. */
	const char *name;
	enum field_type type;
	size_t offset, size; /* in the struct; numbers have 1, 2, 4 or 8 bytes */
	uint64_t min, max;
	/* The default. A number outside `min` to `max`, or an empty text or list, means "not set".
	 */
	unsigned int value;
	const struct choice *choices;
	const struct choice *also; /* words that are read, too, but written as numbers */
	/* Instead of what the type does: true, or false with an error appended. Empty text: the
	 * default. */
	bool (*parse)(const struct word *word, void *object, struct errors *errors);
	void (*format)(const void *object, char *text);
	bool required;	  /* in the file */
	bool live;	  /* a setting that a reload applies; others need a restart */
	const char *key;  /* the key in the file, if this FIELD_SWITCH has the opposite value there:
			     `disabled` is `enabled: no` */
	const char *what; /* "number of seconds", "group": for messages; default: the key */
	const char *expected; /* for messages, if it is not what the type says */
	/* For the reference. */
	const char *form;    /* "N(ms|s)": the value, if it is not what the type says */
	const char *unset;   /* what a default means that is no value */
	const char *example; /* a value, if the default is none */
	const char *help;    /* sentences without line breaks */
};

/* Initializers of offset and size. */
#define FIELD(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)
/* Of two members, one behind the other. */
#define FIELDS(type, first, last)                                                                  \
	offsetof(type, first),                                                                     \
		offsetof(type, last) + sizeof(((type *)NULL)->last) - offsetof(type, first)

/* Longest value as text, with its NUL: a list of 128 numbers. */
#define FIELD_TEXT_SIZE 1024

/* The field of a list that has this name, or NULL. */
const struct field *field_find(const struct field *list, const char *name);

/* Set the object's field to the value that the word says; of FIELD_LIST the word is an item, and is
 * appended. False: it is none, and an error was appended. */
bool field_parse(const struct field *field, const struct word *word, void *object,
		 struct errors *errors);

/* Write the value as the grammar and the file have it, without quotes; empty: not set. Returns
 * `text`. */
const char *field_format(const struct field *field, const void *object, char text[FIELD_TEXT_SIZE]);

/* "on|off|N", "yes|no": the form of a value. Returns `text`. */
const char *field_form(const struct field *field, char text[FIELD_TEXT_SIZE]);

/* "a number from 1 to 64", "one of auto, native, skb": what a value, or an item of a list, must be.
 * Returns `text`. */
const char *field_expected(const struct field *field, char text[FIELD_TEXT_SIZE]);

/* The field's value as a number, or as a number to be set. Not of texts and lists. */
uint64_t field_number(const struct field *field, const void *object);
void field_set_number(const struct field *field, void *object, uint64_t number);

/* Set the field to its default. */
void field_set_default(const struct field *field, void *object);

/* Whether both objects have the same value. */
bool field_equal(const struct field *field, const void *a, const void *b);

/* Whether the value is a text, which may need YAML's quotes. */
bool field_is_text(const struct field *field);

#endif
