/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/top_header.h"

#include <string.h>

#include "base/text.h"
#include "ctl/show.h"

/* Workers that have a line of their own. */
#define MAX_WORKER_LINES 4

/* Below this the title has no room for how many rules flow. */
#define COLUMNS_FOR_FLOWS 70

void top_header_title(const struct top_model *model, struct top_frame *frame)
{
	const json_t *rules = json_object_get(model->stats, "rules");
	char uptime[UNITS_SIZE], flows[64] = "";
	const json_t *rule;
	size_t flowing = 0;
	size_t silent = 0;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		flowing += strcmp(show_text(rule, "flow"), "flowing") == 0;
		silent += strcmp(show_text(rule, "flow"), "silent") == 0;
	}
	if (!frame->columns || frame->columns >= COLUMNS_FOR_FLOWS)
		snprintf(flows, sizeof(flows), ": %zu flowing, %zu silent", flowing, silent);
	top_frame_add(frame, COLOUR_HEADING,
		      "xmcastctl top - ?: keys; up %s; by %s%s; %zu rule%s%s",
		      screen_seconds(show_number(model->stats, "uptime_seconds"), uptime),
		      top_sort_names[model->sort], model->reverse ? ", reversed" : "",
		      json_array_size(rules), json_array_size(rules) == 1 ? "" : "s", flows);
}

static void draw_totals(const struct top_model *model, struct top_frame *frame)
{
	const json_t *totals = json_object_get(model->stats, "totals");
	const json_t *rules = json_object_get(model->stats, "rules");
	long long steered = show_number(totals, "steered_packets");
	long long exhausted = show_number(totals, "buffer_exhausted_packets");
	char line[SHOW_TEXT_SIZE], text[6][UNITS_SIZE];

	snprintf(line, sizeof(line),
		 "steered %s, received %s, sent %s, errors %s, limited %s, dropped %s",
		 screen_units(steered, text[0]),
		 screen_units(show_number(totals, "received_packets"), text[1]),
		 screen_units(show_number(totals, "sent_packets"), text[2]),
		 screen_units(show_number(totals, "send_errors"), text[3]),
		 screen_units(show_number(totals, "rate_limited_packets"), text[4]),
		 screen_units(show_number(totals, "dropped_packets"), text[5]));
	top_frame_add_list(frame, COLOUR_NONE, "total", line);
	snprintf(line, sizeof(line), "%s pps, %s bit/s in; buffers exhausted %s (%.4f %%)",
		 screen_units(top_model_sum(rules, "rate_pps"), text[0]),
		 screen_units(top_model_sum(rules, "rate_bps"), text[1]),
		 screen_units(exhausted, text[2]),
		 steered > 0 ? 100.0 * (double)exhausted / (double)steered : 0.0);
	top_frame_add_list(frame, exhausted ? COLOUR_WARN : COLOUR_NONE, "rate", line);
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
	top_frame_add_list(frame, COLOUR_NONE, "drops", show_counts(reasons, text));
	json_decref(reasons);
}

static void draw_workers(const struct top_model *model, struct top_frame *frame)
{
	const json_t *workers = json_object_get(model->stats, "workers");
	char line[SHOW_TEXT_SIZE];
	const json_t *worker;
	size_t i;

	json_array_foreach(workers, i, worker)
	{
		if (i == MAX_WORKER_LINES) {
			snprintf(line, sizeof(line),
				 "and %zu more: queued %lld, in flight %lld in all",
				 json_array_size(workers) - i,
				 top_model_sum(workers, "queued_frames"),
				 top_model_sum(workers, "in_flight_frames"));
			top_frame_add_list(frame, COLOUR_DIM, "", line);
			break;
		}
		snprintf(line, sizeof(line), "%s/%lld: queued %lld, in flight %lld, of %lld frames",
			 show_text(worker, "interface"), show_number(worker, "queue"),
			 show_number(worker, "queued_frames"),
			 show_number(worker, "in_flight_frames"), show_number(worker, "frames"));
		top_frame_add_list(frame, COLOUR_NONE, "worker", line);
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
		top_frame_add_list(frame, COLOUR_NONE, "device", line.bytes);
	text_free(&line);
}

void top_header_draw(const struct top_model *model, struct top_frame *frame)
{
	draw_totals(model, frame);
	draw_drops(model, frame);
	draw_workers(model, frame);
	draw_devices(model, frame);
}
