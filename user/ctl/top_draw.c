/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames of top. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "ctl/top_model.h"

/* Workers that get a line of their own. */
#define MAX_WORKER_LINES 4

/* On fewer rows than this only the first line stands above the rules. */
#define ROWS_FOR_HEADER 14

/* The columns behind the name, with a blank before each, take so many characters. */
#define NUMBERS_WIDTH 55
#define NAME_LEAST    12

/* A name in a table that has no width. */
#define NAME_UNLIMITED 40

void top_frame_free(struct top_frame *frame)
{
	for (size_t i = 0; i < frame->count; i++)
		free(frame->lines[i].text);
	free(frame->lines);
	*frame = (struct top_frame){0};
}

/* Append a line; without memory the frame has fewer. */
__attribute__((format(printf, 3, 4))) static void
add_line(struct top_frame *frame, enum colour colour, const char *format, ...)
{
	struct top_line *lines = frame->lines;
	char *plain = NULL;
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&plain, format, arguments) < 0)
		plain = NULL;
	va_end(arguments);
	if (plain)
		text = screen_escape(plain, "");
	free(plain);
	if (frame->count == frame->room) {
		frame->room = frame->room ? frame->room * 2 : 64;
		lines = realloc(frame->lines, frame->room * sizeof(*lines));
	}
	if (!text || !lines) {
		frame->room = lines ? frame->room : frame->count;
		frame->lines = lines ? lines : frame->lines;
		free(text);
		return;
	}
	if (frame->columns && strlen(text) > frame->columns)
		text[frame->columns] = '\0';
	frame->lines = lines;
	lines[frame->count++] = (struct top_line){.text = text, .colour = colour};
}

static void count_flows(const struct top_view *view, size_t *flowing, size_t *silent)
{
	const json_t *rule;
	size_t i;

	*flowing = 0;
	*silent = 0;
	json_array_foreach(json_object_get(view->stats, "rules"), i, rule)
	{
		*flowing += strcmp(show_text(rule, "flow"), "flowing") == 0;
		*silent += strcmp(show_text(rule, "flow"), "silent") == 0;
	}
}

static void draw_title(const struct top_view *view, struct top_frame *frame)
{
	char uptime[UNITS_SIZE];
	size_t rules = json_array_size(json_object_get(view->stats, "rules"));
	size_t flowing;
	size_t silent;

	count_flows(view, &flowing, &silent);
	add_line(frame, COLOUR_HEADING,
		 "xmcastctl top - up %s, %zu rule%s: %zu flowing, %zu silent; by %s%s; h: help",
		 screen_seconds(show_number(view->stats, "uptime_seconds"), uptime), rules,
		 rules == 1 ? "" : "s", flowing, silent, top_view_sort_names[view->sort],
		 view->reverse ? ", reversed" : "");
}

static void draw_totals(const struct top_view *view, struct top_frame *frame)
{
	const json_t *totals = json_object_get(view->stats, "totals");
	const json_t *rules = json_object_get(view->stats, "rules");
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
		 screen_units(top_view_sum(rules, "rate_pps"), text[0]),
		 screen_units(top_view_sum(rules, "rate_bps"), text[1]),
		 screen_units(exhausted, text[2]),
		 steered > 0 ? 100.0 * (double)exhausted / (double)steered : 0.0);
}

/* Add the members of an object, by name. */
static void add_counts(json_t *reasons, const json_t *counts)
{
	const char *reason;
	json_t *count;

	json_object_foreach((json_t *)counts, reason, count)
	{
		unsigned long long all = (unsigned long long)show_number(reasons, reason);

		all += (unsigned long long)json_integer_value(count);
		json_object_set_new(reasons, reason, json_integer((json_int_t)all));
	}
}

/* Add one number under this name. */
static void add_count(json_t *reasons, const char *reason, long long count)
{
	json_t *one = json_pack("{s:I}", reason, (json_int_t)count);

	add_counts(reasons, one);
	json_decref(one);
}

/* What the kernel dropped at an interface's sockets. In copy mode it counts an empty fill ring as
 * rx_dropped, too: once is enough. */
static void add_queues(json_t *reasons, const json_t *iface)
{
	const json_t *queues = json_object_get(iface, "queues");
	long long empty = top_view_sum(queues, "fill_ring_empty");
	long long dropped = top_view_sum(queues, "rx_dropped");
	bool both = !show_true(iface, "zero_copy") && empty >= 0 && dropped >= empty;

	add_count(reasons, "fill_ring_empty", empty);
	add_count(reasons, "rx_dropped", both ? dropped - empty : dropped);
	add_count(reasons, "rx_ring_full", top_view_sum(queues, "rx_ring_full"));
}

/* Where packets were lost, over all rules and interfaces. */
static void draw_drops(const struct top_view *view, struct top_frame *frame)
{
	json_t *reasons = json_object();
	char text[SHOW_COUNTS_SIZE];
	const json_t *item;
	const json_t *output;
	size_t i;
	size_t j;

	json_array_foreach(json_object_get(view->stats, "interfaces"), i, item)
		add_queues(reasons, item);
	json_array_foreach(json_object_get(view->stats, "workers"), i, item)
		add_counts(reasons, json_object_get(item, "drops"));
	json_array_foreach(json_object_get(view->stats, "rules"), i, item)
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

static void draw_workers(const struct top_view *view, struct top_frame *frame)
{
	const json_t *workers = json_object_get(view->stats, "workers");
	const json_t *worker;
	size_t i;

	json_array_foreach(workers, i, worker)
	{
		if (i == MAX_WORKER_LINES) {
			add_line(frame, COLOUR_DIM,
				 "        and %zu more workers: queued %lld, in flight %lld in all",
				 json_array_size(workers) - i,
				 top_view_sum(workers, "queued_frames"),
				 top_view_sum(workers, "in_flight_frames"));
			break;
		}
		add_line(frame, COLOUR_NONE,
			 "worker  %s/%lld: queued %lld, in flight %lld, of %lld frames",
			 show_text(worker, "interface"), show_number(worker, "queue"),
			 show_number(worker, "queued_frames"),
			 show_number(worker, "in_flight_frames"), show_number(worker, "frames"));
	}
}

static void draw_prompt(const struct top_view *view, struct top_frame *frame)
{
	if (view->searching)
		add_line(frame, COLOUR_HEADING, "search: %s_", view->search);
	else if (view->message[0])
		add_line(frame, COLOUR_BAD, "%s", view->message);
	else if (view->help)
		add_line(frame, COLOUR_HEADING,
			 "n p b d x: sort, again: reverse  Enter: outputs  /: search  Esc: all  q: "
			 "quit");
	else if (view->search[0])
		add_line(frame, COLOUR_HEADING, "rules with \"%s\": %zu", view->search,
			 view->count);
	else
		add_line(frame, COLOUR_NONE, "%s", "");
}

static int name_width(const struct top_frame *frame)
{
	if (!frame->columns)
		return NAME_UNLIMITED;
	return frame->columns > NUMBERS_WIDTH + NAME_LEAST ? (int)(frame->columns - NUMBERS_WIDTH)
							   : NAME_LEAST;
}

#define COLUMNS "%-*.*s %-8.8s %6s %6s %3s %6s %6s %6s %6s"

static void draw_headings(struct top_frame *frame)
{
	int wide = name_width(frame);

	add_line(frame, COLOUR_HEADING, COLUMNS, wide, wide, "RULE", "STATE", "PPS", "BPS", "OUT",
		 "SENT", "DROPS", "DROP/S", "IFEX/S");
}

static void draw_output(struct top_frame *frame, const json_t *output)
{
	long long drops = top_view_lost(output);
	int wide = name_width(frame);
	char counts[SHOW_COUNTS_SIZE];
	char text[4][UNITS_SIZE];
	char *name;

	if (asprintf(&name, "    %s", show_text(output, "to")) < 0)
		return;
	add_line(frame, COLOUR_NONE, COLUMNS, wide, wide, name, "",
		 screen_units(show_number(output, "rate_pps"), text[0]),
		 screen_units(show_number(output, "rate_bps"), text[1]), "",
		 screen_units(show_number(output, "sent_packets"), text[2]),
		 screen_units(drops, text[3]), "", "");
	free(name);
	if (drops || json_object_get(output, "reason"))
		add_line(frame, COLOUR_BAD, "      %s", show_losses(output, counts));
}

static void draw_rule(const struct top_view *view, struct top_frame *frame, const struct row *row)
{
	const json_t *outputs = json_object_get(row->rule, "outputs");
	const char *state = show_text(row->rule, "state");
	bool expanded = json_object_get(view->expanded, row->name) != NULL;
	int wide = name_width(frame);
	char text[6][UNITS_SIZE];
	char count[UNITS_SIZE];
	char *name;

	if (strcmp(state, "active") == 0)
		state = show_text(row->rule, "flow");
	if (asprintf(&name, "%c %s", expanded ? '-' : '+', row->name) < 0)
		return;
	snprintf(count, sizeof(count), "%zu", json_array_size(outputs));
	add_line(frame, row->drops_per_second ? COLOUR_BAD : screen_state_colour(state), COLUMNS,
		 wide, wide, name, state, screen_units(row->pps, text[0]),
		 screen_units(row->bps, text[1]), count, screen_units(row->sent, text[2]),
		 screen_units(row->drops, text[3]), screen_units(row->drops_per_second, text[4]),
		 screen_units(row->exhausted, text[5]));
	free(name);
	if (!expanded)
		return;
	add_line(frame, COLOUR_DIM, "    in %s%s%s", show_text(row->rule, "in"),
		 json_object_get(row->rule, "reason") ? ": " : "",
		 json_object_get(row->rule, "reason") ? show_text(row->rule, "reason") : "");
	for (size_t i = 0; i < json_array_size(outputs); i++)
		draw_output(frame, json_array_get(outputs, i));
}

/* Append the part of the list that fits, with the cursor in it. */
static void draw_list(struct top_view *view, struct top_frame *frame, unsigned int rows)
{
	struct top_frame list = {.columns = frame->columns};
	size_t at = top_view_cursor(view);
	size_t selected = 0;
	size_t room = rows > frame->count ? rows - frame->count : 0;

	for (size_t i = 0; i < view->count; i++) {
		if (i == at)
			selected = list.count;
		draw_rule(view, &list, &view->rows[i]);
	}
	if (rows && selected < list.count)
		list.lines[selected].selected = true;
	if (!rows)
		room = list.count;
	view->page = room;
	if (selected < view->first)
		view->first = selected;
	if (room && selected >= view->first + room)
		view->first = selected - room + 1;
	if (list.count <= room)
		view->first = 0;
	for (size_t i = view->first; i < list.count && i < view->first + room; i++) {
		add_line(frame, list.lines[i].colour, "%s", list.lines[i].text);
		if (frame->count)
			frame->lines[frame->count - 1].selected = list.lines[i].selected;
	}
	top_frame_free(&list);
}

void top_view_draw(struct top_view *view, unsigned int rows, unsigned int columns,
		   struct top_frame *frame)
{
	top_frame_free(frame);
	frame->columns = columns;
	draw_title(view, frame);
	if (!rows || rows >= ROWS_FOR_HEADER) {
		draw_totals(view, frame);
		draw_drops(view, frame);
		draw_workers(view, frame);
	}
	draw_prompt(view, frame);
	draw_headings(frame);
	draw_list(view, frame, rows);
}
