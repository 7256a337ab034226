/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct table {
	unsigned int columns;
	char *headings[TABLE_COLUMNS];
	bool right[TABLE_COLUMNS];
	char **cells;
	size_t count;
	size_t room;
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

void table_add(struct table *table, const char *format, ...)
{
	char *cell = NULL;
	va_list args;

	if (!table)
		return;
	if (table->count == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char **cells = realloc(table->cells, room * sizeof(*cells));

		if (!cells)
			return;
		table->cells = cells;
		table->room = room;
	}
	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		cell = NULL;
	va_end(args);
	table->cells[table->count++] = cell;
}

static size_t width(const char *text)
{
	return text ? strlen(text) : 0;
}

static void print_cell(const struct table *table, FILE *stream, unsigned int column,
		       const char *text, int wide)
{
	const char *end = column + 1 < table->columns ? "  " : "\n";

	if (table->right[column])
		fprintf(stream, "%*s%s", wide, text ? text : "", end);
	else if (column + 1 < table->columns)
		fprintf(stream, "%-*s%s", wide, text ? text : "", end);
	else
		fprintf(stream, "%s%s", text ? text : "", end);
}

void table_print(struct table *table, FILE *stream)
{
	size_t wide[TABLE_COLUMNS];

	if (!table || !table->columns)
		return;
	for (unsigned int c = 0; c < table->columns; c++)
		wide[c] = width(table->headings[c]);
	for (size_t i = 0; i < table->count; i++) {
		if (width(table->cells[i]) > wide[i % table->columns])
			wide[i % table->columns] = width(table->cells[i]);
	}
	for (unsigned int c = 0; table->count && c < table->columns; c++)
		print_cell(table, stream, c, table->headings[c], (int)wide[c]);
	for (size_t i = 0; i < table->count; i++)
		print_cell(table, stream, (unsigned int)(i % table->columns), table->cells[i],
			   (int)wide[i % table->columns]);
	for (unsigned int c = 0; c < table->columns; c++)
		free(table->headings[c]);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}
