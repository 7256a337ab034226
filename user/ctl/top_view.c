/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_view.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"

/* Workers that get a line of their own. */
#define MAX_WORKER_LINES 4

/* On fewer rows than this only the first line stands above the rules. */
#define ROWS_FOR_HEADER 14

#define SEARCH_SIZE	64
#define MESSAGE_SIZE	200

/* The columns behind the name, with a blank before each, take so many characters. */
#define NUMBERS_WIDTH 55
#define NAME_LEAST    12

/* A name in a table that has no width. */
#define NAME_UNLIMITED 40

enum sort { SORT_NAME, SORT_PPS, SORT_BPS, SORT_DROPS, SORT_EXHAUSTED, SORTS };

static const char *const sort_names[] = {"name", "pps", "bps", "drops", "exhausted"};

/* One rule, with what it is sorted by. */
struct row {
	const json_t *rule;
	const char *name;
	long long pps;
	long long bps;
	long long sent;
	long long drops;
	long long drops_per_second;
	long long exhausted; /* packets that its input interface lost to empty fill rings, a second
			      */
};

struct top_view {
	json_t *stats;	  /* NULL before the first sample */
	json_t *before;	  /* name: number of drops a moment ago; interfaces as "@NAME" */
	json_t *changes;  /* the same keys: what came to them a second since */
	json_t *expanded; /* names, as the keys of an object */
	double sampled;
	enum sort sort;
	bool reverse;
	bool searching; /* keys go to `search` */
	bool help;
	char search[SEARCH_SIZE];
	char message[MESSAGE_SIZE];
	char *selected; /* name of the rule under the cursor, or NULL */
	struct row *rows;
	size_t count;
	size_t first; /* line of the list that is at its top */
	size_t page;  /* lines of the list in the last frame */
};

struct top_view *top_view_new(void)
{
	struct top_view *view = calloc(1, sizeof(*view));

	if (!view)
		return NULL;
	view->sort = SORT_PPS;
	view->before = json_object();
	view->changes = json_object();
	view->expanded = json_object();
	if (view->before && view->changes && view->expanded)
		return view;
	top_view_free(view);
	return NULL;
}

void top_view_free(struct top_view *view)
{
	if (!view)
		return;
	json_decref(view->stats);
	json_decref(view->before);
	json_decref(view->changes);
	json_decref(view->expanded);
	free(view->selected);
	free(view->rows);
	free(view);
}

bool top_view_sort(struct top_view *view, const char *key)
{
	for (unsigned int i = 0; i < SORTS; i++) {
		if (*key && strncmp(key, sort_names[i], strlen(key)) == 0) {
			view->sort = (enum sort)i;
			view->reverse = false;
			return true;
		}
	}
	return false;
}

/* ---- samples ---- */

static long long sum(const json_t *list, const char *key)
{
	const json_t *item;
	unsigned long long total = 0;
	size_t i;

	/* Unsigned: numbers that no relay has must not overflow. */
	json_array_foreach(list, i, item) total += (unsigned long long)show_number(item, key);
	return (long long)total;
}

/* Note the counter `key`, and what came to it since. */
static void note(struct top_view *view, json_t *now, const char *key, long long value,
		 double seconds)
{
	const json_t *old = json_object_get(view->before, key);
	double change = old ? (double)value - (double)json_integer_value(old) : 0;

	json_object_set_new(now, key, json_integer(value));
	/* A counter that has gone back is another one: the daemon or the rule is new. */
	json_object_set_new(view->changes, key,
			    json_integer(change > 0 && seconds > 0 && change < 1e15
						 ? (json_int_t)(change / seconds + 0.5)
						 : 0));
}

static void note_all(struct top_view *view, json_t *now, double seconds)
{
	const json_t *item;
	size_t i;

	json_object_clear(view->changes);
	json_array_foreach(json_object_get(view->stats, "rules"), i, item)
	{
		long long drops = sum(json_object_get(item, "outputs"), "send_errors");

		note(view, now, show_text(item, "name"), drops, seconds);
	}
	json_array_foreach(json_object_get(view->stats, "interfaces"), i, item)
	{
		char *key;

		if (asprintf(&key, "@%s", show_text(item, "name")) < 0)
			continue;
		note(view, now, key, sum(json_object_get(item, "queues"), "fill_ring_empty"),
		     seconds);
		free(key);
	}
}

static int compare(const void *left, const void *right, void *context)
{
	const struct row *a = left;
	const struct row *b = right;
	const struct top_view *view = context;
	long long x = 0;
	long long y = 0;
	int order;

	switch (view->sort) {
	case SORT_PPS:
		x = a->pps;
		y = b->pps;
		break;
	case SORT_BPS:
		x = a->bps;
		y = b->bps;
		break;
	case SORT_DROPS:
		x = a->drops_per_second != b->drops_per_second ? a->drops_per_second : a->drops;
		y = a->drops_per_second != b->drops_per_second ? b->drops_per_second : b->drops;
		break;
	case SORT_EXHAUSTED:
		x = a->exhausted;
		y = b->exhausted;
		break;
	default:
		break;
	}
	order = x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
	return view->reverse ? -order : order;
}

/* What the input interface of a rule loses. */
static long long exhausted_of(const struct top_view *view, const json_t *rule)
{
	const char *in = show_text(rule, "in");
	const char *at = strchr(in, '@');

	return at ? show_number(view->changes, at) : 0;
}

static void fill_row(const struct top_view *view, const json_t *rule, struct row *row)
{
	const json_t *outputs = json_object_get(rule, "outputs");

	*row = (struct row){
		.rule = rule,
		.name = show_text(rule, "name"),
		.pps = show_number(rule, "rate_pps"),
		.bps = show_number(rule, "rate_bps"),
		.sent = sum(outputs, "sent_packets"),
		.drops = sum(outputs, "send_errors"),
	};
	row->drops_per_second = show_number(view->changes, row->name);
	row->exhausted = exhausted_of(view, rule);
}

/* The rules that are searched for, sorted. */
static void arrange(struct top_view *view)
{
	const json_t *rules = json_object_get(view->stats, "rules");
	const json_t *rule;
	size_t i;

	free(view->rows);
	view->count = 0;
	view->rows = calloc(json_array_size(rules) + 1, sizeof(*view->rows));
	if (!view->rows)
		return;
	json_array_foreach(rules, i, rule)
	{
		if (strstr(show_text(rule, "name"), view->search))
			fill_row(view, rule, &view->rows[view->count++]);
	}
	qsort_r(view->rows, view->count, sizeof(*view->rows), compare, view);
}

int top_view_sample(struct top_view *view, json_t *stats, double now)
{
	json_t *counted = json_object();

	if (!counted) {
		json_decref(stats);
		return -ENOMEM;
	}
	json_decref(view->stats);
	view->stats = stats;
	note_all(view, counted, view->sampled > 0 ? now - view->sampled : 0);
	json_decref(view->before);
	view->before = counted;
	view->sampled = now;
	arrange(view);
	return 0;
}

void top_view_message(struct top_view *view, const char *text)
{
	snprintf(view->message, sizeof(view->message), "%.*s", (int)strcspn(text, "\n"), text);
}

/* ---- keys ---- */

static size_t cursor(const struct top_view *view)
{
	for (size_t i = 0; view->selected && i < view->count; i++) {
		if (strcmp(view->rows[i].name, view->selected) == 0)
			return i;
	}
	return 0;
}

static void move_cursor(struct top_view *view, size_t to)
{
	if (!view->count)
		return;
	free(view->selected);
	view->selected = strdup(view->rows[to < view->count ? to : view->count - 1].name);
}

static void toggle(struct top_view *view)
{
	const char *name;

	if (!view->count)
		return;
	name = view->rows[cursor(view)].name;
	if (json_object_get(view->expanded, name))
		json_object_del(view->expanded, name);
	else
		json_object_set_new(view->expanded, name, json_true());
}

static void search_key(struct top_view *view, int key)
{
	size_t length = strlen(view->search);

	switch (key) {
	case TOP_KEY_ENTER:
		view->searching = false;
		break;
	case TOP_KEY_ESCAPE:
		view->searching = false;
		view->search[0] = '\0';
		break;
	case TOP_KEY_BACKSPACE:
		if (length)
			view->search[length - 1] = '\0';
		break;
	default:
		if (key >= 0x20 && key < 0x7f && length + 1 < sizeof(view->search)) {
			view->search[length] = (char)key;
			view->search[length + 1] = '\0';
		}
		break;
	}
	arrange(view);
}

static void sort_key(struct top_view *view, enum sort sort)
{
	view->reverse = view->sort == sort && !view->reverse;
	view->sort = sort;
	arrange(view);
}

static void move_key(struct top_view *view, int key)
{
	size_t at = cursor(view);
	size_t page = view->page ? view->page : 1;

	switch (key) {
	case TOP_KEY_UP:
		move_cursor(view, at ? at - 1 : 0);
		break;
	case TOP_KEY_DOWN:
		move_cursor(view, at + 1);
		break;
	case TOP_KEY_PAGE_UP:
		move_cursor(view, at > page ? at - page : 0);
		break;
	case TOP_KEY_PAGE_DOWN:
		move_cursor(view, at + page);
		break;
	case TOP_KEY_HOME:
		move_cursor(view, 0);
		break;
	case TOP_KEY_END:
		move_cursor(view, view->count);
		break;
	}
}

bool top_view_key(struct top_view *view, int key)
{
	if (view->searching) {
		search_key(view, key);
		return false;
	}
	switch (key) {
	case 'q':
		return true;
	case '/':
		view->searching = true;
		view->search[0] = '\0';
		arrange(view);
		break;
	case TOP_KEY_ESCAPE:
		view->search[0] = '\0';
		view->help = false;
		arrange(view);
		break;
	case 'h':
	case '?':
		view->help = !view->help;
		break;
	case 'n':
		sort_key(view, SORT_NAME);
		break;
	case 'p':
		sort_key(view, SORT_PPS);
		break;
	case 'b':
		sort_key(view, SORT_BPS);
		break;
	case 'd':
		sort_key(view, SORT_DROPS);
		break;
	case 'x':
		sort_key(view, SORT_EXHAUSTED);
		break;
	case TOP_KEY_ENTER:
		toggle(view);
		break;
	default:
		move_key(view, key);
		break;
	}
	return false;
}

/* ---- lines ---- */

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
	size_t flowing;
	size_t silent;

	count_flows(view, &flowing, &silent);
	add_line(frame, COLOUR_HEADING,
		 "xmcastctl top - up %s, %zu rules: %zu flowing, %zu silent; by %s%s; h: help",
		 screen_seconds(show_number(view->stats, "uptime_seconds"), uptime),
		 json_array_size(json_object_get(view->stats, "rules")), flowing, silent,
		 sort_names[view->sort], view->reverse ? ", reversed" : "");
}

static void draw_totals(const struct top_view *view, struct top_frame *frame)
{
	const json_t *totals = json_object_get(view->stats, "totals");
	const json_t *rules = json_object_get(view->stats, "rules");
	long long steered = show_number(totals, "steered_packets");
	long long exhausted = show_number(totals, "buffer_exhausted_packets");
	char text[6][UNITS_SIZE];

	add_line(frame, COLOUR_NONE,
		 "total   steered %s, received %s, sent %s, errors %s, dropped %s",
		 screen_units(steered, text[0]),
		 screen_units(show_number(totals, "received_packets"), text[1]),
		 screen_units(show_number(totals, "sent_packets"), text[2]),
		 screen_units(show_number(totals, "send_errors"), text[3]),
		 screen_units(show_number(totals, "dropped_packets"), text[4]));
	add_line(frame, exhausted ? COLOUR_WARN : COLOUR_NONE,
		 "rate    %s pps, %s bit/s in; buffers exhausted %s (%.4f %%)",
		 screen_units(sum(rules, "rate_pps"), text[0]),
		 screen_units(sum(rules, "rate_bps"), text[1]), screen_units(exhausted, text[2]),
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
	long long empty = sum(queues, "fill_ring_empty");
	long long dropped = sum(queues, "rx_dropped");
	bool both = !show_true(iface, "zero_copy") && empty >= 0 && dropped >= empty;

	add_count(reasons, "fill_ring_empty", empty);
	add_count(reasons, "rx_dropped", both ? dropped - empty : dropped);
	add_count(reasons, "rx_ring_full", sum(queues, "rx_ring_full"));
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
			add_counts(reasons, json_object_get(output, "errors"));
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
				 json_array_size(workers) - i, sum(workers, "queued_frames"),
				 sum(workers, "in_flight_frames"));
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
	const json_t *errors = json_object_get(output, "errors");
	long long drops = show_number(output, "send_errors");
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
	if (drops)
		add_line(frame, COLOUR_BAD, "      %s", show_counts(errors, counts));
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
	size_t at = cursor(view);
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
