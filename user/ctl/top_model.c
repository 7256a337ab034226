/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ctl/show.h"

const char *const top_sort_names[] = {"name", "pps", "bps", "drops", "exhausted"};

struct top_model *top_model_new(void)
{
	struct top_model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->sort = TOP_PPS;
	model->counters = json_object();
	model->changes = json_object();
	model->expanded = json_object();
	if (model->counters && model->changes && model->expanded)
		return model;
	top_model_free(model);
	return NULL;
}

void top_model_free(struct top_model *model)
{
	if (!model)
		return;
	json_decref(model->stats);
	json_decref(model->counters);
	json_decref(model->changes);
	json_decref(model->expanded);
	free(model->selected);
	free(model->rows);
	free(model);
}

bool top_model_sort(struct top_model *model, const char *key)
{
	for (int i = 0; i < TOP_SORTS; i++) {
		if (*key && strncmp(key, top_sort_names[i], strlen(key)) == 0) {
			model->sort = (enum top_sort)i;
			model->reverse = false;
			return true;
		}
	}
	return false;
}

/* ---- samples ---- */

/* Sums are unsigned, so that absurd numbers in an answer cannot overflow. */
long long top_model_sum(const json_t *list, const char *key)
{
	const json_t *item;
	unsigned long long total = 0;
	size_t i;

	json_array_foreach(list, i, item) total += (unsigned long long)show_number(item, key);
	return (long long)total;
}

/* What is dropped as standby is no loss, because another host sends it; nor is what nobody wants,
 * or what another input of the rule has. */
long long top_model_lost(const json_t *output)
{
	static const char *const unused[] = {"standby",	  "not_joined", "inactive_side",
					     "duplicate", "late",	"foreign"};
	const json_t *drops = json_object_get(output, "drops");
	unsigned long long lost = (unsigned long long)show_number(output, "send_errors") +
				  (unsigned long long)show_number(output, "dropped_packets");

	for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
		lost -= (unsigned long long)show_number(drops, unused[i]);
	return (long long)lost;
}

static long long lost_by_all(const json_t *outputs)
{
	unsigned long long lost = 0;
	const json_t *output;
	size_t i;

	json_array_foreach(outputs, i, output) lost += (unsigned long long)top_model_lost(output);
	return (long long)lost;
}

/* Note a counter in `counters`, and its change since the last sample. */
static void note(struct top_model *model, json_t *counters, const char *key, long long value,
		 double seconds)
{
	const json_t *old = json_object_get(model->counters, key);
	double change = old ? (double)value - (double)json_integer_value(old) : 0;

	json_object_set_new(counters, key, json_integer(value));
	/* A counter that has decreased is a new one: the daemon or the rule was replaced. */
	json_object_set_new(model->changes, key,
			    json_integer(change > 0 && seconds > 0 && change < 1e15
						 ? (json_int_t)(change / seconds + 0.5)
						 : 0));
}

static void note_all(struct top_model *model, json_t *counters, double seconds)
{
	const json_t *item;
	size_t i;

	json_object_clear(model->changes);
	json_array_foreach(json_object_get(model->stats, "rules"), i, item)
		note(model, counters, show_text(item, "name"),
		     lost_by_all(json_object_get(item, "outputs")), seconds);
	json_array_foreach(json_object_get(model->stats, "interfaces"), i, item)
	{
		char *key = text_format("@%s", show_text(item, "name"));

		if (key)
			note(model, counters, key,
			     top_model_sum(json_object_get(item, "queues"), "fill_ring_empty"),
			     seconds);
		free(key);
	}
}

/* What rows are sorted by: `first`, then `second`, the largest on top. */
static void rank(const struct top_row *row, enum top_sort sort, long long *first, long long *second)
{
	*first = *second = 0;
	switch (sort) {
	case TOP_PPS:
		*first = row->pps;
		break;
	case TOP_BPS:
		*first = row->bps;
		break;
	case TOP_DROPS:
		*first = row->drops_per_second;
		*second = row->drops;
		break;
	case TOP_EXHAUSTED:
		*first = row->exhausted;
		break;
	default:
		break;
	}
}

static int compare(const void *left, const void *right, void *context)
{
	const struct top_model *model = context;
	const struct top_row *a = left;
	const struct top_row *b = right;
	long long x[2];
	long long y[2];
	int order;

	rank(a, model->sort, &x[0], &x[1]);
	rank(b, model->sort, &y[0], &y[1]);
	if (x[0] != y[0])
		order = x[0] > y[0] ? -1 : 1;
	else if (x[1] != y[1])
		order = x[1] > y[1] ? -1 : 1;
	else
		order = strcmp(a->name, b->name);
	return model->reverse ? -order : order;
}

/* Make the rows: the rules that are searched for, sorted. */
static void arrange(struct top_model *model)
{
	const json_t *rules = json_object_get(model->stats, "rules");
	const json_t *rule;
	size_t i;

	free(model->rows);
	model->count = 0;
	model->rows = calloc(json_array_size(rules) + 1, sizeof(*model->rows));
	if (!model->rows)
		return;
	json_array_foreach(rules, i, rule)
	{
		const json_t *outputs = json_object_get(rule, "outputs");
		const char *name = show_text(rule, "name");
		const char *at = strchr(show_text(rule, "in"), '@');

		if (!strstr(name, model->search))
			continue;
		model->rows[model->count++] = (struct top_row){
			.rule = rule,
			.name = name,
			.pps = show_number(rule, "rate_pps"),
			.bps = show_number(rule, "rate_bps"),
			.sent = top_model_sum(outputs, "sent_packets"),
			.drops = lost_by_all(outputs),
			.drops_per_second = show_number(model->changes, name),
			.exhausted = at ? show_number(model->changes, at) : 0,
		};
	}
	qsort_r(model->rows, model->count, sizeof(*model->rows), compare, model);
}

int top_model_sample(struct top_model *model, json_t *stats, double now)
{
	json_t *counters = json_object();

	if (!counters) {
		json_decref(stats);
		return -ENOMEM;
	}
	json_decref(model->stats);
	model->stats = stats;
	note_all(model, counters, model->sampled > 0 ? now - model->sampled : 0);
	json_decref(model->counters);
	model->counters = counters;
	model->sampled = now;
	arrange(model);
	return 0;
}

void top_model_message(struct top_model *model, const char *text)
{
	snprintf(model->message, sizeof(model->message), "%.*s", (int)strcspn(text, "\n"), text);
}

/* ---- keys ---- */

size_t top_model_cursor(const struct top_model *model)
{
	for (size_t i = 0; model->selected && i < model->count; i++) {
		if (strcmp(model->rows[i].name, model->selected) == 0)
			return i;
	}
	return 0;
}

static void toggle_outputs(struct top_model *model)
{
	const char *name;

	if (!model->count)
		return;
	name = model->rows[top_model_cursor(model)].name;
	if (json_object_get(model->expanded, name))
		json_object_del(model->expanded, name);
	else
		json_object_set_new(model->expanded, name, json_true());
}

static void search_key(struct top_model *model, int key)
{
	size_t length = strlen(model->search);

	switch (key) {
	case TOP_KEY_ENTER:
		model->searching = false;
		break;
	case TOP_KEY_ESCAPE:
		model->searching = false;
		model->search[0] = '\0';
		break;
	case TOP_KEY_BACKSPACE:
		if (length)
			model->search[length - 1] = '\0';
		break;
	default:
		if (key >= 0x20 && key < 0x7f && length + 1 < sizeof(model->search)) {
			model->search[length] = (char)key;
			model->search[length + 1] = '\0';
		}
		break;
	}
	arrange(model);
}

static void sort_key(struct top_model *model, enum top_sort sort)
{
	model->reverse = model->sort == sort && !model->reverse;
	model->sort = sort;
	arrange(model);
}

static void move_key(struct top_model *model, int key)
{
	size_t at = top_model_cursor(model);
	size_t page = model->page ? model->page : 1;

	switch (key) {
	case TOP_KEY_UP:
		at = at ? at - 1 : 0;
		break;
	case TOP_KEY_DOWN:
		at++;
		break;
	case TOP_KEY_PAGE_UP:
		at = at > page ? at - page : 0;
		break;
	case TOP_KEY_PAGE_DOWN:
		at += page;
		break;
	case TOP_KEY_HOME:
		at = 0;
		break;
	case TOP_KEY_END:
		at = model->count;
		break;
	default:
		return;
	}
	if (!model->count)
		return;
	free(model->selected);
	model->selected = strdup(model->rows[at < model->count ? at : model->count - 1].name);
}

bool top_model_key(struct top_model *model, int key)
{
	static const char sort_keys[] = "npbdx";
	const char *sort;

	if (model->searching) {
		search_key(model, key);
		return false;
	}
	/* In the order of enum top_sort. */
	sort = key > 0 && key < 0x80 ? strchr(sort_keys, key) : NULL;
	if (sort) {
		sort_key(model, (enum top_sort)(sort - sort_keys));
		return false;
	}
	switch (key) {
	case 'q':
		return true;
	case '/':
		model->searching = true;
		model->search[0] = '\0';
		arrange(model);
		break;
	case TOP_KEY_ESCAPE:
		model->search[0] = '\0';
		model->help = false;
		arrange(model);
		break;
	case 'h':
	case '?':
		model->help = !model->help;
		break;
	case TOP_KEY_ENTER:
		toggle_outputs(model);
		break;
	default:
		move_key(model, key);
		break;
	}
	return false;
}
