/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/yaml_reader.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/unicode.h"
#include "rules/yaml_problem.h"

/* An error shows less of a word than this. Without a bound, every value in a file that is one long
 * line would cost a walk to its end. */
#define WORD_LOOK 80

struct yaml_reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the last one: an unescaped scalar points into it */
	const char *bytes;
	const char *end;
	/* A character of the input: libyaml counts characters, words are bytes. */
	const char *byte;
	size_t character;
	struct position at;
	struct errors *errors;
	unsigned int depth;
	unsigned int documents;
	int err;
};

static void measure(const struct yaml_reader *reader, struct word *word)
{
	while (word->length < WORD_LOOK && word->text + word->length < reader->end &&
	       !byte_is_space(word->text[word->length]))
		word->length++;
}

/* The word at a mark of libyaml. Marks rise, so that a file costs one pass. */
static struct word word_at(struct yaml_reader *reader, const yaml_mark_t *mark)
{
	struct word word = {0};

	if (mark->index < reader->character) {
		reader->byte = reader->bytes;
		reader->character = 0;
		reader->at.line = reader->at.column = 1;
	}
	while (reader->character < mark->index && reader->byte < reader->end) {
		size_t length = 1;

		while (reader->byte + length < reader->end &&
		       utf8_is_continuation(reader->byte[length]))
			length++;
		position_advance(&reader->at, reader->byte, length);
		reader->byte += length;
		reader->character++;
	}
	word.text = reader->byte;
	word.at = reader->at;
	measure(reader, &word);
	return word;
}

/* The word at a byte. */
static struct word word_from(const struct yaml_reader *reader, const char *byte)
{
	struct word word = {.text = byte, .at = {reader->at.file, 1, 1}};

	position_advance(&word.at, reader->bytes, (size_t)(byte - reader->bytes));
	measure(reader, &word);
	return word;
}

/* ---- what the subset leaves out ---- */

bool yaml_allows(uint32_t code)
{
	return code == '\t' || code == '\n' || code == '\r' || (code >= 0x20 && code < 0x7f) ||
	       code == 0x85 || (code >= 0xa0 && code <= 0xfffd && code != 0xfeff) ||
	       code >= 0x10000;
}

/* Report an anchor and a tag. Returns whether there is one. */
static bool has_properties(struct yaml_reader *reader, const struct word *word,
			   const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		word_error(reader->errors, word,
			   "anchors are not supported, expected a value without &");
	if (tag)
		word_error(reader->errors, word,
			   "tags are not supported, expected a value without !");
	return anchor || tag;
}

static bool ends_line(uint32_t code)
{
	return code == '\n' || code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029;
}

/*
 * Refuse bytes that YAML does not allow in a file at all, which libyaml reports without their
 * place; and %TAG lines, which serve no purpose, as tags are refused: libyaml compares each with
 * every other, which is minutes for a file full of them.
 */
static int check_bytes(const char *bytes, size_t length, const char *file, struct errors *errors)
{
	static const char directive[] = "%TAG";
	struct position at = {file, 1, 1};
	bool line_start = true;
	unsigned int count;

	for (size_t i = 0; i < length; i += count) {
		const char *what = NULL;
		uint32_t code = 0;

		count = utf8_decode(bytes + i, length - i, &code);
		if (!count)
			what = "not valid UTF-8";
		else if (!yaml_allows(code))
			what = code ? "a control character" : "a NUL byte";
		if (what) {
			errors_add(errors, &at, bytes + i, 1, "%s, expected YAML text in UTF-8",
				   what);
			return -EINVAL;
		}
		if (line_start && length - i >= strlen(directive) &&
		    memcmp(bytes + i, directive, strlen(directive)) == 0) {
			errors_add(errors, &at, directive, strlen(directive),
				   "tag directives are not supported, expected `rules:`");
			return -EINVAL;
		}
		line_start = ends_line(code);
		position_advance(&at, bytes + i, count);
	}
	return 0;
}

/* ---- scalars ---- */

/* Cut a scalar, as it stands in the file, down to its text: without quotes, without the indicator
 * of a block. */
static void strip_style(struct word *word, yaml_scalar_style_t style)
{
	size_t skip = 0, end = word->length;

	if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE) {
		skip = 1;
		end--;
	} else if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE) {
		while (skip < end && word->text[skip] != '\n')
			skip++;
		while (skip < end && byte_is_space(word->text[skip]))
			skip++;
		while (end > skip && byte_is_space(word->text[end - 1]))
			end--;
	}
	*word = word_part(word, skip, end);
}

/* Whether unescaping changes more than white space. */
static bool has_escapes(const struct word *word, yaml_scalar_style_t style)
{
	if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE)
		return memchr(word->text, '\'', word->length);
	return style == YAML_DOUBLE_QUOTED_SCALAR_STYLE && memchr(word->text, '\\', word->length);
}

static struct yaml_value scalar(struct yaml_reader *reader)
{
	const yaml_event_t *event = &reader->event;
	yaml_scalar_style_t style = event->data.scalar.style;
	struct yaml_value value = {YAML_SCALAR, style == YAML_PLAIN_SCALAR_STYLE,
				   word_at(reader, &event->start_mark)};

	/* The event then begins at the anchor or the tag, not at the text. */
	if (has_properties(reader, &value.word, event->data.scalar.anchor,
			   event->data.scalar.tag)) {
		value.kind = YAML_REFUSED;
		return value;
	}
	word_at(reader, &event->end_mark);
	value.word.length = (size_t)(reader->byte - value.word.text);
	/* A key in the line below a value. The next read reports that. */
	if (value.plain && reader->byte < reader->end && *reader->byte == ':' &&
	    memchr(value.word.text, '\n', value.word.length)) {
		value.kind = YAML_REFUSED;
		return value;
	}
	strip_style(&value.word, style);
	if (has_escapes(&value.word, style)) {
		value.word.text = (const char *)event->data.scalar.value;
		value.word.length = event->data.scalar.length;
	}
	return value;
}

/* ---- events ---- */

/* "[ff3e::1]": what is a list for YAML is meant as an address. */
static bool is_bracketed_address(const struct word *word)
{
	const char *end = memchr(word->text, ']', word->length);
	size_t length = end ? (size_t)(end - word->text) : 0, colons = 0;

	for (size_t i = 1; i < length; i++) {
		if (!strchr("0123456789abcdefABCDEF:.", word->text[i]))
			return false;
		colons += word->text[i] == ':';
	}
	return colons >= 2;
}

static struct yaml_value collection(struct yaml_reader *reader, enum yaml_kind kind,
				    const yaml_char_t *anchor, const yaml_char_t *tag)
{
	struct yaml_value value = {.kind = kind,
				   .word = word_at(reader, &reader->event.start_mark)};

	has_properties(reader, &value.word, anchor, tag);
	if (kind == YAML_LIST && is_bracketed_address(&value.word)) {
		word_error(reader->errors, &value.word,
			   "brackets begin a list in YAML, expected an IPv6 address in quotes, as "
			   "in \"[ff3e::1]:5000@eth0\"");
		yaml_fail(reader, -EINVAL);
		value.kind = YAML_END;
		return value;
	}
	if (++reader->depth > YAML_DEPTH_MAX) {
		word_error(reader->errors, &value.word,
			   "nested too deeply, expected at most %d levels", YAML_DEPTH_MAX);
		yaml_fail(reader, -EINVAL);
		value.kind = YAML_END;
	}
	return value;
}

/* What libyaml could not read. */
static void syntax_error(struct yaml_reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	struct yaml_stop stop = {.bytes = reader->bytes,
				 .end = reader->end,
				 .problem = parser->problem ? parser->problem : ""};
	char message[YAML_PROBLEM_SIZE];
	const char *at;
	struct word word;

	if (parser->error == YAML_MEMORY_ERROR) {
		yaml_fail(reader, -ENOMEM);
		return;
	}
	stop.begin = word_at(reader, &parser->context_mark).text;
	stop.at = word_at(reader, &parser->problem_mark).text;
	at = yaml_problem(&stop, message);
	word = word_from(reader, at);
	word_error(reader->errors, &word, "%s%s",
		   at == reader->end ? "the file ends too early: " : "", message);
	yaml_fail(reader, -EINVAL);
}

static struct yaml_value take_event(struct yaml_reader *reader)
{
	const yaml_event_t *event = &reader->event;
	struct yaml_value value = {.kind = YAML_END};

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		value.kind = YAML_REFUSED;
		value.word = word_at(reader, &event->start_mark);
		word_error(reader->errors, &value.word,
			   "aliases are not supported, expected a value");
		return value;
	case YAML_SCALAR_EVENT:
		return scalar(reader);
	case YAML_SEQUENCE_START_EVENT:
		return collection(reader, YAML_LIST, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return collection(reader, YAML_MAPPING, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		reader->depth--;
		return value;
	default: /* the end of the file */
		return value;
	}
}

struct yaml_value yaml_read(struct yaml_reader *reader)
{
	do {
		yaml_event_delete(&reader->event);
		if (reader->err)
			break;
		if (!yaml_parser_parse(&reader->parser, &reader->event)) {
			syntax_error(reader);
			break;
		}
		if (reader->event.type == YAML_DOCUMENT_START_EVENT && reader->documents++) {
			struct word word = word_at(reader, &reader->event.start_mark);

			word_error(reader->errors, &word,
				   "a second document, expected one in a file");
			yaml_fail(reader, -EINVAL);
		}
	} while (reader->event.type == YAML_STREAM_START_EVENT ||
		 reader->event.type == YAML_DOCUMENT_START_EVENT ||
		 reader->event.type == YAML_DOCUMENT_END_EVENT);
	if (reader->err)
		return (struct yaml_value){.kind = YAML_END};
	return take_event(reader);
}

void yaml_skip(struct yaml_reader *reader, const struct yaml_value *value)
{
	unsigned int depth = reader->depth;

	if (value->kind != YAML_LIST && value->kind != YAML_MAPPING)
		return;
	while (reader->depth >= depth && !reader->err)
		yaml_read(reader);
}

bool yaml_is_null(const struct yaml_value *value)
{
	return value->kind == YAML_SCALAR && value->plain && value->word.length == 0;
}

void yaml_fail(struct yaml_reader *reader, int err)
{
	if (!reader->err)
		reader->err = err;
}

int yaml_error(const struct yaml_reader *reader)
{
	return reader->err;
}

int yaml_reader_new(struct yaml_reader **reader, const char *bytes, size_t length, const char *file,
		    struct errors *errors)
{
	int err;

	*reader = NULL;
	if (length > YAML_BYTES_MAX) {
		errors_add(errors, &(struct position){.file = file}, NULL, 0,
			   "too large, expected at most %u bytes", YAML_BYTES_MAX);
		return -EINVAL;
	}
	/* A byte-order mark is no part of line 1. */
	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		bytes += 3;
		length -= 3;
	}
	err = check_bytes(bytes, length, file, errors);
	if (err)
		return err;
	*reader = calloc(1, sizeof(**reader));
	if (!*reader)
		return -ENOMEM;
	**reader = (struct yaml_reader){
		.bytes = bytes,
		.end = bytes + length,
		.byte = bytes,
		.at = {file, 1, 1},
		.errors = errors,
	};
	if (!yaml_parser_initialize(&(*reader)->parser)) {
		free(*reader);
		*reader = NULL;
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&(*reader)->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&(*reader)->parser, (const unsigned char *)bytes, length);
	return 0;
}

void yaml_reader_free(struct yaml_reader *reader)
{
	if (!reader)
		return;
	yaml_event_delete(&reader->event);
	yaml_parser_delete(&reader->parser);
	free(reader);
}
