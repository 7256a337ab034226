/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_view.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/show.h"
#include "ctl/show_watch.h"
#include "ctl/top_header.h"

/* With fewer rows only the title is above the rules. */
#define ROWS_FOR_HEADER 14

/* Columns that the state and the numbers of a rule take, with a blank before each: at 80 columns 25
 * are left for names. */
#define NUMBERS_WIDTH 55
#define PATH_WIDTH    7
#define NAME_LEAST    12

/* Narrower, a column with reasons would show only the beginnings of words. */
#define REASON_LEAST 20

static void draw_prompt(const struct top_model *model, struct top_frame *frame)
{
	if (model->searching)
		top_frame_add(frame, COLOUR_HEADING, "search: %s_", model->search);
	else if (model->message[0])
		top_frame_add(frame, COLOUR_BAD, "%s", model->message);
	else if (model->search[0])
		top_frame_add(frame, COLOUR_HEADING, "rules with \"%s\": %zu", model->search,
			      model->count);
	else
		top_frame_add(frame, COLOUR_NONE, "%s", "");
}

static void draw_help(struct top_frame *frame)
{
	static const char *const lines[] = {
		"? h            these keys; again: back to the rules",
		"n p b d x      sort by name, packets, bits, drops, exhausted buffers;",
		"               again: in reverse",
		"Enter          show or hide the outputs of the rule, its reasons, and the",
		"               health of its stream, if the rule watches it",
		"/              search for names: Enter ends the search, Esc shows all rules",
		"Up Down PgUp PgDn Home End",
		"q              quit",
		"",
		"OUT            outputs",
		"DROPS DROP/S   datagrams that the outputs lost: in all, and in a second",
		"IFEX/S         packets a second that the rule's interface lost because no",
		"               buffer was free",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		top_frame_add(frame, COLOUR_NONE, "%s", lines[i]);
}

/* ---- the list ---- */

/* What a rule or an output says of itself, in columns. NULL: the column stays empty. */
struct cells {
	const char *prefix, *name; /* one column */
	const char *state, *path, *in;
	const char *numbers[7];
	const char *reason;
};

/* Why a rule is pending, or what its outputs wait for or lose; "": nothing is known. */
static const char *why(const json_t *rule, char text[SHOW_TEXT_SIZE])
{
	const json_t *reason = json_object_get(rule, "reason");
	const json_t *output;
	size_t i;

	json_array_foreach(json_object_get(rule, "outputs"), i, output)
	{
		if (reason)
			break;
		if (json_object_get(output, "reason") || top_model_lost(output))
			return show_losses(output, text);
	}
	if (!reason && show_watch_is_broken(rule))
		return show_watch(rule, text);
	return reason ? show_text(rule, "reason") : "";
}

/* The width of each column; 0: it is left out. */
struct layout {
	size_t name, path, in, reason;
};

/* Give a column what it needs and a blank, if that is left. */
static size_t place(size_t *left, size_t needed)
{
	if (!needed || *left < needed + 1)
		return 0;
	*left -= needed + 1;
	return needed;
}

/* Names, then paths, reasons and inputs, as far as there is room; names get what is left of it. */
static struct layout arrange(const struct top_model *model, const struct top_frame *frame)
{
	struct layout layout = {.name = NAME_LEAST};
	size_t input = 0, reason = 0, left;
	char text[SHOW_TEXT_SIZE];

	for (size_t i = 0; i < model->count; i++) {
		const json_t *rule = model->rows[i].rule;
		size_t width = screen_width(model->rows[i].name) + 2;
		const json_t *output;
		size_t j;

		layout.name = width > layout.name ? width : layout.name;
		width = screen_width(show_text(rule, "in"));
		input = width > input ? width : input;
		width = screen_width(why(rule, text));
		reason = width > reason ? width : reason;
		if (!json_object_get(model->expanded, model->rows[i].name))
			continue;
		json_array_foreach(json_object_get(rule, "outputs"), j, output)
		{
			width = screen_width(show_text(output, "to")) + 4;
			layout.name = width > layout.name ? width : layout.name;
		}
	}
	if (!frame->columns) {
		layout.path = PATH_WIDTH - 1;
		layout.in = input;
		layout.reason = SIZE_MAX;
		return layout;
	}
	left = frame->columns > NUMBERS_WIDTH + NAME_LEAST ? frame->columns - NUMBERS_WIDTH
							   : NAME_LEAST;
	layout.name = layout.name < left ? layout.name : left;
	left -= layout.name;
	layout.path = place(&left, PATH_WIDTH - 1);
	/* The longest may be cut; the rule's outputs show it whole. */
	if (reason >= left && left > REASON_LEAST)
		reason = left - 1;
	layout.reason = place(&left, reason);
	layout.in = place(&left, input);
	layout.name += left;
	return layout;
}

/* Append a cell that is cut and padded to its width. */
static void add_cell(struct text *line, const char *text, size_t width)
{
	char *escaped = screen_escape(text ? text : "", "");

	if (!escaped)
		return;
	screen_cut(escaped, width, "");
	text_add_format(line, "%s%*s", escaped, (int)(width - screen_width(escaped)), "");
	free(escaped);
}

static void add_row(struct top_frame *frame, const struct layout *layout, enum colour colour,
		    const struct cells *cells)
{
	char *name = text_format("%s%s", cells->prefix, cells->name);
	struct text line = {0};

	add_cell(&line, name, layout->name);
	text_add_format(&line, " %-8.8s", cells->state);
	if (layout->path) {
		text_add(&line, " ");
		add_cell(&line, cells->path, layout->path);
	}
	if (layout->in) {
		text_add(&line, " ");
		add_cell(&line, cells->in, layout->in);
	}
	text_add_format(&line, " %6s %6s %3s %6s %6s %6s %6s", cells->numbers[0], cells->numbers[1],
			cells->numbers[2], cells->numbers[3], cells->numbers[4], cells->numbers[5],
			cells->numbers[6]);
	if (layout->reason && cells->reason && *cells->reason)
		text_add_format(&line, " %s", cells->reason);
	if (!line.failed)
		top_frame_add(frame, colour, "%s", line.bytes);
	text_free(&line);
	free(name);
}

static void draw_output(struct top_frame *frame, const struct layout *layout, const json_t *output)
{
	long long lost = top_model_lost(output);
	char losses[SHOW_TEXT_SIZE];
	char text[4][UNITS_SIZE];
	const struct cells cells = {
		.prefix = "    ",
		.name = show_text(output, "to"),
		.state = "",
		.numbers =
			{
				screen_units(show_number(output, "rate_pps"), text[0]),
				screen_units(show_number(output, "rate_bps"), text[1]),
				"",
				screen_units(show_number(output, "sent_packets"), text[2]),
				screen_units(lost, text[3]),
				"",
				"",
			},
	};

	add_row(frame, layout, COLOUR_NONE, &cells);
	if (lost || json_object_get(output, "reason"))
		top_frame_add(frame, COLOUR_BAD, "      %s", show_losses(output, losses));
}

/* A line for each of several inputs; nothing if the rule has one. */
static void draw_sides(struct top_frame *frame, const json_t *sides)
{
	const json_t *side;
	size_t i;

	json_array_foreach(sides, i, side) top_frame_add(
		frame, screen_state_colour(show_text(side, "state")),
		"    side %s %s: in %s, %lld of %lld packets relayed", show_text(side, "name"),
		show_text(side, "state"), show_text(side, "in"), show_number(side, "used_packets"),
		show_number(side, "received_packets"));
}

static void draw_rule(const struct top_model *model, struct top_frame *frame,
		      const struct layout *layout, const struct top_row *row)
{
	const json_t *outputs = json_object_get(row->rule, "outputs");
	const json_t *path_reason = json_object_get(row->rule, "path_reason");
	const json_t *reason = json_object_get(row->rule, "reason");
	const char *state = show_text(row->rule, "state");
	bool expanded = json_object_get(model->expanded, row->name) != NULL;
	bool broken = show_watch_is_broken(row->rule);
	char text[7][UNITS_SIZE], losses[SHOW_TEXT_SIZE];
	struct cells cells = {
		.prefix = expanded ? "- " : "+ ",
		.name = row->name,
		.path = show_text(row->rule, "path"),
		.in = show_text(row->rule, "in"),
		.numbers =
			{
				screen_units(row->pps, text[0]),
				screen_units(row->bps, text[1]),
				text[6],
				screen_units(row->sent, text[2]),
				screen_units(row->drops, text[3]),
				screen_units(row->drops_per_second, text[4]),
				screen_units(row->exhausted, text[5]),
			},
		.reason = layout->reason ? why(row->rule, losses) : NULL,
	};

	snprintf(text[6], sizeof(text[6]), "%zu", json_array_size(outputs));
	if (strcmp(state, "active") == 0)
		state = show_text(row->rule, "flow");
	cells.state = state;
	add_row(frame, layout,
		row->drops_per_second || broken ? COLOUR_BAD : screen_state_colour(state), &cells);
	if (!expanded)
		return;
	top_frame_add(frame, COLOUR_DIM, "    in %s, path %s%s%s%s%s%s", show_text(row->rule, "in"),
		      show_text(row->rule, "path"), path_reason ? " (" : "",
		      path_reason ? show_text(row->rule, "path_reason") : "",
		      path_reason ? ")" : "", reason ? ": " : "",
		      reason ? show_text(row->rule, "reason") : "");
	if (*show_watch(row->rule, losses))
		top_frame_add(frame, broken ? COLOUR_BAD : COLOUR_DIM, "    stream: %s", losses);
	draw_sides(frame, json_object_get(row->rule, "sides"));
	for (size_t i = 0; i < json_array_size(outputs); i++)
		draw_output(frame, layout, json_array_get(outputs, i));
}

/* Draw the whole list, then keep the part that fits, with the cursor in it. */
static void draw_list(struct top_model *model, struct top_frame *frame, const struct layout *layout,
		      unsigned int rows)
{
	size_t begin = frame->count;
	size_t room = rows > begin ? rows - begin : 0;
	size_t at = top_model_cursor(model);
	size_t selected = 0;
	size_t total;

	for (size_t i = 0; i < model->count; i++) {
		if (i == at)
			selected = frame->count - begin;
		draw_rule(model, frame, layout, &model->rows[i]);
	}
	total = frame->count - begin;
	if (!rows)
		room = total;
	else if (selected < total)
		frame->lines[begin + selected].selected = true;
	model->page = room;
	if (selected < frame->first)
		frame->first = selected;
	if (room && selected >= frame->first + room)
		frame->first = selected - room + 1;
	if (total <= room)
		frame->first = 0;
	for (size_t i = 0; i < total; i++) {
		if (i < frame->first || i >= frame->first + room)
			free(frame->lines[begin + i].text);
	}
	if (total - frame->first < room)
		room = total - frame->first;
	if (room)
		memmove(&frame->lines[begin], &frame->lines[begin + frame->first],
			room * sizeof(*frame->lines));
	frame->count = begin + room;
}

void top_view_draw(struct top_model *model, unsigned int rows, unsigned int columns,
		   struct top_frame *frame)
{
	static const struct cells headings = {
		"",	  "RULE", "STATE",
		"PATH",	  "IN",	  {"PPS", "BPS", "OUT", "SENT", "DROPS", "DROP/S", "IFEX/S"},
		"REASON",
	};
	struct layout layout;

	top_frame_clear(frame);
	frame->columns = columns;
	top_header_title(model, frame);
	if (model->help) {
		draw_help(frame);
		return;
	}
	if (!rows || rows >= ROWS_FOR_HEADER)
		top_header_draw(model, frame);
	draw_prompt(model, frame);
	layout = arrange(model, frame);
	add_row(frame, &layout, COLOUR_HEADING, &headings);
	draw_list(model, frame, &layout, rows);
}
