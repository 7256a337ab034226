/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters: of all, of rules and their outputs, of interfaces and workers. */
#include "ctl/show.h"

#include <string.h>

#include "base/addr.h"
#include "ctl/table.h"

#define INPUT_SIZE (2 * ENDPOINT_TEXT_SIZE)

static void show_totals(const struct screen *screen, const json_t *answer)
{
	const json_t *totals = json_object_get(answer, "totals");
	struct table *table = table_new(
		">STEERED >RECEIVED >SUBMITTED >SENT >ERRORS >LIMITED >DROPPED >EXHAUSTED >UPTIME");
	char uptime[UNITS_SIZE];

	table_add(table, "%lld", show_number(totals, "steered_packets"));
	table_add(table, "%lld", show_number(totals, "received_packets"));
	table_add(table, "%lld", show_number(totals, "submitted_packets"));
	table_add(table, "%lld", show_number(totals, "sent_packets"));
	table_add(table, "%lld", show_number(totals, "send_errors"));
	table_add(table, "%lld", show_number(totals, "rate_limited_packets"));
	table_add(table, "%lld", show_number(totals, "dropped_packets"));
	table_add(table, "%lld", show_number(totals, "buffer_exhausted_packets"));
	table_add(table, "%s", screen_seconds(show_number(answer, "uptime_seconds"), uptime));
	table_print(table, screen);
}

/* The columns of the rule, which stand beside its first output only. */
static void add_rule(struct table *table, const struct screen *screen, const json_t *rule,
		     bool first)
{
	const char *state = first ? show_text(rule, "state") : "";
	char text[INPUT_SIZE];
	char units[UNITS_SIZE];

	table_add(table, "%s", first ? show_text(rule, "name") : "");
	table_add_painted(table, screen_state_colour(state), state);
	table_add(table, "%s", first ? show_input(rule, text, sizeof(text)) : "");
	if (!first) {
		table_add(table, " ");
		table_add(table, " ");
		table_add(table, " ");
		if (screen->stats)
			table_add(table, " ");
		return;
	}
	table_add(table, "%lld", show_number(rule, "received_packets"));
	table_add(table, "%s", screen_units(show_number(rule, "rate_pps"), units));
	table_add(table, "%s", screen_units(show_number(rule, "rate_bps"), units));
	if (screen->stats)
		table_add(table, "%s", screen_units(show_number(rule, "peak_pps"), units));
}

/* What an output's row says behind its rule. `output` may be NULL: a rule without. */
static void add_output(struct table *table, const struct screen *screen, const json_t *rule,
		       const json_t *output, bool first)
{
	char errors[SHOW_COUNTS_SIZE];

	table_add(table, "%s", show_text(output, "to"));
	table_add(table, "%lld", show_number(output, "sent_packets"));
	table_add(table, "%lld", show_number(output, "send_errors"));
	if (screen->stats)
		table_add(table, "%lld", show_number(output, "gso_segments"));
	if (first && json_object_get(rule, "reason"))
		table_add(table, "%s", show_text(rule, "reason"));
	else
		table_add(table, "%s", show_losses(output, errors));
}

static void show_stats_rules(const struct screen *screen, const json_t *answer)
{
	struct table *table = table_new(
		screen->stats
			? "RULE STATE IN >RECEIVED >PPS >BPS >PEAK OUT >SENT >ERRORS >GSO REASONS"
			: "RULE STATE IN >RECEIVED >PPS >BPS OUT >SENT >ERRORS REASONS");
	const json_t *rule;
	size_t i;

	json_array_foreach(json_object_get(answer, "rules"), i, rule)
	{
		const json_t *outputs = json_object_get(rule, "outputs");
		size_t j = 0;

		do {
			add_rule(table, screen, rule, j == 0);
			add_output(table, screen, rule, json_array_get(outputs, j), j == 0);
		} while (++j < json_array_size(outputs));
	}
	table_print(table, screen);
}

/* ---- interfaces ---- */

static void add_interface(struct table *table, const json_t *iface, bool first)
{
	const char *state = first ? show_text(iface, "state") : "";
	bool zero = show_true(iface, "zero_copy");

	table_add(table, "%s", first ? show_text(iface, "name") : "");
	table_add_painted(table, screen_state_colour(state), state);
	table_add(table, "%s", first ? show_text(iface, "mode") : "");
	table_add(table, "%s", first ? (zero ? "zero" : "copy") : "");
}

void show_interfaces(const struct screen *screen, const json_t *answer)
{
	struct table *table = table_new("INTERFACE STATE MODE COPY >QUEUE >RECEIVED >RX_DROPPED "
					">RING_FULL >FILL_EMPTY VERDICTS");
	const json_t *iface;
	size_t i;

	json_array_foreach(json_object_get(answer, "interfaces"), i, iface)
	{
		const json_t *queues = json_object_get(iface, "queues");
		char verdicts[SHOW_COUNTS_SIZE];
		size_t j = 0;

		show_reason(iface, "verdicts", verdicts);
		do {
			const json_t *queue = json_array_get(queues, j);

			add_interface(table, iface, j == 0);
			if (queue)
				table_add(table, "%lld", show_number(queue, "queue"));
			else
				table_add(table, "-");
			table_add(table, "%lld", show_number(queue, "received_packets"));
			table_add(table, "%lld", show_number(queue, "rx_dropped"));
			table_add(table, "%lld", show_number(queue, "rx_ring_full"));
			table_add(table, "%lld", show_number(queue, "fill_ring_empty"));
			table_add(table, "%s", j ? "" : verdicts);
		} while (++j < json_array_size(queues));
	}
	table_print(table, screen);
}

/* Nothing of a daemon that does not tell. */
static void show_attachment(const struct screen *screen, const json_t *attach)
{
	char maps[SHOW_COUNTS_SIZE];

	if (!json_is_object(attach))
		return;
	screen_print(screen, "  attached by: %s, pins %s, maps %s\n", show_text(attach, "by"),
		     show_text(attach, "pins"), show_counts(json_object_get(attach, "maps"), maps));
}

void show_interface(const struct screen *screen, const json_t *answer)
{
	json_t *list = json_pack("{s:[O]}", "interfaces", answer);

	screen_print(screen,
		     "%s: index %lld, mtu %lld, rx queues %lld, XDP program %lld, rules %lld\n",
		     show_text(answer, "name"), show_number(answer, "ifindex"),
		     show_number(answer, "mtu"), show_number(answer, "rx_queues"),
		     show_number(answer, "program_id"), show_number(answer, "rules"));
	show_attachment(screen, json_object_get(answer, "attach"));
	show_interfaces(screen, list);
	json_decref(list);
}

void show_workers(const struct screen *screen, const json_t *answer)
{
	struct table *table = table_new(
		screen->stats ? "INTERFACE >QUEUE ENGINE >RECEIVED >FRAMES >KERNEL >QUEUED "
				">IN_FLIGHT >UMEM >WAKEUPS >SLEEPS >SUBMITS >SENDS DROPS"
			      : "INTERFACE >QUEUE ENGINE >RECEIVED >FRAMES >QUEUED >IN_FLIGHT "
				"DROPS");
	const json_t *worker;
	size_t i;

	json_array_foreach(json_object_get(answer, "workers"), i, worker)
	{
		char drops[SHOW_COUNTS_SIZE];
		char units[UNITS_SIZE];

		table_add(table, "%s", show_text(worker, "interface"));
		table_add(table, "%lld", show_number(worker, "queue"));
		/* "io_uring:FLAG,FLAG…": how it was set up is for those who ask for all. */
		table_add(table, "%.*s",
			  (int)strcspn(show_text(worker, "engine"), screen->stats ? "" : ":"),
			  show_text(worker, "engine"));
		table_add(table, "%lld", show_number(worker, "received_packets"));
		table_add(table, "%lld", show_number(worker, "frames"));
		if (screen->stats)
			table_add(table, "%lld", show_number(worker, "kernel_frames"));
		table_add(table, "%lld", show_number(worker, "queued_frames"));
		table_add(table, "%lld", show_number(worker, "in_flight_frames"));
		if (screen->stats) {
			/* Of worker.list only. */
			table_add(table, "%s",
				  json_object_get(worker, "umem_bytes")
					  ? screen_units(show_number(worker, "umem_bytes"), units)
					  : "-");
			table_add(table, "%lld", show_number(worker, "wakeups"));
			table_add(table, "%lld", show_number(worker, "sleeps"));
			table_add(table, "%lld", show_number(worker, "submits"));
			table_add(table, "%lld", show_number(worker, "sends"));
		}
		table_add(table, "%s", show_counts(json_object_get(worker, "drops"), drops));
	}
	table_print(table, screen);
}

void show_stats(const struct screen *screen, const json_t *answer)
{
	show_totals(screen, answer);
	putc('\n', screen->stream);
	show_stats_rules(screen, answer);
	putc('\n', screen->stream);
	show_interfaces(screen, answer);
	if (screen->stats) {
		putc('\n', screen->stream);
		show_workers(screen, answer);
	}
}
