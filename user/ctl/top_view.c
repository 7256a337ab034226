/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/show.h"
#include "ctl/top_model.h"

const char *const top_view_sort_names[] = {"name", "pps", "bps", "drops", "exhausted"};

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
		if (*key && strncmp(key, top_view_sort_names[i], strlen(key)) == 0) {
			view->sort = (enum sort)i;
			view->reverse = false;
			return true;
		}
	}
	return false;
}

/* ---- samples ---- */

long long top_view_sum(const json_t *list, const char *key)
{
	const json_t *item;
	unsigned long long total = 0;
	size_t i;

	/* Unsigned: numbers that no relay has must not overflow. */
	json_array_foreach(list, i, item) total += (unsigned long long)show_number(item, key);
	return (long long)total;
}

/* Unsigned for the same reason. */
long long top_view_lost(const json_t *output)
{
	return (long long)((unsigned long long)show_number(output, "send_errors") +
			   (unsigned long long)show_number(output, "dropped_packets"));
}

static long long lost_by_all(const json_t *outputs)
{
	unsigned long long total = (unsigned long long)top_view_sum(outputs, "send_errors");

	total += (unsigned long long)top_view_sum(outputs, "dropped_packets");
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
		long long drops = lost_by_all(json_object_get(item, "outputs"));

		note(view, now, show_text(item, "name"), drops, seconds);
	}
	json_array_foreach(json_object_get(view->stats, "interfaces"), i, item)
	{
		char *key;

		if (asprintf(&key, "@%s", show_text(item, "name")) < 0)
			continue;
		note(view, now, key,
		     top_view_sum(json_object_get(item, "queues"), "fill_ring_empty"), seconds);
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
		.sent = top_view_sum(outputs, "sent_packets"),
		.drops = lost_by_all(outputs),
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

size_t top_view_cursor(const struct top_view *view)
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
	name = view->rows[top_view_cursor(view)].name;
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
	size_t at = top_view_cursor(view);
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
