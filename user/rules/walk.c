/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/walk.h"

#include <stdio.h>
#include <string.h>

/* Holds the names of all keys of a mapping, or of all choices of a value. */
#define NAMES_SIZE 128

/* Append a name to "a, b, c". */
static void list_name(char names[NAMES_SIZE], const char *name)
{
	size_t used = strlen(names);

	snprintf(names + used, NAMES_SIZE - used, "%s%s", used ? ", " : "", name);
}

bool walk_check_kind(struct walk *walk, tree_node value, unsigned int kinds, const char *expected)
{
	enum tree_kind kind = tree_kind(&walk->tree, value);
	struct word word;

	if (kinds & (1u << kind))
		return true;
	if (kind == TREE_REFUSED)
		return false;
	word = tree_word(&walk->tree, value);
	if (tree_is_null(&walk->tree, value))
		word_error(walk->errors, &word, "no value, expected %s", expected);
	else
		word_error(walk->errors, &word, "wrong type, expected %s", expected);
	return false;
}

static void unknown_key(struct walk *walk, const struct word *key, const struct field *fields,
			size_t count)
{
	char names[NAMES_SIZE] = "";

	for (size_t i = 0; i < count; i++)
		list_name(names, fields[i].key);
	word_error(walk->errors, key, "unknown key, expected one of %s", names);
}

static const struct field *find_field(const struct word *key, const struct field *fields,
				      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (word_is(key, fields[i].key))
			return &fields[i];
	}
	return NULL;
}

static int walk_pair(struct walk *walk, tree_node key, tree_node value, const struct field *fields,
		     size_t count, unsigned int *seen, void *object)
{
	struct word word = tree_word(&walk->tree, key);
	const struct field *field;

	if (!walk_check_kind(walk, key, SCALAR, "a key"))
		return 0;
	field = find_field(&word, fields, count);
	if (!field) {
		unknown_key(walk, &word, fields, count);
		return 0;
	}
	if (*seen & (1u << (field - fields)))
		word_error(walk->errors, &word, "duplicate key, expected it once");
	*seen |= 1u << (field - fields);
	if (field->nullable && tree_is_null(&walk->tree, value))
		return 0;
	if (!walk_check_kind(walk, value, field->kinds, field->expected))
		return 0;
	return field->parse(walk, value, object);
}

int walk_mapping(struct walk *walk, tree_node mapping, const struct field *fields, size_t count,
		 void *object)
{
	struct word word = tree_word(&walk->tree, mapping);
	unsigned int seen = 0;
	tree_node key = tree_child(&walk->tree, mapping);
	int error;

	while (key) {
		tree_node value = tree_next(&walk->tree, key);

		error = walk_pair(walk, key, value, fields, count, &seen, object);
		if (error)
			return error;
		key = tree_next(&walk->tree, value);
	}
	for (size_t i = 0; i < count; i++) {
		if (fields[i].required && !(seen & (1u << i)))
			word_error(walk->errors, &word, "no `%s:` here, expected %s", fields[i].key,
				   fields[i].expected);
	}
	return 0;
}

bool walk_choice(struct walk *walk, const struct word *word, const struct choice *choices,
		 size_t count, const char *more, unsigned int *value)
{
	char names[NAMES_SIZE] = "";

	for (size_t i = 0; i < count; i++) {
		if (word_is(word, choices[i].name)) {
			*value = choices[i].value;
			return true;
		}
		list_name(names, choices[i].name);
	}
	word_error(walk->errors, word, "unknown value, expected one of %s%s", names, more);
	return false;
}

bool walk_bool(struct walk *walk, const struct word *word, bool *value)
{
	static const struct choice choices[] = {{"yes", 1},   {"no", 0}, {"true", 1},
						{"false", 0}, {"on", 1}, {"off", 0}};
	unsigned int number;

	if (!walk_choice(walk, word, choices, COUNT(choices), "", &number))
		return false;
	*value = number;
	return true;
}
