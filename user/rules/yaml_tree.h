/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML document as a tree whose every node knows its place in the file. The subset that a
 * configuration needs: one document; no aliases, anchors, tags or merge keys; keys are words; at
 * most TREE_DEPTH_MAX levels. No I/O; any thread.
 *
 * Scalars are given as they stand in the file, not as YAML folds them: the words of a rule that is
 * wrapped over several lines keep their places. Only where quotes contain escapes the text is the
 * unescaped one.
 */
#ifndef XMCAST_RULES_YAML_TREE_H
#define XMCAST_RULES_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "rules/words.h"

/* A rule's outputs are at level 5. */
#define TREE_DEPTH_MAX 8

/* Bound the memory that a hostile file makes us take (32 bytes a node). The largest sensible file
 * has 3 nodes per 23 bytes ("- to: 10.0.0.1:5"): 2.2 million. */
#define TREE_BYTES_MAX (16u << 20)
#define TREE_NODES_MAX (1u << 22)

enum tree_kind {
	TREE_SCALAR,
	TREE_SEQUENCE,
	TREE_MAPPING, /* its children are key, value, key, value, ... */
	TREE_REFUSED, /* stands for what was refused and reported already */
};

/* A node is its index; 0 is none. */
typedef uint32_t tree_node;

struct tree_entry {
	const char *text; /* a scalar's text; of others, the word at which they begin */
	uint32_t length;
	uint32_t line;
	uint32_t column;
	tree_node next;	 /* the next child of the same parent */
	tree_node child; /* the first child */
	uint8_t kind;
	bool plain; /* a scalar without quotes */
};

struct yaml_tree {
	const char *file;
	struct tree_entry *entries; /* entry 0 is not used */
	uint32_t nr_entries;
	struct tree_text *texts; /* unescaped scalars, in a list */
};

/*
 * Parse `length` bytes, which must outlive the tree, as does `file`, the name used in errors.
 * Returns 0, also if parts were refused (TREE_REFUSED, errors appended) but the rest can be read;
 * -EINVAL if it cannot (errors appended); -ENOMEM. The caller calls tree_free() in any case.
 */
int tree_parse(struct yaml_tree *tree, const char *bytes, size_t length, const char *file,
	       struct errors *errors);

void tree_free(struct yaml_tree *tree);

/* The root of the document, or 0 if there is none. */
tree_node tree_root(const struct yaml_tree *tree);

/* The first child of a sequence or mapping, and the one after a child; 0: none. */
tree_node tree_child(const struct yaml_tree *tree, tree_node parent);
tree_node tree_next(const struct yaml_tree *tree, tree_node child);

enum tree_kind tree_kind(const struct yaml_tree *tree, tree_node node);

/* A plain scalar of no characters: "key:" with nothing behind it. */
bool tree_is_null(const struct yaml_tree *tree, tree_node node);

/* The node's text and place. */
struct word tree_word(const struct yaml_tree *tree, tree_node node);

#endif
