/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/columns.h"

#include <string.h>

#include "base/addr.h"
#include "ctl/table.h"

/* Longer than any endpoint of the grammar; more is cut. */
#define INPUT_SIZE (2 * ENDPOINT_TEXT_SIZE)

const char *columns_input(const json_t *rule, char text[SHOW_TEXT_SIZE])
{
	const char *at = json_string_value(json_object_get(rule, "rule"));
	const char *in = json_string_value(json_object_get(rule, "in"));

	if (!in && at) {
		at += strspn(at, " ");
		if (strncmp(at, "in ", 3) != 0 || strncmp(at, "in in ", 6) == 0)
			at += strcspn(at, " ");
		at += strspn(at, " ");
		if (strncmp(at, "in ", 3) == 0)
			in = at + 3 + strspn(at + 3, " ");
	}
	if (!in || !*in || *in == ' ')
		in = "-";
	snprintf(text, INPUT_SIZE, "%.*s", (int)strcspn(in, " "), in);
	return text;
}

/* Of a bond: the member, and its queue; "left" stands for those of members that have left. */
static const char *queue_name(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	const json_t *queue = json_object_get(object, "queue");
	const json_t *member = json_object_get(object, "member");

	if (!object)
		return "-";
	if (json_is_null(queue))
		return "left";
	snprintf(text, SHOW_TEXT_SIZE, "%.60s%s%lld", member ? show_text(object, "member") : "",
		 member ? "/" : "", json_integer_value(queue));
	return text;
}

/* The texts with commas in between; "..." stands for those that do not fit the buffer. */
static const char *list_texts(const json_t *list, char text[SHOW_TEXT_SIZE])
{
	const json_t *item;
	size_t used = 0, i;

	strcpy(text, "-");
	json_array_foreach(list, i, item)
	{
		const char *one = json_is_string(item) ? json_string_value(item) : "";

		if (used + strlen(one) + 6 > SHOW_TEXT_SIZE) {
			strcpy(text + used, ",...");
			break;
		}
		used += (size_t)sprintf(text + used, "%s%s", i ? "," : "", one);
	}
	return text;
}

/* The text of a cell: in `text`, or part of the JSON. */
static const char *cell(const struct column *column, const struct row *row,
			char text[SHOW_TEXT_SIZE])
{
	const json_t *object = column->flags & COLUMN_CHILD ? row->child : row->item;
	const json_t *value = json_object_get(object, column->key);
	long long number = json_integer_value(value);

	switch (column->cell) {
	case CELL_TEXT:
		return show_text(object, column->key);
	case CELL_QUEUE:
		return queue_name(object, text);
	case CELL_NUMBER:
		snprintf(text, SHOW_TEXT_SIZE, "%lld", number);
		return text;
	case CELL_UNITS:
		return value ? screen_units(number, text) : "-";
	case CELL_SECONDS:
		return screen_seconds(number, text);
	case CELL_MILLISECONDS:
		if (!number)
			return "-";
		snprintf(text, SHOW_TEXT_SIZE, "%lld ms", number / 1000000);
		return text;
	case CELL_LIST:
		return list_texts(value, text);
	case CELL_COPY:
		if (strcmp(show_text(object, "state"), "failed") == 0)
			return "-";
		return json_is_true(value) ? "zero" : "copy";
	case CELL_SOURCE:
		return json_is_string(value) ? json_string_value(value) : "any";
	case CELL_ENGINE:
		snprintf(text, SHOW_TEXT_SIZE, "%s", show_text(object, column->key));
		text[strcspn(text, ":")] = '\0';
		return text;
	case CELL_INPUT:
		return columns_input(object, text);
	case CELL_COUNTS:
		return show_counts(value, text);
	case CELL_REASON:
		return show_reason(object, column->key, text);
	case CELL_WHY:
		return show_text(object,
				 json_object_get(object, "reason") ? "reason" : "path_reason");
	case CELL_RULE_LOSSES:
		if (row->first && json_object_get(row->item, "reason"))
			return show_text(row->item, "reason");
		/* fall through */
	case CELL_LOSSES:
		return show_losses(object, text);
	}
	return "";
}

static bool is_shown(const struct column *column, const struct screen *screen)
{
	return !(column->flags & COLUMN_LONG && screen->brief) &&
	       !(column->flags & COLUMN_STATS && !screen->stats) &&
	       !(column->flags & COLUMN_NO_STATS && screen->stats);
}

static struct table *begin(const struct screen *screen, const struct column *columns)
{
	char headings[512] = "";

	for (; columns->heading; columns++) {
		if (is_shown(columns, screen))
			snprintf(headings + strlen(headings), sizeof(headings) - strlen(headings),
				 "%s%s", *headings ? " " : "", columns->heading);
	}
	return table_new(headings);
}

static void add_row(struct table *table, const struct screen *screen, const struct column *columns,
		    const struct row *row)
{
	for (; columns->heading; columns++) {
		char text[SHOW_TEXT_SIZE];
		const char *shown = "";

		if (!is_shown(columns, screen))
			continue;
		if (columns->flags & COLUMN_CHILD || row->first)
			shown = cell(columns, row, text);
		table_add_painted(table,
				  columns->flags & COLUMN_PAINTED ? screen_state_colour(shown)
								  : COLOUR_NONE,
				  shown);
	}
}

void columns_show(const struct screen *screen, const struct column *columns, const json_t *items,
		  const char *children)
{
	struct table *table = begin(screen, columns);
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		const json_t *list = children ? json_object_get(item, children) : NULL;
		size_t j = 0;

		do {
			const struct row row = {item, json_array_get(list, j), j == 0};

			add_row(table, screen, columns, &row);
		} while (++j < json_array_size(list));
	}
	table_print(table, screen);
}

void columns_show_row(const struct screen *screen, const struct column *columns,
		      const struct row *row)
{
	struct table *table = begin(screen, columns);

	add_row(table, screen, columns, row);
	table_print(table, screen);
}
