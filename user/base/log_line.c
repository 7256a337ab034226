/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_line.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/unicode.h"

/* Pairs of a JSON line; further ones are in its "text". Bounds the search for keys that are there
 * already. No event has so many. */
#define PAIRS_MAX 32

/* Room kept for the end of a JSON line: ,"suppressed":18446744073709551615,"cut":true} and '\n'. */
#define JSON_END_SIZE 64

/* Where a line is written. What does not fit as a whole is left out, and nothing comes behind it.
 */
struct output {
	char *bytes;
	size_t size;
	size_t length;
	bool cut;
};

/* One word of a record: an event name or, if `key_length`, key=value. */
struct token {
	const char *text;
	size_t length;
	size_t key_length;
	const char *value; /* without its quotes */
	size_t value_length;
	bool quoted;
};

static void put(struct output *output, const char *bytes, size_t length)
{
	if (output->cut || length > output->size - output->length) {
		output->cut = true;
		return;
	}
	memcpy(output->bytes + output->length, bytes, length);
	output->length += length;
}

static void put_string(struct output *output, const char *string)
{
	put(output, string, strlen(string));
}

/* ---- taking a record apart ---- */

/* Length of a key that is followed by '=', or 0. */
static size_t key_length(const char *text)
{
	size_t length = 0;

	if (*text < 'a' || *text > 'z')
		return 0;
	while ((text[length] >= 'a' && text[length] <= 'z') ||
	       (text[length] >= '0' && text[length] <= '9') || text[length] == '_')
		length++;
	return text[length] == '=' ? length : 0;
}

/* The quote that ends a value, or the end of a record that was cut. */
static const char *find_quote(const char *text)
{
	const char *quote = text;

	while ((quote = strchr(quote, '"'))) {
		if (!quote[1] || (quote[1] == ' ' && key_length(quote + 2)))
			return quote;
		quote++;
	}
	return text + strlen(text);
}

/* Take the next word off *text; false: there is none. */
static bool next_token(const char **text, struct token *token)
{
	const char *start = *text + strspn(*text, " ");
	const char *end;

	if (!*start)
		return false;
	*token = (struct token){.text = start, .key_length = key_length(start)};
	token->value = token->key_length ? start + token->key_length + 1 : start;
	token->quoted = token->key_length && *token->value == '"';
	if (token->quoted) {
		token->value++;
		end = find_quote(token->value);
		token->value_length = (size_t)(end - token->value);
		end += *end == '"';
	} else {
		token->value_length = strcspn(token->value, " ");
		end = token->value + token->value_length;
	}
	token->length = (size_t)(end - start);
	*text = end;
	return true;
}

/* ---- text ---- */

/* C0, DEL and C1, which terminals obey. */
static bool is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

static void put_hexadecimal(struct output *output, const char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char escape[4 * 4];

	for (size_t i = 0; i < count; i++) {
		escape[4 * i] = '\\';
		escape[4 * i + 1] = 'x';
		escape[4 * i + 2] = digits[(unsigned char)bytes[i] >> 4];
		escape[4 * i + 3] = digits[bytes[i] & 15];
	}
	put(output, escape, 4 * count);
}

static void put_text(struct output *output, const char *text, size_t length, bool quoted)
{
	unsigned int bytes;
	uint32_t code;

	for (size_t i = 0; i < length; i += bytes ? bytes : 1) {
		bytes = utf8_decode(text + i, length - i, &code);
		if (!bytes || is_control(code))
			put_hexadecimal(output, text + i, bytes ? bytes : 1);
		else if (code == '\\' || (code == '"' && quoted))
			put(output, code == '"' ? "\\\"" : "\\\\", 2);
		else
			put(output, text + i, bytes);
	}
}

size_t log_line_text(const struct log_record *record, const char *prefix, char line[LOG_TEXT_SIZE])
{
	struct output output = {.bytes = line};
	const char *text = record->text;
	struct token token;
	char tail[40] = "\n";
	size_t length = 1;

	if (record->suppressed)
		length = (size_t)snprintf(tail, sizeof(tail), " suppressed=%llu\n",
					  (unsigned long long)record->suppressed);
	output.size = LOG_TEXT_SIZE - length;
	put_string(&output, prefix);
	for (bool first = true; next_token(&text, &token); first = false) {
		if (!first)
			put(&output, " ", 1);
		put(&output, token.text, (size_t)(token.value - token.text));
		put_text(&output, token.value, token.value_length, token.quoted);
		if (token.quoted)
			put(&output, "\"", 1);
	}
	output.cut = false;
	output.size = LOG_TEXT_SIZE;
	put(&output, tail, length);
	return output.length;
}

/* ---- JSON ---- */

/* The content of a string. */
static void put_json_text(struct output *output, const char *text, size_t length)
{
	char escape[8];
	unsigned int bytes;
	uint32_t code;

	for (size_t i = 0; i < length; i += bytes ? bytes : 1) {
		bytes = utf8_decode(text + i, length - i, &code);
		if (!bytes) {
			put_string(output, "\xef\xbf\xbd"); /* U+FFFD */
		} else if (is_control(code)) {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)code);
			put_string(output, escape);
		} else if (code == '\\' || code == '"') {
			put(output, code == '"' ? "\\\"" : "\\\\", 2);
		} else {
			put(output, text + i, bytes);
		}
	}
}

/* ,"KEY":"TEXT"; what is cut is so inside TEXT, or not there at all. */
static void put_member(struct output *output, const char *key, size_t length, const char *text,
		       size_t text_length)
{
	const size_t needed = length + strlen(",\"\":\"\"");

	if (output->cut || needed > output->size - output->length) {
		output->cut = true;
		return;
	}
	put_string(output, ",\"");
	put(output, key, length);
	put_string(output, "\":\"");
	output->size--; /* for the quote */
	put_json_text(output, text, text_length);
	output->size++;
	output->bytes[output->length++] = '"';
}

static void put_number(struct output *output, const struct token *token)
{
	const size_t needed = token->key_length + token->value_length + strlen(",\"\":");

	if (output->cut || needed > output->size - output->length) {
		output->cut = true;
		return;
	}
	put_string(output, ",\"");
	put(output, token->text, token->key_length);
	put_string(output, "\":");
	put(output, token->value, token->value_length);
}

/* As JSON writes integers, and small enough for every reader's 64 bits. */
static bool is_integer(const struct token *token)
{
	size_t sign = token->value[0] == '-';
	size_t digits = token->value_length - sign;

	if (token->quoted || digits < 1 || digits > 18 || (digits > 1 && token->value[sign] == '0'))
		return false;
	return strspn(token->value + sign, "0123456789") == digits;
}

/* Does the format make this key's value from a number? A rule may be called 7. */
static bool is_number(const struct log_record *record, const struct token *token)
{
	const char *place;

	if (!is_integer(token))
		return false;
	for (place = record->format ? strchr(record->format, ' ') : NULL; place;
	     place = strchr(place, ' ')) {
		place++;
		if (strncmp(place, token->text, token->key_length + 1) != 0)
			continue;
		place += token->key_length + 1;
		if (*place == '%')
			place += 1 + strspn(place + 1, "-+ #0123456789.*hlzjt");
		return *place != 's' && *place != 'c';
	}
	return true;
}

static bool is_same_key(const struct token *token, const char *key, size_t length)
{
	return token->key_length == length && !memcmp(token->text, key, length);
}

/* The members that every line has. */
static bool is_reserved(const struct token *token)
{
	static const char *const names[] = {"time", "level",	  "facility", "event",
					    "text", "suppressed", "cut"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_same_key(token, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/* The pairs of a record, each key once; and whether there was anything else. */
struct pairs {
	struct token tokens[PAIRS_MAX];
	unsigned int count;
	bool rest;
};

static bool take_pair(struct pairs *pairs, const struct token *token)
{
	if (!token->key_length || pairs->count == PAIRS_MAX || is_reserved(token))
		return false;
	for (unsigned int i = 0; i < pairs->count; i++) {
		if (is_same_key(token, pairs->tokens[i].text, pairs->tokens[i].key_length))
			return false;
	}
	pairs->tokens[pairs->count++] = *token;
	return true;
}

/* ,"text":"…": the words that are no members. */
static void put_rest(struct output *output, const struct pairs *pairs, const char *text)
{
	char rest[LOG_TEXT_SIZE];
	struct output words = {.bytes = rest, .size = sizeof(rest)};
	unsigned int pair = 0;
	struct token token;

	while (next_token(&text, &token)) {
		if (pair < pairs->count && pairs->tokens[pair].text == token.text) {
			pair++;
			continue;
		}
		if (words.length)
			put(&words, " ", 1);
		put(&words, token.text, token.length);
	}
	put_member(output, "text", strlen("text"), rest, words.length);
}

static void put_head(struct output *output, const struct log_record *record,
		     const struct token *event)
{
	const char *facility = log_facility_name(record->facility);
	const char *level = log_level_name(record->level);
	char time[CLOCK_TEXT_SIZE];

	put_string(output, "{\"time\":\"");
	put_string(output, clock_format(&record->time, time));
	put_string(output, "\"");
	put_member(output, "level", strlen("level"), level, strlen(level));
	put_member(output, "facility", strlen("facility"), facility, strlen(facility));
	put_member(output, "event", strlen("event"), event->text, event->length);
}

size_t log_line_json(const struct log_record *record, const char *prefix, char line[LOG_JSON_SIZE])
{
	struct output output = {.bytes = line, .size = LOG_JSON_SIZE - JSON_END_SIZE};
	const char *text = record->text;
	struct token token = {.text = ""};
	struct pairs pairs = {};
	const char *behind;

	put_string(&output, prefix);
	next_token(&text, &token);
	put_head(&output, record, &token);
	behind = text;
	while (next_token(&text, &token)) {
		if (!take_pair(&pairs, &token))
			pairs.rest = true;
	}
	for (unsigned int i = 0; i < pairs.count; i++) {
		const struct token *pair = &pairs.tokens[i];

		if (is_number(record, pair))
			put_number(&output, pair);
		else
			put_member(&output, pair->text, pair->key_length, pair->value,
				   pair->value_length);
	}
	if (pairs.rest)
		put_rest(&output, &pairs, behind);
	if (record->suppressed)
		output.length += (size_t)snprintf(line + output.length, JSON_END_SIZE / 2 + 8,
						  ",\"suppressed\":%llu",
						  (unsigned long long)record->suppressed);
	output.size = LOG_JSON_SIZE;
	behind = output.cut ? ",\"cut\":true}\n" : "}\n";
	output.cut = false;
	put_string(&output, behind);
	return output.length;
}
