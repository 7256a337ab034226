/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/errors.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Bytes of the offending word that are kept: enough to recognise it, and short enough for one line
 * of a terminal. */
#define WORD_MAX 64

/* A copy in which every byte that is not printable ASCII is written as \xNN, so that an input
 * cannot send control sequences to the terminal that shows the error. */
static char *escape(const char *bytes, size_t length, bool cut)
{
	char *text = malloc(length * 4 + sizeof("..."));
	size_t used = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < length; i++) {
		unsigned char byte = bytes[i];

		if (byte >= 0x20 && byte < 0x7f)
			text[used++] = (char)byte;
		else
			used += sprintf(text + used, "\\x%02x", byte);
	}
	strcpy(text + used, cut ? "..." : "");
	return text;
}

static char *format_message(const char *format, va_list arguments)
{
	char *plain = text_format_list(format, arguments);
	char *escaped;

	if (!plain)
		return NULL;
	escaped = escape(plain, strlen(plain), false);
	free(plain);
	return escaped;
}

/* Whether both are places in the same file, and `at` is the earlier one. */
static bool is_before(const struct position *at, const struct position *other)
{
	if (!at->line || !other->line || !at->file || !other->file ||
	    strcmp(at->file, other->file) != 0)
		return false;
	return at->line < other->line || (at->line == other->line && at->column < other->column);
}

/* The later passes over an input find errors in lines before those of earlier passes. */
static void insert(struct errors *errors, const struct input_error *error)
{
	unsigned int i = errors->kept++;

	for (; i && is_before(&error->at, &errors->list[i - 1].at); i--)
		errors->list[i] = errors->list[i - 1];
	errors->list[i] = *error;
}

void errors_add(struct errors *errors, const struct position *at, const char *word, size_t length,
		const char *format, ...)
{
	struct input_error error = {.at = *at};
	va_list arguments;

	errors->count++;
	if (errors->kept == ERRORS_MAX)
		return;
	va_start(arguments, format);
	error.message = format_message(format, arguments);
	va_end(arguments);
	if (word)
		error.word = escape(word, length < WORD_MAX ? length : WORD_MAX, length > WORD_MAX);
	/* Out of memory: the error is still counted, so the input is still refused. */
	if (!error.message || (word && !error.word)) {
		free(error.message);
		free(error.word);
		return;
	}
	insert(errors, &error);
}

static void print_one(const struct input_error *error, FILE *stream)
{
	fprintf(stream, "%s:", error->at.file);
	if (error->at.line)
		fprintf(stream, "%u:%u:", error->at.line, error->at.column);
	if (error->word)
		fprintf(stream, " '%s':", error->word);
	fprintf(stream, " %s\n", error->message);
}

void errors_print(const struct errors *errors, FILE *stream)
{
	for (unsigned int i = 0; i < errors->kept; i++)
		print_one(&errors->list[i], stream);
	if (errors->count > errors->kept)
		fprintf(stream, "and %u more error%s\n", errors->count - errors->kept,
			errors->count - errors->kept == 1 ? "" : "s");
}

const char *errors_keep_name(struct errors *errors, const char *name)
{
	char **names = reallocarray(errors->names, errors->nr_names + 1UL, sizeof(*errors->names));

	if (!names)
		return NULL;
	errors->names = names;
	names[errors->nr_names] = strdup(name);
	return names[errors->nr_names] ? names[errors->nr_names++] : NULL;
}

void errors_free(struct errors *errors)
{
	for (unsigned int i = 0; i < errors->kept; i++) {
		free(errors->list[i].word);
		free(errors->list[i].message);
	}
	for (unsigned int i = 0; i < errors->nr_names; i++)
		free(errors->names[i]);
	free(errors->names);
	errors->names = NULL;
	errors->count = errors->kept = errors->nr_names = 0;
}
