/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules: a list of them, and one with all that is known of it. */
#include "ctl/show.h"

#include <string.h>

#include "base/addr.h"
#include "ctl/table.h"

/* More than an endpoint of the grammar takes; of what is longer the beginning shows. */
#define INPUT_SIZE (2 * ENDPOINT_TEXT_SIZE)

static void add_state(struct table *table, const json_t *object, const char *key)
{
	const char *state = show_text(object, key);

	table_add_painted(table, screen_state_colour(state), state);
}

static void add_units(struct table *table, const json_t *object, const char *key)
{
	char units[UNITS_SIZE];

	table_add(table, "%s", screen_units(show_number(object, key), units));
}

static void show_rules_brief(const struct screen *screen, const json_t *rules)
{
	struct table *table = table_new("NAME STATE FLOW >PPS");
	const json_t *rule;
	size_t i;

	json_array_foreach(rules, i, rule)
	{
		table_add(table, "%s", show_text(rule, "name"));
		add_state(table, rule, "state");
		add_state(table, rule, "flow");
		add_units(table, rule, "rate_pps");
	}
	table_print(table, screen);
}

void show_rules(const struct screen *screen, const json_t *answer)
{
	const json_t *rules = json_object_get(answer, "rules");
	struct table *table;
	char input[INPUT_SIZE];
	const json_t *rule;
	size_t i;

	if (screen->brief) {
		show_rules_brief(screen, rules);
		return;
	}
	table = table_new(screen->stats ? "NAME IN >OUT STATE FLOW >PPS >BPS REASON RULE"
					: "NAME IN >OUT STATE FLOW >PPS >BPS");
	json_array_foreach(rules, i, rule)
	{
		table_add(table, "%s", show_text(rule, "name"));
		table_add(table, "%s", show_input(rule, input, sizeof(input)));
		table_add(table, "%lld", show_number(rule, "outputs"));
		add_state(table, rule, "state");
		add_state(table, rule, "flow");
		add_units(table, rule, "rate_pps");
		add_units(table, rule, "rate_bps");
		if (screen->stats) {
			table_add(table, "%s", show_text(rule, "reason"));
			table_add(table, "%s", show_text(rule, "rule"));
		}
	}
	table_print(table, screen);
}

/* ---- one rule ---- */

static void show_rates(const struct screen *screen, const json_t *object)
{
	char text[6][UNITS_SIZE];

	screen_print(screen,
		     "  rate      %s pps, %s bit/s; over 10 s %s pps, %s bit/s; peak %s pps, "
		     "%s bit/s\n",
		     screen_units(show_number(object, "rate_pps"), text[0]),
		     screen_units(show_number(object, "rate_bps"), text[1]),
		     screen_units(show_number(object, "rate_10s_pps"), text[2]),
		     screen_units(show_number(object, "rate_10s_bps"), text[3]),
		     screen_units(show_number(object, "peak_pps"), text[4]),
		     screen_units(show_number(object, "peak_bps"), text[5]));
}

static void show_latency(const struct screen *screen, const json_t *rule)
{
	const json_t *latency = json_object_get(rule, "latency");
	char text[4][UNITS_SIZE];

	if (!json_is_object(latency))
		return;
	screen_print(screen, "  latency   p50 %s, p90 %s, p99 %s, max %s (%lld samples)\n",
		     screen_nanoseconds(show_number(latency, "p50_ns"), text[0]),
		     screen_nanoseconds(show_number(latency, "p90_ns"), text[1]),
		     screen_nanoseconds(show_number(latency, "p99_ns"), text[2]),
		     screen_nanoseconds(show_number(latency, "max_ns"), text[3]),
		     show_number(latency, "samples"));
}

static void show_outputs(const struct screen *screen, const json_t *outputs)
{
	struct table *table = table_new(
		screen->stats
			? "OUT >PPS >BPS >PPS10 >BPS10 >PEAK >SENT >BYTES >ERRORS >GSO REASONS"
			: "OUT >PPS >BPS >SENT >BYTES >ERRORS REASONS");
	char counts[SHOW_COUNTS_SIZE];
	const json_t *output;
	size_t i;

	json_array_foreach(outputs, i, output)
	{
		table_add(table, "%s", show_text(output, "to"));
		add_units(table, output, "rate_pps");
		add_units(table, output, "rate_bps");
		if (screen->stats) {
			add_units(table, output, "rate_10s_pps");
			add_units(table, output, "rate_10s_bps");
			add_units(table, output, "peak_pps");
		}
		table_add(table, "%lld", show_number(output, "sent_packets"));
		table_add(table, "%lld", show_number(output, "sent_bytes"));
		table_add(table, "%lld", show_number(output, "send_errors"));
		if (screen->stats)
			table_add(table, "%lld", show_number(output, "gso_segments"));
		table_add(table, "%s", show_losses(output, counts));
	}
	table_print(table, screen);
}

void show_rule(const struct screen *screen, const json_t *answer)
{
	const json_t *last = json_object_get(answer, "last_packet_seconds");
	const char *state = show_text(answer, "state");
	const char *flow = show_text(answer, "flow");
	char input[INPUT_SIZE];
	char ago[UNITS_SIZE];

	screen_print(screen, "%s: in %s", show_text(answer, "name"),
		     show_input(answer, input, sizeof(input)));
	if (json_is_string(json_object_get(answer, "source")))
		screen_print(screen, " source %s", show_text(answer, "source"));
	screen_print(screen, "\n  state     %s", state);
	if (json_is_string(json_object_get(answer, "reason")))
		screen_print(screen, " (%s)", show_text(answer, "reason"));
	screen_print(screen, ", %s", flow);
	if (json_is_integer(last))
		screen_print(screen, ", last packet %s ago",
			     screen_seconds(json_integer_value(last), ago));
	screen_print(screen, "\n  received  %lld packets, %lld bytes\n",
		     show_number(answer, "received_packets"),
		     show_number(answer, "received_bytes"));
	show_rates(screen, answer);
	show_latency(screen, answer);
	screen_print(screen, "  rule      %s\n\n", show_text(answer, "rule"));
	show_outputs(screen, json_object_get(answer, "outputs"));
}
