/* SPDX-License-Identifier: BSD-2-Clause */
#include "import/json5.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "base/unicode.h"
#include "rules/words.h"

struct json5 {
	const char *next, *end;
	struct position at; /* of `next` */
	struct errors *errors;
	unsigned int depth;
	bool no_memory;
};

static void advance(struct json5 *json5, size_t length)
{
	position_advance(&json5->at, json5->next, length);
	json5->next += length;
}

static size_t left(const struct json5 *json5)
{
	return (size_t)(json5->end - json5->next);
}

static bool looking_at(const struct json5 *json5, const char *text)
{
	return left(json5) >= strlen(text) && memcmp(json5->next, text, strlen(text)) == 0;
}

/* Always NULL: a caller returns it as the value that it could not read. */
static json_t *fail(struct json5 *json5, const char *message)
{
	size_t length = left(json5) ? 1 : 0;

	/* All bytes of a character. */
	while (length && length < left(json5) && utf8_is_continuation(json5->next[length]))
		length++;
	errors_add(json5->errors, &json5->at, length ? json5->next : NULL, length, "%s", message);
	return NULL;
}

/* ---- what means nothing ---- */

/* Bytes of blank at the front: ASCII's, a byte-order mark, a no-break space, U+2028, U+2029. */
static size_t blank(const struct json5 *json5)
{
	static const char *const blanks[] = {
		" ",  "\t",	      "\n",	  "\r",		  "\v",
		"\f", "\xef\xbb\xbf", "\xc2\xa0", "\xe2\x80\xa8", "\xe2\x80\xa9"};

	for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++) {
		if (looking_at(json5, blanks[i]))
			return strlen(blanks[i]);
	}
	return 0;
}

/* False: a comment does not end, and an error was appended. */
static bool skip_blanks(struct json5 *json5)
{
	while (left(json5)) {
		size_t length = blank(json5);
		const char *end;

		if (looking_at(json5, "//")) {
			end = memchr(json5->next, '\n', left(json5));
			length = end ? (size_t)(end - json5->next) : left(json5);
		} else if (looking_at(json5, "/*")) {
			end = memmem(json5->next + 2, left(json5) - 2, "*/", 2);
			if (!end)
				return fail(json5, "a comment without end, expected */");
			length = (size_t)(end - json5->next) + 2;
		}
		if (!length)
			return true;
		advance(json5, length);
	}
	return true;
}

/* Consume this byte of punctuation. False: the next byte is another one. */
static bool take(struct json5 *json5, char byte)
{
	if (!left(json5) || *json5->next != byte)
		return false;
	advance(json5, 1);
	return true;
}

/* ---- strings and words ---- */

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static void add_utf8(struct text *text, unsigned int code)
{
	char bytes[3] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
			 (char)(0x80 | (code & 0x3f))};

	if (code >= 0x800) {
		text_add_bytes(text, bytes, 3);
	} else if (code >= 0x80) {
		bytes[1] = (char)(0xc0 | code >> 6);
		text_add_bytes(text, bytes + 1, 2);
	} else {
		bytes[0] = (char)code;
		text_add_bytes(text, bytes, 1);
	}
}

/* \xHH or \uHHHH, at its first digit. Halves of surrogates, which no name or address has, are
 * refused. */
static bool add_code(struct json5 *json5, struct text *text, unsigned int digits)
{
	unsigned int code = 0;

	for (unsigned int i = 0; i < digits; i++) {
		int digit = i < left(json5) ? hex_value(json5->next[i]) : -1;

		if (digit < 0)
			return fail(json5, "expected hexadecimal digits behind \\x or \\u");
		code = code * 16 + (unsigned int)digit;
	}
	if (!code || (code >= 0xd800 && code < 0xe000))
		return fail(json5, "not a character of a name or an address");
	advance(json5, digits);
	add_utf8(text, code);
	return true;
}

/* The characters that a backslash begins. */
static bool add_escaped(struct json5 *json5, struct text *text)
{
	static const char letters[] = "bfnrtv";
	static const char values[] = "\b\f\n\r\t\v";
	char byte = left(json5) ? *json5->next : '\0';
	const char *letter = byte ? strchr(letters, byte) : NULL;

	if (!byte)
		return fail(json5, "a string without end");
	if (byte >= '0' && byte <= '9')
		return fail(json5, "not an escape, expected \\x or \\u");
	if (byte & 0x80)
		return true; /* the character stands for itself */
	advance(json5, byte == '\r' && looking_at(json5, "\r\n") ? 2 : 1);
	if (byte == 'x' || byte == 'u')
		return add_code(json5, text, byte == 'x' ? 2 : 4);
	/* A backslash before the end of a line continues the string on the next line. */
	if (byte != '\n' && byte != '\r')
		text_add_bytes(text, letter ? &values[letter - letters] : &byte, 1);
	return true;
}

/* A string, at its first byte behind the quote. */
static bool add_string(struct json5 *json5, char quote, struct text *text)
{
	while (left(json5) && *json5->next != quote) {
		uint32_t code = 0;
		unsigned int length = utf8_decode(json5->next, left(json5), &code);

		if (!length || code == '\n' || code == '\r' || !code)
			return fail(json5, length ? "a string without end on its line"
						  : "not valid UTF-8");
		if (code != '\\')
			text_add_bytes(text, json5->next, length);
		advance(json5, length);
		if (code == '\\' && !add_escaped(json5, text))
			return false;
	}
	return take(json5, quote) || fail(json5, "a string without end");
}

static bool byte_is_of_word(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || (byte && strchr("_$.+-", byte));
}

/* A string in any quotes, or a word. False: there is none, which was reported. */
static bool read_string(struct json5 *json5, const char *expected, struct text *text)
{
	size_t length = 0;

	*text = (struct text){0};
	text_add(text, ""); /* not NULL */
	if (take(json5, '"'))
		return add_string(json5, '"', text);
	if (take(json5, '\''))
		return add_string(json5, '\'', text);
	while (length < left(json5) && byte_is_of_word(json5->next[length]))
		length++;
	if (!length)
		return fail(json5, expected);
	text_add_bytes(text, json5->next, length);
	advance(json5, length);
	return true;
}

/* ---- values ---- */

static json_t *read_value(struct json5 *json5);

static bool keep(struct json5 *json5, int err)
{
	json5->no_memory |= err != 0;
	return !err;
}

static bool read_member(struct json5 *json5, json_t *object)
{
	struct text name;
	json_t *value = NULL;
	bool read = read_string(json5, "expected the name of a member, or }", &name) &&
		    skip_blanks(json5);

	if (read && !take(json5, ':'))
		read = fail(json5, "expected : behind the name of a member");
	if (read)
		value = read_value(json5);
	if (value && name.failed) {
		json_decref(value);
		read = keep(json5, -1);
	} else if (value) {
		read = keep(json5, json_object_set_new(object, name.bytes, value));
	}
	text_free(&name);
	return read && value;
}

static bool read_item(struct json5 *json5, json_t *container)
{
	json_t *value;

	if (json_is_object(container))
		return read_member(json5, container);
	value = read_value(json5);
	return value && keep(json5, json_array_append_new(container, value));
}

/* Behind the opening bracket. Consumes `container`; returns it, or NULL. */
static json_t *read_items(struct json5 *json5, json_t *container)
{
	char end = json_is_object(container) ? '}' : ']';
	bool more = true;

	if (!keep(json5, container ? 0 : -1))
		return NULL;
	while (skip_blanks(json5)) {
		if (take(json5, end))
			return container;
		if (!more) {
			fail(json5, end == '}' ? "expected , or }" : "expected , or ]");
			break;
		}
		if (!read_item(json5, container) || !skip_blanks(json5))
			break;
		more = take(json5, ',');
	}
	json_decref(container);
	return NULL;
}

static json_t *read_container(struct json5 *json5)
{
	unsigned int line = json5->at.line;
	json_t *value;

	if (json5->depth == JSON5_DEPTH_MAX)
		return fail(json5, "too many levels of objects and arrays, expected at most 16");
	json5->depth++;
	if (take(json5, '[')) {
		value = read_items(json5, json_array());
	} else {
		take(json5, '{');
		value = read_items(json5, json_object());
		if (value && json_object_set_new(value, JSON5_LINE, json_integer(line)))
			json5->no_memory = true;
	}
	json5->depth--;
	return value;
}

_Static_assert(JSON5_DEPTH_MAX == 16, "the number in the message");

static json_t *read_value(struct json5 *json5)
{
	json_t *value = NULL;
	struct text text;

	if (!skip_blanks(json5))
		return NULL;
	if (left(json5) && (*json5->next == '{' || *json5->next == '['))
		return read_container(json5);
	if (read_string(json5, "expected a value", &text)) {
		value = text.failed ? NULL : json_stringn(text.bytes, text.length);
		keep(json5, value ? 0 : -1);
	}
	text_free(&text);
	return value;
}

json_t *json5_parse(const char *bytes, size_t length, const char *file, struct errors *errors)
{
	struct json5 json5 = {.next = bytes,
			      .end = bytes + length,
			      .at = {.file = file, .line = 1, .column = 1},
			      .errors = errors};
	json_t *value = read_value(&json5);

	if (value && (!skip_blanks(&json5) || left(&json5))) {
		if (left(&json5))
			fail(&json5, "expected nothing behind the value");
		json_decref(value);
		value = NULL;
	}
	if (value && json5.no_memory) {
		json_decref(value);
		value = NULL;
	}
	if (!value)
		errno = json5.no_memory ? ENOMEM : EINVAL;
	return value;
}
