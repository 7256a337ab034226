/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A column of text is not made narrower than this, unless its cells are. */
#define NARROWEST 8

/* Between two columns. */
#define GAP 2

struct cell {
	char *text; /* escaped; NULL: no memory */
	enum colour colour;
};

struct table {
	unsigned int columns;
	char *headings[TABLE_COLUMNS];
	bool right[TABLE_COLUMNS];
	struct cell *cells;
	size_t count;
	size_t room;
	size_t wide[TABLE_COLUMNS];
};

struct table *table_new(const char *headings)
{
	struct table *table = calloc(1, sizeof(*table));
	char *copy = strdup(headings);
	char *rest = copy;
	char *word;

	while (table && copy && table->columns < TABLE_COLUMNS && (word = strsep(&rest, " "))) {
		table->right[table->columns] = *word == '>';
		table->headings[table->columns++] = strdup(*word == '>' ? word + 1 : word);
	}
	free(copy);
	return table;
}

static void add(struct table *table, enum colour colour, const char *text)
{
	if (!table)
		return;
	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		struct cell *cells = realloc(table->cells, room * sizeof(*cells));

		if (!cells)
			return;
		table->cells = cells;
		table->room = room;
	}
	table->cells[table->count].text = text ? screen_escape(text, "") : NULL;
	table->cells[table->count++].colour = colour;
}

void table_add(struct table *table, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	add(table, COLOUR_NONE, text);
	free(text);
}

void table_add_painted(struct table *table, enum colour colour, const char *text)
{
	add(table, colour, text);
}

static size_t width(const char *text)
{
	return text ? strlen(text) : 0;
}

static void measure(struct table *table, bool headings)
{
	for (unsigned int c = 0; c < table->columns; c++)
		table->wide[c] = headings ? width(table->headings[c]) : 0;
	for (size_t i = 0; i < table->count; i++) {
		size_t *wide = &table->wide[i % table->columns];
		size_t own = width(table->cells[i].text);

		*wide = own > *wide ? own : *wide;
	}
}

/* The widest column of text, or NULL if none can give way any more. */
static size_t *widest(struct table *table)
{
	size_t *found = NULL;

	for (unsigned int c = 0; c < table->columns; c++) {
		if (!table->right[c] && table->wide[c] > NARROWEST &&
		    (!found || table->wide[c] > *found))
			found = &table->wide[c];
	}
	return found;
}

static void fit(struct table *table, size_t most)
{
	size_t total = GAP * (table->columns - 1);
	size_t *column;

	for (unsigned int c = 0; c < table->columns; c++) {
		if (table->wide[c] > most)
			table->wide[c] = most;
		total += table->wide[c];
	}
	while (total > most && (column = widest(table))) {
		(*column)--;
		total--;
	}
}

/* One cell in its column, of which `*left` columns fit on the line. */
static void print_cell(const struct table *table, const struct screen *screen, unsigned int column,
		       const struct cell *cell, size_t *left)
{
	bool last = column + 1 == table->columns;
	const char *text = cell->text ? cell->text : "";
	size_t wide = table->wide[column] < *left ? table->wide[column] : *left;
	size_t length = strlen(text);
	bool cut = length > wide;
	size_t shown = cut ? wide : length;
	size_t blank = wide - shown;
	bool painted = screen->colour && cell->colour != COLOUR_NONE && shown;

	if (table->right[column])
		fprintf(screen->stream, "%*s", (int)blank, "");
	if (painted)
		fputs(screen_colour(cell->colour), screen->stream);
	fprintf(screen->stream, "%.*s%s", (int)(cut && shown ? shown - 1 : shown), text,
		cut && shown ? "~" : "");
	if (painted)
		fputs(SCREEN_PLAIN, screen->stream);
	*left -= wide;
	if (last)
		return;
	blank = table->right[column] ? 0 : blank;
	if (*left < GAP)
		*left = 0;
	else
		*left -= GAP;
	fprintf(screen->stream, "%*s", (int)(*left ? blank + GAP : 0), "");
}

static void print_row(const struct table *table, const struct screen *screen,
		      const struct cell *cells, size_t count)
{
	static const struct cell none = {0};
	size_t left = screen->width ? screen->width : SIZE_MAX;

	for (unsigned int c = 0; c < table->columns; c++)
		print_cell(table, screen, c, c < count ? &cells[c] : &none, &left);
	putc('\n', screen->stream);
}

static void print_headings(const struct table *table, const struct screen *screen)
{
	struct cell cells[TABLE_COLUMNS];

	for (unsigned int c = 0; c < table->columns; c++)
		cells[c] = (struct cell){table->headings[c], COLOUR_HEADING};
	print_row(table, screen, cells, table->columns);
}

void table_print(struct table *table, const struct screen *screen)
{
	if (!table)
		return;
	if (table->columns && table->count) {
		measure(table, !screen->brief);
		if (screen->width)
			fit(table, screen->width);
		if (!screen->brief)
			print_headings(table, screen);
		for (size_t i = 0; i < table->count; i += table->columns)
			print_row(table, screen, &table->cells[i], table->count - i);
	}
	for (unsigned int c = 0; c < table->columns; c++)
		free(table->headings[c]);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}
