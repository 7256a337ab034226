/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers about rules, and all counters. */
#include "ctl/columns.h"
#include "ctl/show_watch.h"

/* ---- rules ---- */

void show_rules(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"NAME", "name", CELL_TEXT, 0},
		{"4IN", NULL, CELL_INPUT, COLUMN_LONG},
		{"6>OUT", "outputs", CELL_NUMBER, COLUMN_LONG},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{"5PATH", "path", CELL_TEXT, COLUMN_LONG},
		{"FLOW", "flow", CELL_TEXT, COLUMN_PAINTED},
		{">PPS", "rate_pps", CELL_UNITS, 0},
		{"3>BPS", "rate_bps", CELL_UNITS, COLUMN_LONG},
		{"!REASON", "reason", CELL_TEXT, COLUMN_LONG | COLUMN_NO_STATS},
		{"!REASON", NULL, CELL_WHY, COLUMN_LONG | COLUMN_STATS},
		{"7RULE", "rule", CELL_TEXT, COLUMN_LONG | COLUMN_STATS},
		{},
	};

	columns_show(screen, columns, json_object_get(answer, "rules"), NULL);
}

static void show_rates(const struct screen *screen, const json_t *rule)
{
	char text[6][UNITS_SIZE];

	screen_print(screen,
		     "  rate      %s pps, %s bit/s; over 10 s %s pps, %s bit/s; peak %s pps, "
		     "%s bit/s\n",
		     screen_units(show_number(rule, "rate_pps"), text[0]),
		     screen_units(show_number(rule, "rate_bps"), text[1]),
		     screen_units(show_number(rule, "rate_10s_pps"), text[2]),
		     screen_units(show_number(rule, "rate_10s_bps"), text[3]),
		     screen_units(show_number(rule, "peak_pps"), text[4]),
		     screen_units(show_number(rule, "peak_bps"), text[5]));
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

/* Older daemons do not report it. The reason is left out if it is why the rule is pending. */
static void show_path(const struct screen *screen, const json_t *rule)
{
	const json_t *reason = json_object_get(rule, "path_reason");

	if (!json_is_string(json_object_get(rule, "path")))
		return;
	screen_print(screen, "\n  path      %s", show_text(rule, "path"));
	if (json_is_string(reason) && !json_equal(reason, json_object_get(rule, "reason")))
		screen_print(screen, " (%s)", json_string_value(reason));
}

/* Where the packets of a VLAN are received; nothing if the input is none. */
static void show_vlan(const struct screen *screen, const json_t *rule)
{
	const json_t *vlan = json_object_get(rule, "vlan");

	if (json_is_string(json_object_get(vlan, "reason")))
		screen_print(screen, "\n  VLAN      by itself, in skb mode: %s",
			     show_text(vlan, "reason"));
	else if (vlan)
		screen_print(screen, "\n  VLAN      received by %s, tagged %s",
			     show_text(vlan, "interface"), show_text(vlan, "tags"));
}

/* The inputs of a rule with several; nothing if it has one. */
static void show_sides(const struct screen *screen, const json_t *rule)
{
	static const struct column columns[] = {
		{"SIDE", "name", CELL_TEXT, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{"IN", "in", CELL_TEXT, 0},
		{">RECEIVED", "received_packets", CELL_NUMBER, 0},
		{">USED", "used_packets", CELL_NUMBER, 0},
		{"!REASON", "reason", CELL_TEXT, 0},
		{},
	};
	const json_t *sides = json_object_get(rule, "sides");

	if (!sides)
		return;
	columns_show(screen, columns, sides, NULL);
	putc('\n', screen->stream);
}

void show_rule(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"OUT", "to", CELL_TEXT, 0},
		{">PPS", "rate_pps", CELL_UNITS, 0},
		{">BPS", "rate_bps", CELL_UNITS, 0},
		{">PPS10", "rate_10s_pps", CELL_UNITS, COLUMN_STATS},
		{">BPS10", "rate_10s_bps", CELL_UNITS, COLUMN_STATS},
		{">PEAK", "peak_pps", CELL_UNITS, COLUMN_STATS},
		{">SENT", "sent_packets", CELL_NUMBER, 0},
		{">BYTES", "sent_bytes", CELL_NUMBER, 0},
		{">ERRORS", "send_errors", CELL_NUMBER, 0},
		{">GSO", "gso_segments", CELL_NUMBER, COLUMN_STATS},
		{"REASONS", NULL, CELL_LOSSES, 0},
		{},
	};
	const json_t *last = json_object_get(answer, "last_packet_seconds");
	char in[SHOW_TEXT_SIZE], stream[SHOW_TEXT_SIZE];
	char ago[UNITS_SIZE];

	screen_print(screen, "%s: in %s", show_text(answer, "name"), columns_input(answer, in));
	if (json_is_string(json_object_get(answer, "source")))
		screen_print(screen, " source %s", show_text(answer, "source"));
	screen_print(screen, "\n  state     %s", show_text(answer, "state"));
	if (json_is_string(json_object_get(answer, "reason")))
		screen_print(screen, " (%s)", show_text(answer, "reason"));
	screen_print(screen, ", %s", show_text(answer, "flow"));
	if (json_is_integer(last))
		screen_print(screen, ", last packet %s ago",
			     screen_seconds(json_integer_value(last), ago));
	show_path(screen, answer);
	show_vlan(screen, answer);
	screen_print(screen, "\n  received  %lld packets, %lld bytes\n",
		     show_number(answer, "received_packets"),
		     show_number(answer, "received_bytes"));
	show_rates(screen, answer);
	show_latency(screen, answer);
	if (*show_watch(answer, stream))
		screen_print(screen, "  stream    %s\n", stream);
	screen_print(screen, "  rule      %s\n\n", show_text(answer, "rule"));
	show_sides(screen, answer);
	columns_show(screen, columns, json_object_get(answer, "outputs"), NULL);
}

/* ---- counters ---- */

static void show_totals(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{">STEERED", "steered_packets", CELL_NUMBER, 0},
		{">RECEIVED", "received_packets", CELL_NUMBER, 0},
		{">SUBMITTED", "submitted_packets", CELL_NUMBER, 0},
		{">SENT", "sent_packets", CELL_NUMBER, 0},
		{">ERRORS", "send_errors", CELL_NUMBER, 0},
		{">LIMITED", "rate_limited_packets", CELL_NUMBER, 0},
		{">DROPPED", "dropped_packets", CELL_NUMBER, 0},
		{">EXHAUSTED", "buffer_exhausted_packets", CELL_NUMBER, 0},
		{">UPTIME", "uptime_seconds", CELL_SECONDS, COLUMN_CHILD},
		{},
	};
	const struct row row = {json_object_get(answer, "totals"), answer, true};

	columns_show_row(screen, columns, &row);
}

void show_stats(const struct screen *screen, const json_t *answer)
{
	static const struct column rules[] = {
		{"RULE", "name", CELL_TEXT, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{"6PATH", "path", CELL_TEXT, 0},
		{"7IN", NULL, CELL_INPUT, 0},
		{">RECEIVED", "received_packets", CELL_NUMBER, 0},
		{"3>PPS", "rate_pps", CELL_UNITS, 0},
		{"5>BPS", "rate_bps", CELL_UNITS, 0},
		{"9>PEAK", "peak_pps", CELL_UNITS, COLUMN_STATS},
		{"4OUT", "to", CELL_TEXT, COLUMN_CHILD},
		{">SENT", "sent_packets", CELL_NUMBER, COLUMN_CHILD},
		{"2>ERRORS", "send_errors", CELL_NUMBER, COLUMN_CHILD},
		{"8>GSO", "gso_segments", CELL_NUMBER, COLUMN_CHILD | COLUMN_STATS},
		{"!REASONS", NULL, CELL_RULE_LOSSES, COLUMN_CHILD},
		{},
	};

	/* Without headings nobody could tell one total from another. */
	if (!screen->brief) {
		show_unconfirmed(screen, json_object_get(answer, "config"));
		show_totals(screen, answer);
		putc('\n', screen->stream);
	}
	columns_show(screen, rules, json_object_get(answer, "rules"), "outputs");
	putc('\n', screen->stream);
	show_interfaces(screen, answer);
	show_output_devices(screen, json_object_get(answer, "output_interfaces"));
	if (screen->stats) {
		putc('\n', screen->stream);
		show_workers(screen, answer);
	}
}
