/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration that is being read: what schema.c (settings) and schema_rules.c have in common.
 */
#ifndef XMCAST_RULES_LOAD_H
#define XMCAST_RULES_LOAD_H

#include "rules/draft.h"
#include "rules/field.h"
#include "rules/yaml_reader.h"

struct config_source;

/* Where a group is defined, or named first. */
struct group_place {
	struct position at;
	bool defined;
};

struct load {
	struct yaml_reader *reader;
	struct draft draft;
	struct errors *errors;
	const struct config_source *sources;
	unsigned int count;	    /* of them */
	unsigned int source;	    /* the one that is read */
	struct group_place *groups; /* parallel to those of the draft */
	unsigned int group_number;  /* of the rule that is read, as struct rule has it */
};

/* Kinds of values. */
#define SCALAR	(1u << YAML_SCALAR)
#define LIST	(1u << YAML_LIST)
#define MAPPING (1u << YAML_MAPPING)

/* Of yaml_glued_key(): its length and the word. */
#define GLUED "no space behind the colon, expected `%.*s: `"

/* Whether the value is of one of these kinds. If not, it is reported, unless it has been, and
 * skipped. */
bool load_expect_kind(struct load *load, const struct yaml_value *value, unsigned int kinds,
		      const char *expected);

/* The next key of the open mapping, a word. False: the mapping has ended. */
bool load_next_key(struct load *load, struct yaml_value *key);

/* Append to "a, b, c". */
void load_list_name(char names[FIELD_TEXT_SIZE], const char *name, size_t length);

/* Report a key that is none of these, and skip its value. `elsewhere`: where it would be right, or
 * NULL. */
void load_unknown_key(struct load *load, const struct word *key, const char *names,
		      const char *elsewhere);

/* ---- groups of rules (schema_groups.c) ---- */

/* Read the value of `groups`. */
void load_groups(struct load *load, const struct yaml_value *mapping);

/* The number of the group that a rule names; 0: none, with an error. */
unsigned int load_group_of_rule(struct load *load, const struct word *word);

/* All files have been read: their rules get what their groups say. */
void load_end_groups(struct load *load);

/* Read the value of `rules`. */
void load_rules(struct load *load, const struct yaml_value *list);

#endif
