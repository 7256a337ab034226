/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/yaml_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "rules/array.h"
#include "rules/utf8.h"

struct tree_text {
	struct tree_text *next;
	char bytes[];
};

/* A collection that is open, from the outermost to the innermost. */
struct level {
	tree_node node;
	tree_node last;	     /* its last child so far */
	unsigned int counts; /* its children */
};

struct builder {
	struct yaml_tree *tree;
	const char *bytes;
	size_t length;
	struct utf8_cursor cursor;
	struct errors *errors;
	struct level levels[TREE_DEPTH_MAX];
	unsigned int depth;
	unsigned int documents;
};

/* More than an error shows of a word. Without a bound, every node of a file that is one long line
 * would cost a walk to the end of it. */
#define WORD_LOOK 80

/* The length of the word at `offset` of the input: what an error about something that is not a
 * scalar shows. */
static size_t word_length(const struct builder *builder, size_t offset)
{
	size_t left = builder->length - offset, length = 0;

	if (left > WORD_LOOK)
		left = WORD_LOOK;
	while (length < left && !byte_is_space(builder->bytes[offset + length]))
		length++;
	return length;
}

/* The word at a mark of libyaml, which counts characters. */
static struct word word_at(struct builder *builder, const yaml_mark_t *mark)
{
	struct utf8_cursor *cursor = &builder->cursor;

	utf8_seek(cursor, mark->index);
	return (struct word){
		.text = builder->bytes + cursor->offset,
		.length = word_length(builder, cursor->offset),
		.at = {builder->tree->file, cursor->line,
		       (unsigned int)(cursor->offset - cursor->line_start) + 1},
	};
}

static int add_node(struct builder *builder, enum tree_kind kind, const struct word *word,
		    tree_node *node)
{
	struct yaml_tree *tree = builder->tree;
	struct tree_entry *entries;
	struct level *parent;

	if (tree->nr_entries == TREE_NODES_MAX) {
		word_error(builder->errors, word, "too many values, expected at most %u",
			   TREE_NODES_MAX);
		return -EINVAL;
	}
	entries = array_grow(tree->entries, tree->nr_entries, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	tree->entries = entries;
	*node = tree->nr_entries++;
	entries[*node] = (struct tree_entry){
		.text = word->text,
		.length = (uint32_t)word->length,
		.line = word->at.line,
		.column = word->at.column,
		.kind = kind,
	};
	if (builder->depth == 0)
		return 0;
	parent = &builder->levels[builder->depth - 1];
	if (parent->last)
		entries[parent->last].next = *node;
	else
		entries[parent->node].child = *node;
	parent->last = *node;
	parent->counts++;
	return 0;
}

/* Whether the node that comes next is a key. */
static bool expects_key(const struct builder *builder)
{
	const struct level *level;

	if (builder->depth == 0)
		return false;
	level = &builder->levels[builder->depth - 1];
	return builder->tree->entries[level->node].kind == TREE_MAPPING && level->counts % 2 == 0;
}

/* What our subset leaves out: report it. Returns whether there was something. */
static bool refuse_properties(struct builder *builder, const struct word *word,
			      const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		word_error(builder->errors, word,
			   "anchors are not supported, expected a value without &");
	if (tag)
		word_error(builder->errors, word,
			   "tags are not supported, expected a value without !");
	return anchor || tag;
}

static int add_refused(struct builder *builder, const struct word *word)
{
	tree_node node;

	return add_node(builder, TREE_REFUSED, word, &node);
}

static int add_alias(struct builder *builder, const yaml_event_t *event)
{
	struct word word = word_at(builder, &event->start_mark);

	word_error(builder->errors, &word, "aliases are not supported, expected a value");
	return add_refused(builder, &word);
}

/* A scalar's text as it stands in the file: without its quotes or its block indicator. */
static void strip_style(struct word *word, yaml_scalar_style_t style)
{
	size_t skip = 0, end = word->length;

	switch (style) {
	case YAML_SINGLE_QUOTED_SCALAR_STYLE:
	case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
		skip = 1;
		end--;
		break;
	case YAML_LITERAL_SCALAR_STYLE:
	case YAML_FOLDED_SCALAR_STYLE:
		while (skip < end && word->text[skip] != '\n')
			skip++;
		while (skip < end && byte_is_space(word->text[skip]))
			skip++;
		while (end > skip && byte_is_space(word->text[end - 1]))
			end--;
		break;
	default:
		break;
	}
	for (size_t i = 0; i < skip; i++) {
		word->at.column++;
		if (word->text[i] == '\n') {
			word->at.line++;
			word->at.column = 1;
		}
	}
	word->text += skip;
	word->length = end - skip;
}

/* Whether YAML's unescaping changes more than white space. */
static bool has_escapes(const struct word *word, yaml_scalar_style_t style)
{
	if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE)
		return memchr(word->text, '\'', word->length);
	if (style == YAML_DOUBLE_QUOTED_SCALAR_STYLE)
		return memchr(word->text, '\\', word->length);
	return false;
}

static int unescape(struct yaml_tree *tree, const yaml_event_t *event, struct word *word)
{
	size_t length = event->data.scalar.length;
	struct tree_text *text = malloc(sizeof(*text) + length);

	if (!text)
		return -ENOMEM;
	memcpy(text->bytes, event->data.scalar.value, length);
	text->next = tree->texts;
	tree->texts = text;
	word->text = text->bytes;
	word->length = length;
	return 0;
}

static int add_scalar(struct builder *builder, const yaml_event_t *event)
{
	yaml_scalar_style_t style = event->data.scalar.style;
	bool plain = style == YAML_PLAIN_SCALAR_STYLE;
	struct word word = word_at(builder, &event->start_mark);
	tree_node node;
	int error;

	/* With an anchor or a tag the event begins there, not at the text. */
	if (refuse_properties(builder, &word, event->data.scalar.anchor, event->data.scalar.tag))
		return add_refused(builder, &word);
	utf8_seek(&builder->cursor, event->end_mark.index);
	word.length = (size_t)(builder->bytes + builder->cursor.offset - word.text);
	if (plain && word_is(&word, "<<") && expects_key(builder)) {
		word_error(builder->errors, &word, "merge keys are not supported, expected a name");
		return add_refused(builder, &word);
	}
	strip_style(&word, style);
	if (has_escapes(&word, style)) {
		error = unescape(builder->tree, event, &word);
		if (error)
			return error;
	}
	error = add_node(builder, TREE_SCALAR, &word, &node);
	if (!error)
		builder->tree->entries[node].plain = plain;
	return error;
}

static int open_level(struct builder *builder, const yaml_event_t *event, enum tree_kind kind,
		      const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct word word = word_at(builder, &event->start_mark);
	tree_node node;
	int error;

	refuse_properties(builder, &word, anchor, tag);
	if (builder->depth == TREE_DEPTH_MAX) {
		word_error(builder->errors, &word, "nested too deeply, expected at most %d levels",
			   TREE_DEPTH_MAX);
		return -EINVAL;
	}
	error = add_node(builder, kind, &word, &node);
	if (!error)
		builder->levels[builder->depth++] = (struct level){.node = node};
	return error;
}

static int open_document(struct builder *builder, const yaml_event_t *event)
{
	struct word word;

	if (builder->documents++ == 0)
		return 0;
	word = word_at(builder, &event->start_mark);
	word_error(builder->errors, &word, "a second document, expected one in a file");
	return -EINVAL;
}

static int take_event(struct builder *builder, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return open_document(builder, event);
	case YAML_ALIAS_EVENT:
		return add_alias(builder, event);
	case YAML_SCALAR_EVENT:
		return add_scalar(builder, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(builder, event, TREE_SEQUENCE, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return open_level(builder, event, TREE_MAPPING, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		builder->depth--;
		return 0;
	default:
		return 0;
	}
}

/* What libyaml could not read. */
static int syntax_error(struct builder *builder, const yaml_parser_t *parser)
{
	const char *context = parser->context ? parser->context : "";
	struct word word;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	word = word_at(builder, &parser->problem_mark);
	if (word.text == builder->bytes + builder->length)
		word_error(builder->errors, &word, "the file ends too early: %s%s%s", context,
			   *context ? ": " : "", parser->problem);
	else
		word_error(builder->errors, &word, "not valid YAML: %s%s%s", context,
			   *context ? ": " : "", parser->problem);
	return -EINVAL;
}

static int parse_events(struct builder *builder, yaml_parser_t *parser)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_event_t event;
	int error = 0;

	while (!error && type != YAML_STREAM_END_EVENT) {
		if (!yaml_parser_parse(parser, &event))
			return syntax_error(builder, parser);
		type = event.type;
		error = take_event(builder, &event);
		yaml_event_delete(&event);
	}
	return error;
}

/* Refuse what YAML does not allow in a file at all, with its place; libyaml gives none for it. */
static int check_bytes(struct builder *builder)
{
	struct utf8_cursor bad = {.bytes = builder->bytes, .length = builder->length, .line = 1};
	struct position at = {.file = builder->tree->file};
	const char *what;

	if (utf8_find_bad(&bad, &what))
		return 0;
	at.line = bad.line;
	at.column = (unsigned int)(bad.offset - bad.line_start) + 1;
	errors_add(builder->errors, &at, builder->bytes + bad.offset, 1,
		   "%s, expected YAML text in UTF-8", what);
	return -EINVAL;
}

/* Refuse %TAG lines. We have no use for them, as tags are refused; and libyaml compares each with
 * every other, which takes minutes for a file that is full of them. */
static int check_directives(struct builder *builder)
{
	static const char directive[] = "%TAG";
	const size_t length = sizeof(directive) - 1;
	const char *end = builder->bytes + builder->length, *from = builder->bytes;
	struct word word = {.length = length, .at = {builder->tree->file, 1, 1}};

	while ((from = memmem(from, (size_t)(end - from), directive, length))) {
		/* Behind any of YAML's line ends, ASCII or not. */
		if (from == builder->bytes || (signed char)from[-1] < ' ') {
			word.text = from;
			for (const char *byte = builder->bytes; byte < from; byte++)
				word.at.line += *byte == '\n';
			word_error(builder->errors, &word,
				   "tag directives are not supported, expected `rules:`");
			return -EINVAL;
		}
		from += length;
	}
	return 0;
}

/* Entry 0 stands for "none". */
static int add_none(struct builder *builder)
{
	struct word none = {.text = ""};
	tree_node node;

	return add_node(builder, TREE_REFUSED, &none, &node);
}

int tree_parse(struct yaml_tree *tree, const char *bytes, size_t length, const char *file,
	       struct errors *errors)
{
	struct builder builder = {.tree = tree, .errors = errors};
	yaml_parser_t parser;
	int error;

	memset(tree, 0, sizeof(*tree));
	tree->file = file;
	if (length > TREE_BYTES_MAX) {
		errors_add(errors, &(struct position){.file = file}, NULL, 0,
			   "too large, expected at most %u bytes", TREE_BYTES_MAX);
		return -EINVAL;
	}
	/* A byte-order mark is no part of line 1. */
	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		length -= 3;
	}
	builder.bytes = bytes;
	builder.length = length;
	builder.cursor = (struct utf8_cursor){.bytes = bytes, .length = length, .line = 1};
	error = check_bytes(&builder);
	if (!error)
		error = check_directives(&builder);
	if (!error)
		error = add_none(&builder);
	if (error)
		return error;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, length);
	error = parse_events(&builder, &parser);
	yaml_parser_delete(&parser);
	return error;
}

void tree_free(struct yaml_tree *tree)
{
	while (tree->texts) {
		struct tree_text *text = tree->texts;

		tree->texts = text->next;
		free(text);
	}
	free(tree->entries);
	memset(tree, 0, sizeof(*tree));
}

tree_node tree_root(const struct yaml_tree *tree)
{
	return tree->nr_entries > 1 ? 1 : 0;
}

tree_node tree_child(const struct yaml_tree *tree, tree_node parent)
{
	return tree->entries[parent].child;
}

tree_node tree_next(const struct yaml_tree *tree, tree_node child)
{
	return tree->entries[child].next;
}

enum tree_kind tree_kind(const struct yaml_tree *tree, tree_node node)
{
	return tree->entries[node].kind;
}

bool tree_is_null(const struct yaml_tree *tree, tree_node node)
{
	const struct tree_entry *entry = &tree->entries[node];

	return entry->kind == TREE_SCALAR && entry->plain && entry->length == 0;
}

struct word tree_word(const struct yaml_tree *tree, tree_node node)
{
	const struct tree_entry *entry = &tree->entries[node];

	return (struct word){
		.text = entry->text,
		.length = entry->length,
		.at = {tree->file, entry->line, entry->column},
	};
}
