/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_view.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/show.h"

/* Workers that have a line of their own. */
#define MAX_WORKER_LINES 4

/* With fewer rows only the title is above the rules. */
#define ROWS_FOR_HEADER 14

/* Columns that everything after a rule's name takes, with a blank before each column. A narrow
 * frame leaves out the path, so that at 80 columns 25 are left for names. */
#define NUMBERS_WIDTH	 55
#define PATH_WIDTH	 7
#define COLUMNS_FOR_PATH 90
#define NAME_LEAST	 12

/* Columns of a name if the frame has no width. */
#define NAME_UNLIMITED 40

static void free_lines(struct top_frame *frame)
{
	for (size_t i = 0; i < frame->count; i++)
		free(frame->lines[i].text);
	frame->count = 0;
}

void top_frame_free(struct top_frame *frame)
{
	free_lines(frame);
	free(frame->lines);
	*frame = (struct top_frame){0};
}

/* Append a line. If there is no memory, the frame has fewer. */
__attribute__((format(printf, 3, 4))) static void
add_line(struct top_frame *frame, enum colour colour, const char *format, ...)
{
	struct top_line *lines = frame->lines;
	va_list arguments;
	char *plain;
	char *text;

	va_start(arguments, format);
	plain = text_format_list(format, arguments);
	va_end(arguments);
	text = plain ? screen_escape(plain, "") : NULL;
	free(plain);
	if (frame->count == frame->room) {
		lines = realloc(lines, (frame->room * 2 + 64) * sizeof(*lines));
		if (lines) {
			frame->lines = lines;
			frame->room = frame->room * 2 + 64;
		}
	}
	if (!text || !lines) {
		free(text);
		return;
	}
	if (frame->columns)
		screen_cut(text, frame->columns, "");
	lines[frame->count++] = (struct top_line){.text = text, .colour = colour};
}

/* ---- above the list ---- */

static void draw_title(const struct top_model *model, struct top_frame *frame)
{
	const json_t *rules = json_object_get(model->stats, "rules");
	char uptime[UNITS_SIZE];
	const json_t *rule;
	size_t flowing = 0;
	size_t silent = 0;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		flowing += strcmp(show_text(rule, "flow"), "flowing") == 0;
		silent += strcmp(show_text(rule, "flow"), "silent") == 0;
	}
	add_line(frame, COLOUR_HEADING,
		 "xmcastctl top - up %s, %zu rule%s: %zu flowing, %zu silent; by %s%s; h: help",
		 screen_seconds(show_number(model->stats, "uptime_seconds"), uptime),
		 json_array_size(rules), json_array_size(rules) == 1 ? "" : "s", flowing, silent,
		 top_sort_names[model->sort], model->reverse ? ", reversed" : "");
}

static void draw_totals(const struct top_model *model, struct top_frame *frame)
{
	const json_t *totals = json_object_get(model->stats, "totals");
	const json_t *rules = json_object_get(model->stats, "rules");
	long long steered = show_number(totals, "steered_packets");
	long long exhausted = show_number(totals, "buffer_exhausted_packets");
	char text[6][UNITS_SIZE];

	add_line(frame, COLOUR_NONE,
		 "total   steered %s, received %s, sent %s, errors %s, limited %s, dropped %s",
		 screen_units(steered, text[0]),
		 screen_units(show_number(totals, "received_packets"), text[1]),
		 screen_units(show_number(totals, "sent_packets"), text[2]),
		 screen_units(show_number(totals, "send_errors"), text[3]),
		 screen_units(show_number(totals, "rate_limited_packets"), text[4]),
		 screen_units(show_number(totals, "dropped_packets"), text[5]));
	add_line(frame, exhausted ? COLOUR_WARN : COLOUR_NONE,
		 "rate    %s pps, %s bit/s in; buffers exhausted %s (%.4f %%)",
		 screen_units(top_model_sum(rules, "rate_pps"), text[0]),
		 screen_units(top_model_sum(rules, "rate_bps"), text[1]),
		 screen_units(exhausted, text[2]),
		 steered > 0 ? 100.0 * (double)exhausted / (double)steered : 0.0);
}

static void add_count(json_t *reasons, const char *reason, long long count)
{
	unsigned long long sum = (unsigned long long)show_number(reasons, reason);

	sum += (unsigned long long)count;
	json_object_set_new(reasons, reason, json_integer((json_int_t)sum));
}

/* Add the members of an object. */
static void add_counts(json_t *reasons, const json_t *counts)
{
	const char *reason;
	json_t *count;

	json_object_foreach((json_t *)counts, reason, count)
		add_count(reasons, reason, json_integer_value(count));
}

/* Add what each device dropped, as "DEVICE:REASON". */
static void add_device_drops(json_t *reasons, const json_t *redirected)
{
	const char *device;
	const char *reason;
	json_t *counts;
	json_t *count;

	json_object_foreach((json_t *)redirected, device, counts)
	{
		json_object_foreach(json_object_get(counts, "drops"), reason, count)
		{
			char *name = text_format("%s:%s", device, reason);

			if (name)
				add_count(reasons, name, json_integer_value(count));
			free(name);
		}
	}
}

/* Where packets were lost, over all rules and interfaces. */
static void draw_drops(const struct top_model *model, struct top_frame *frame)
{
	json_t *reasons = json_object();
	char text[SHOW_TEXT_SIZE];
	const json_t *item;
	const json_t *output;
	size_t i;
	size_t j;

	json_array_foreach(json_object_get(model->stats, "interfaces"), i, item)
	{
		const json_t *queues = json_object_get(item, "queues");
		long long empty = top_model_sum(queues, "fill_ring_empty");
		long long dropped = top_model_sum(queues, "rx_dropped");

		/* In copy mode the kernel counts an empty fill ring as rx_dropped as well. */
		if (!show_true(item, "zero_copy") && empty >= 0 && dropped >= empty)
			dropped -= empty;
		add_count(reasons, "fill_ring_empty", empty);
		add_count(reasons, "rx_dropped", dropped);
		add_count(reasons, "rx_ring_full", top_model_sum(queues, "rx_ring_full"));
		add_device_drops(reasons, json_object_get(item, "redirected"));
	}
	json_array_foreach(json_object_get(model->stats, "workers"), i, item)
		add_counts(reasons, json_object_get(item, "drops"));
	json_array_foreach(json_object_get(model->stats, "rules"), i, item)
	{
		json_array_foreach(json_object_get(item, "outputs"), j, output)
		{
			add_counts(reasons, json_object_get(output, "errors"));
			add_counts(reasons, json_object_get(output, "drops"));
		}
	}
	add_line(frame, COLOUR_NONE, "drops   %s", show_counts(reasons, text));
	json_decref(reasons);
}

static void draw_workers(const struct top_model *model, struct top_frame *frame)
{
	const json_t *workers = json_object_get(model->stats, "workers");
	const json_t *worker;
	size_t i;

	json_array_foreach(workers, i, worker)
	{
		if (i == MAX_WORKER_LINES) {
			add_line(frame, COLOUR_DIM,
				 "        and %zu more workers: queued %lld, in flight %lld in all",
				 json_array_size(workers) - i,
				 top_model_sum(workers, "queued_frames"),
				 top_model_sum(workers, "in_flight_frames"));
			break;
		}
		add_line(frame, COLOUR_NONE,
			 "worker  %s/%lld: queued %lld, in flight %lld, of %lld frames",
			 show_text(worker, "interface"), show_number(worker, "queue"),
			 show_number(worker, "queued_frames"),
			 show_number(worker, "in_flight_frames"), show_number(worker, "frames"));
	}
}

/* What was redirected to devices on the kernel path: no line if nothing was. */
static void draw_devices(const struct top_model *model, struct top_frame *frame)
{
	struct text line = {0};
	char text[2][UNITS_SIZE];
	const json_t *interface;
	const char *device;
	json_t *counts;
	size_t i;

	json_array_foreach(json_object_get(model->stats, "interfaces"), i, interface)
	{
		json_object_foreach(json_object_get(interface, "redirected"), device, counts)
			text_add_format(
				&line, "%s%s to %s: sent %s, dropped %s", line.length ? "; " : "",
				show_text(interface, "name"), device,
				screen_units(show_number(counts, "sent_packets"), text[0]),
				screen_units(show_number(counts, "dropped_packets"), text[1]));
	}
	if (line.length)
		add_line(frame, COLOUR_NONE, "device  %s", line.bytes);
	text_free(&line);
}

static void draw_prompt(const struct top_model *model, struct top_frame *frame)
{
	if (model->searching)
		add_line(frame, COLOUR_HEADING, "search: %s_", model->search);
	else if (model->message[0])
		add_line(frame, COLOUR_BAD, "%s", model->message);
	else if (model->help)
		add_line(frame, COLOUR_HEADING,
			 "n p b d x: sort, again: reverse  Enter: outputs  /: search  Esc: all  q: "
			 "quit");
	else if (model->search[0])
		add_line(frame, COLOUR_HEADING, "rules with \"%s\": %zu", model->search,
			 model->count);
	else
		add_line(frame, COLOUR_NONE, "%s", "");
}

/* ---- the list ---- */

/* A line of the list: a name, cut and padded to its column, and what follows it. */
static void add_row(struct top_frame *frame, enum colour colour, const char *prefix,
		    const char *name, const char *state, const char *path,
		    const char *const numbers[7])
{
	bool wide = !frame->columns || frame->columns >= COLUMNS_FOR_PATH;
	size_t numbers_width = NUMBERS_WIDTH + (wide ? PATH_WIDTH : 0);
	char path_cell[PATH_WIDTH + 1] = "";
	size_t most = NAME_UNLIMITED;
	char *plain = text_format("%s%s", prefix, name);
	char *escaped = plain ? screen_escape(plain, "") : NULL;

	if (wide)
		snprintf(path_cell, sizeof(path_cell), " %-6s", path);
	if (frame->columns)
		most = frame->columns > numbers_width + NAME_LEAST ? frame->columns - numbers_width
								   : NAME_LEAST;
	if (escaped) {
		screen_cut(escaped, most, "");
		add_line(frame, colour, "%s%*s %-8.8s%s %6s %6s %3s %6s %6s %6s %6s", escaped,
			 (int)(most - screen_width(escaped)), "", state, path_cell, numbers[0],
			 numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]);
	}
	free(escaped);
	free(plain);
}

static void draw_output(struct top_frame *frame, const json_t *output)
{
	long long lost = top_model_lost(output);
	char losses[SHOW_TEXT_SIZE];
	char text[4][UNITS_SIZE];
	const char *const numbers[] = {
		screen_units(show_number(output, "rate_pps"), text[0]),
		screen_units(show_number(output, "rate_bps"), text[1]),
		"",
		screen_units(show_number(output, "sent_packets"), text[2]),
		screen_units(lost, text[3]),
		"",
		"",
	};

	add_row(frame, COLOUR_NONE, "    ", show_text(output, "to"), "", "", numbers);
	if (lost || json_object_get(output, "reason"))
		add_line(frame, COLOUR_BAD, "      %s", show_losses(output, losses));
}

static void draw_rule(const struct top_model *model, struct top_frame *frame,
		      const struct top_row *row)
{
	const json_t *outputs = json_object_get(row->rule, "outputs");
	const json_t *path_reason = json_object_get(row->rule, "path_reason");
	const json_t *reason = json_object_get(row->rule, "reason");
	const char *state = show_text(row->rule, "state");
	bool expanded = json_object_get(model->expanded, row->name) != NULL;
	char text[7][UNITS_SIZE];
	const char *const numbers[] = {
		screen_units(row->pps, text[0]),
		screen_units(row->bps, text[1]),
		text[6],
		screen_units(row->sent, text[2]),
		screen_units(row->drops, text[3]),
		screen_units(row->drops_per_second, text[4]),
		screen_units(row->exhausted, text[5]),
	};

	snprintf(text[6], sizeof(text[6]), "%zu", json_array_size(outputs));
	if (strcmp(state, "active") == 0)
		state = show_text(row->rule, "flow");
	add_row(frame, row->drops_per_second ? COLOUR_BAD : screen_state_colour(state),
		expanded ? "- " : "+ ", row->name, state, show_text(row->rule, "path"), numbers);
	if (!expanded)
		return;
	add_line(frame, COLOUR_DIM, "    in %s, path %s%s%s%s%s%s", show_text(row->rule, "in"),
		 show_text(row->rule, "path"), path_reason ? " (" : "",
		 path_reason ? show_text(row->rule, "path_reason") : "", path_reason ? ")" : "",
		 reason ? ": " : "", reason ? show_text(row->rule, "reason") : "");
	for (size_t i = 0; i < json_array_size(outputs); i++)
		draw_output(frame, json_array_get(outputs, i));
}

/* Draw the whole list, then keep the part that fits, with the cursor in it. */
static void draw_list(struct top_model *model, struct top_frame *frame, unsigned int rows)
{
	size_t begin = frame->count;
	size_t room = rows > begin ? rows - begin : 0;
	size_t at = top_model_cursor(model);
	size_t selected = 0;
	size_t total;

	for (size_t i = 0; i < model->count; i++) {
		if (i == at)
			selected = frame->count - begin;
		draw_rule(model, frame, &model->rows[i]);
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
	static const char *const headings[] = {"PPS",	"BPS",	  "OUT",   "SENT",
					       "DROPS", "DROP/S", "IFEX/S"};

	free_lines(frame);
	frame->columns = columns;
	draw_title(model, frame);
	if (!rows || rows >= ROWS_FOR_HEADER) {
		draw_totals(model, frame);
		draw_drops(model, frame);
		draw_workers(model, frame);
		draw_devices(model, frame);
	}
	draw_prompt(model, frame);
	add_row(frame, COLOUR_HEADING, "", "RULE", "STATE", "PATH", headings);
	draw_list(model, frame, rows);
}
