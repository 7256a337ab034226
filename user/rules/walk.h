/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walking a YAML tree by a schema: tables of fields say what keys a mapping may have, and what each
 * does. Every error is reported with its place, and the walk goes on. Internal to this module.
 */
#ifndef XMCAST_RULES_WALK_H
#define XMCAST_RULES_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/choices.h"
#include "rules/draft.h"
#include "rules/yaml_tree.h"

struct walk {
	struct yaml_tree tree;
	struct draft draft;
	struct errors *errors;
};

/*
 * One key of a mapping. `parse` is called with a value of a kind in `kinds` (bits 1 << kind), and
 * with the object that the mapping fills. It appends errors and returns 0, or -ENOMEM.
 */
struct field {
	const char *key;
	unsigned int kinds;
	const char *expected;
	bool required;
	bool nullable; /* no value at all leaves the defaults */
	int (*parse)(struct walk *walk, tree_node value, void *object);
};

#define SCALAR	 (1u << TREE_SCALAR)
#define SEQUENCE (1u << TREE_SEQUENCE)
#define MAPPING	 (1u << TREE_MAPPING)

/* Whether the value is of a kind that is expected; if not, that is reported (unless it was). */
bool walk_check_kind(struct walk *walk, tree_node value, unsigned int kinds, const char *expected);

/* Walk a mapping whose keys are `fields`. 0 or -ENOMEM. */
int walk_mapping(struct walk *walk, tree_node mapping, const struct field *fields, size_t count,
		 void *object);

/* One of a few words. False: it is none of them, and that is reported. `more` says what else would
 * have been right. */
bool walk_choice(struct walk *walk, const struct word *word, const struct choice *choices,
		 size_t count, const char *more, unsigned int *value);

/* yes, no, and what else YAML has for them. False: it is none of them, and that is reported. */
bool walk_bool(struct walk *walk, const struct word *word, bool *value);

#endif
