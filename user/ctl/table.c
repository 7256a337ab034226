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
	bool whole[TABLE_COLUMNS];
	bool hidden[TABLE_COLUMNS];
	unsigned int rank[TABLE_COLUMNS];
	bool filled[TABLE_COLUMNS];   /* has a cell that says something */
	size_t widest[TABLE_COLUMNS]; /* cell, without the heading */
};

/* Read the marks before a heading, see table.h. Returns the heading. */
static const char *read_marks(struct table *table, size_t column, const char *word)
{
	table->whole[column] = *word == '!';
	word += *word == '!';
	if (*word >= '1' && *word <= '9')
		table->rank[column] = (unsigned int)(*word++ - '0');
	table->right[column] = *word == '>';
	return word + (*word == '>');
}

struct table *table_new(const char *headings)
{
	struct table *table = calloc(1, sizeof(*table));
	char *copy = strdup(headings);
	char *rest = copy;
	char *word;

	if (table)
		table->scols = scols_new_table();
	while (table && copy && table->columns < TABLE_COLUMNS && (word = strsep(&rest, " "))) {
		size_t column = table->columns++;
		const char *heading = read_marks(table, column, word);

		scols_table_new_column(table->scols, heading, 0,
				       table->right[column] ? SCOLS_FL_RIGHT : 0);
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
	table->filled[table->next] |= *escaped && strcmp(escaped, "-") != 0;
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
		if (!table->right[i] && !table->whole[i] && !table->hidden[i] &&
		    widths[i] > NARROWEST && (!found || widths[i] > *found))
			found = &widths[i];
	}
	return found;
}

static void hide(struct table *table, size_t column)
{
	struct libscols_column *scols = scols_table_get_column(table->scols, column);

	table->hidden[column] = true;
	scols_column_set_flags(scols, SCOLS_FL_HIDDEN);
}

/* What a column takes, with a gap. One that is never cut counts as a third of the screen at most: a
 * long reason in it continues on the next line of the screen. */
static size_t counted(const struct table *table, size_t column, size_t width, size_t most)
{
	return (table->whole[column] && width > most / 3 ? most / 3 : width) + GAP_WIDTH;
}

/* The part of it that is taken by columns which are never cut. */
static size_t whole_width(const struct table *table, const size_t *widths, size_t most)
{
	size_t total = 0;

	for (size_t i = 0; i < table->columns; i++) {
		if (table->whole[i] && !table->hidden[i])
			total += counted(table, i, widths[i], most);
	}
	return total;
}

/* The width of all visible columns. */
static size_t total_width(const struct table *table, const size_t *widths, size_t most)
{
	size_t total = 0;

	for (size_t i = 0; i < table->columns; i++) {
		if (!table->hidden[i])
			total += counted(table, i, widths[i], most);
	}
	return total ? total - GAP_WIDTH : 0;
}

/* Hide the least important column. False: none can be hidden. */
static bool hide_one(struct table *table)
{
	size_t found = table->columns;

	for (size_t i = 0; i < table->columns; i++) {
		if (table->rank[i] && !table->hidden[i] &&
		    (found == table->columns || table->rank[i] >= table->rank[found]))
			found = i;
	}
	if (found == table->columns)
		return false;
	hide(table, found);
	return true;
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

static void fit(struct table *table, bool headings, size_t most)
{
	size_t widths[TABLE_COLUMNS];
	size_t left = most;
	size_t *column;
	size_t whole;

	for (size_t i = 0; i < table->columns; i++) {
		struct libscols_column *scols = scols_table_get_column(table->scols, i);
		const char *heading = scols_column_get_name(scols);

		widths[i] = table->widest[i];
		if (headings && strlen(heading) > widths[i])
			widths[i] = strlen(heading);
		if (widths[i] > most && !table->whole[i])
			widths[i] = most;
	}
	while (total_width(table, widths, most) > most && hide_one(table))
		;
	while (total_width(table, widths, most) > most && (column = widest_text(table, widths)))
		--*column;
	/* What still does not fit is cut at the edge of the screen. */
	whole = whole_width(table, widths, most);
	left -= whole < left ? whole : left;
	for (size_t i = 0; i < table->columns; i++) {
		if (table->hidden[i] || table->whole[i])
			continue;
		if (widths[i] > left)
			widths[i] = left;
		if (widths[i])
			cut_column(table, i, widths[i]);
		else
			hide(table, i);
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
		/* Programs that read a brief table count its columns. */
		for (size_t i = 0; i < table->columns && !screen->brief; i++) {
			if (!table->filled[i] && scols_table_get_nlines(table->scols))
				hide(table, i);
		}
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
