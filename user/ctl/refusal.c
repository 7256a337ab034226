/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/refusal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/screen.h"
#include "ctl/show.h"

static const struct place *find_place(const struct places *places, long long line)
{
	if (!places || line <= 0 || (unsigned long long)line > places->count)
		return NULL;
	return &places->list[line - 1];
}

/* The column in the user's file: an operation does not always begin its line. */
static long long place_column(const struct place *place, long long column)
{
	return column > 0 && column < INT32_MAX ? place->column + column - 1 : place->column;
}

/* A message may name another operation, "... rule cam1 (line 4) ...", whose line in the file is
 * shown instead. */
static void print_message(FILE *stream, const char *message, const struct places *places)
{
	static const char before[] = " (line ";
	const char *at = strstr(message, before);
	const struct place *place = NULL;
	char *end = NULL;

	if (at) {
		at += strlen(before);
		place = find_place(places, strtoll(at, &end, 10));
	}
	if (place && *end == ')')
		screen_print_to(stream, " %.*s%u%s\n", (int)(at - message), message, place->line,
				end);
	else
		screen_print_to(stream, " %s\n", message);
}

static void print_error(FILE *stream, const json_t *error, const struct places *places)
{
	const char *file = show_text(error, "file");
	const char *word = json_string_value(json_object_get(error, "word"));
	long long line = show_number(error, "line");
	long long column = show_number(error, "column");
	const struct place *place = find_place(places, line);

	if (place) {
		file = places->file;
		line = place->line;
		column = place_column(place, column);
	}
	screen_print_to(stream, "%s:", file);
	if (line > 0)
		screen_print_to(stream, "%lld:", line);
	if (line > 0 && column > 0)
		screen_print_to(stream, "%lld:", column);
	if (word)
		screen_print_to(stream, " '%s':", word);
	print_message(stream, show_text(error, "message"), places);
}

void refusal_print(FILE *stream, const json_t *error, const struct places *places)
{
	static const char refused[] = "refused: ";
	const json_t *data = json_object_get(error, "data");
	const char *message;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(data, "errors"), i, one)
		print_error(stream, one, places);
	/* Some of the daemon's messages begin with that themselves. */
	message = show_text(error, "message");
	screen_print_to(stream, "xmcastctl: %s%s\n",
			strncmp(message, refused, strlen(refused)) == 0 ? "" : refused, message);
}
