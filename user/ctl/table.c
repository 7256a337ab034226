/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/table.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Columns of text do not become narrower than this, unless their cells are. */
#define NARROWEST 8

#define GAP	  "  "
#define GAP_WIDTH 2

struct table {
	struct libscols_table *scols;
	struct libscols_line *line; /* that the next cell belongs to, unless it is full */
	size_t next;		    /* its column */
	size_t columns;
	bool right[TABLE_COLUMNS];
	size_t widest[TABLE_COLUMNS]; /* cell, without the heading */
};

struct table *table_new(const char *headings)
{
	struct table *table = calloc(1, sizeof(*table));
	char *copy = strdup(headings);
	char *rest = copy;
	char *word;

	if (table)
		table->scols = scols_new_table();
	while (table && copy && table->columns < TABLE_COLUMNS && (word = strsep(&rest, " "))) {
		bool right = *word == '>';

		table->right[table->columns++] = right;
		scols_table_new_column(table->scols, word + right, 0, right ? SCOLS_FL_RIGHT : 0);
	}
	free(copy);
	if (!table || !table->scols || scols_table_get_ncols(table->scols) == table->columns)
		return table;
	table_print(table, NULL);
	return NULL;
}

void table_add_painted(struct table *table, enum colour colour, const char *text)
{
	char *escaped = table ? screen_escape(text, "") : NULL;
	struct libscols_cell *cell;
	size_t width;

	if (!escaped)
		return;
	if (table->next == 0)
		table->line = scols_table_new_line(table->scols, NULL);
	cell = scols_line_get_cell(table->line, table->next);
	if (colour != COLOUR_NONE && *escaped)
		scols_cell_set_color(cell, screen_colour(colour));
	width = screen_width(escaped);
	if (width > table->widest[table->next])
		table->widest[table->next] = width;
	if (scols_cell_refer_data(cell, escaped))
		free(escaped);
	table->next = (table->next + 1) % table->columns;
}

void table_add(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = text_format_list(format, arguments);
	va_end(arguments);
	table_add_painted(table, COLOUR_NONE, text ? text : "");
	free(text);
}

/* The widest column of text that can still give way, or NULL. */
static size_t *widest_text(const struct table *table, size_t *widths)
{
	size_t *found = NULL;

	for (size_t i = 0; i < table->columns; i++) {
		if (!table->right[i] && widths[i] > NARROWEST && (!found || widths[i] > *found))
			found = &widths[i];
	}
	return found;
}

/* Cut the cells of a column, and its heading. */
static void cut_column(const struct table *table, size_t column, size_t width)
{
	struct libscols_column *scols = scols_table_get_column(table->scols, column);
	struct libscols_cell *cell = scols_column_get_header(scols);

	for (size_t i = 0; cell; i++) {
		char *text = (char *)scols_cell_get_data(cell);
		struct libscols_line *line = scols_table_get_line(table->scols, i);

		if (text)
			screen_cut(text, width, "~");
		cell = line ? scols_line_get_cell(line, column) : NULL;
	}
}

static void fit(const struct table *table, bool headings, size_t most)
{
	size_t total = GAP_WIDTH * (table->columns - 1);
	size_t widths[TABLE_COLUMNS];
	size_t left = most;
	size_t *column;

	for (size_t i = 0; i < table->columns; i++) {
		struct libscols_column *scols = scols_table_get_column(table->scols, i);
		const char *heading = scols_column_get_name(scols);

		widths[i] = table->widest[i];
		if (headings && strlen(heading) > widths[i])
			widths[i] = strlen(heading);
		if (widths[i] > most)
			widths[i] = most;
		total += widths[i];
	}
	for (; total > most && (column = widest_text(table, widths)); total--)
		--*column;
	/* What still does not fit is cut at the edge of the screen. */
	for (size_t i = 0; i < table->columns; i++) {
		struct libscols_column *scols = scols_table_get_column(table->scols, i);

		if (widths[i] > left)
			widths[i] = left;
		if (widths[i])
			cut_column(table, i, widths[i]);
		else
			scols_column_set_flags(scols, SCOLS_FL_HIDDEN);
		left -= widths[i];
		left -= left < GAP_WIDTH ? left : GAP_WIDTH;
	}
}

void table_print(struct table *table, const struct screen *screen)
{
	struct libscols_column *column;

	if (!table)
		return;
	if (screen && table->scols) {
		if (screen->width)
			fit(table, !screen->brief, screen->width);
		for (size_t i = 0; (column = scols_table_get_column(table->scols, i)); i++) {
			struct libscols_cell *heading = scols_column_get_header(column);

			scols_cell_set_color(heading, screen_colour(COLOUR_HEADING));
			/* Columns are as wide as their headings even if these are not printed. */
			if (screen->brief)
				scols_cell_set_data(heading, "");
		}
		scols_table_set_stream(table->scols, screen->stream);
		scols_table_set_termforce(table->scols, SCOLS_TERMFORCE_NEVER);
		scols_table_set_column_separator(table->scols, GAP);
		/* Cells are escaped already; libsmartcols would escape the backslashes again. */
		scols_table_enable_noencoding(table->scols, 1);
		scols_table_enable_colors(table->scols, screen->colour);
		scols_table_enable_noheadings(table->scols, screen->brief);
		scols_print_table(table->scols);
	}
	scols_unref_table(table->scols);
	free(table);
}
