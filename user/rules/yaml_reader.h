/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A YAML document, read value by value in the order of the file; nothing of it is kept. The subset
 * that a configuration needs: one document, no aliases, anchors or tags, at most YAML_DEPTH_MAX
 * levels. No I/O; any thread.
 *
 * Scalars are the characters of the file, not what YAML folds them to, so that the words of a rule
 * that is wrapped over several lines keep their places. Only a quoted scalar with escapes is
 * unescaped.
 */
#ifndef XMCAST_RULES_YAML_READER_H
#define XMCAST_RULES_YAML_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "rules/words.h"

/* A rule's outputs are at level 5. libyaml's time grows with the square of the depth. */
#define YAML_DEPTH_MAX 8

/* Bounds what a hostile file costs. 65,536 rules of two outputs are less than 10 MB. */
#define YAML_BYTES_MAX (16u << 20)

/* Whether YAML allows the character in a file: c-printable of YAML 1.1, without the byte-order mark
 * that it allows in the middle. */
bool yaml_allows(uint32_t code);

enum yaml_kind {
	YAML_END, /* of the list or mapping, or of the file; or reading has failed */
	YAML_SCALAR,
	YAML_LIST,    /* followed by its items, then YAML_END */
	YAML_MAPPING, /* followed by key, value, key, value, ..., then YAML_END */
	YAML_REFUSED, /* an alias, or a scalar with an anchor or a tag; reported already */
};

struct yaml_value {
	enum yaml_kind kind;
	bool plain; /* a scalar without quotes */
	/* A scalar's text; of a list or mapping, the word at which it begins. Valid until the next
	 * value is read, and then still valid unless it is an unescaped scalar. */
	struct word word;
};

struct yaml_reader;

/*
 * Begin to read `length` bytes. They must outlive the reader, as must `errors` and `file`, the name
 * used in errors. Returns 0; -EINVAL if the bytes cannot be YAML (errors appended); -ENOMEM.
 */
int yaml_reader_new(struct yaml_reader **reader, const char *bytes, size_t length, const char *file,
		    struct errors *errors);

/* Accepts NULL. */
void yaml_reader_free(struct yaml_reader *reader);

/* The next value. When reading has failed, which is reported, all further values are YAML_END. */
struct yaml_value yaml_read(struct yaml_reader *reader);

/* Read and drop what is left of the value: the content of a list or mapping. */
void yaml_skip(struct yaml_reader *reader, const struct yaml_value *value);

/* `key:` with nothing behind it. */
bool yaml_is_null(const struct yaml_value *value);

/* Let reading fail for a reason of the caller's, such as -ENOMEM. */
void yaml_fail(struct yaml_reader *reader, int err);

/* 0; -EINVAL if the rest cannot be read; -ENOMEM. */
int yaml_error(const struct yaml_reader *reader);

#endif
