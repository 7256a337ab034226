/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that are lists: rules, outputs, interfaces, workers, groups. Each table is described by
 * its columns. */
#include "ctl/show.h"

#include <string.h>

#include "base/addr.h"
#include "ctl/table.h"

/* Longer than any endpoint of the grammar; more is cut. */
#define INPUT_SIZE (2 * ENDPOINT_TEXT_SIZE)

/* ---- how tables are described ---- */

enum kind {
	TEXT,
	NUMBER,
	QUEUE, /* its number, with the member of a bond; "-" if there is no object */
	UNITS, /* a number, shortened; "-" if it is missing */
	SECONDS,
	MILLISECONDS, /* of nanoseconds; "-": 0 */
	COPY,	      /* a boolean: zero copy? */
	SOURCE,	      /* null: any */
	LIST,	      /* an array of texts */
	ENGINE,	      /* of "io_uring:FLAG,FLAG…" the part before the colon */
	INPUT,	      /* of a rule */
	COUNTS,	      /* the counts in an object that are not 0 */
	REASON,	      /* why the object is not active, and counts */
	WHY,	      /* why a rule is not active, or not on the kernel path */
	LOSSES,	      /* of an output */
	RULE_LOSSES,  /* the same; in the first row of a rule, why the rule is not active */
};

enum column_flag {
	CHILD = 1 << 0,	   /* shows the row's child, otherwise its item */
	PAINTED = 1 << 1,  /* in the colour of the state that it shows */
	LONG = 1 << 2,	   /* not with -br */
	STATS = 1 << 3,	   /* only with -s */
	NO_STATS = 1 << 4, /* only without -s */
};

struct column {
	const char *heading; /* with marks, as in table.h; NULL ends a table */
	const char *key;
	enum kind kind;
	unsigned int flags;
};

/* A row shows an item of a list, or one of the item's children: an output of a rule, say. */
struct row {
	const json_t *item;
	const json_t *child; /* NULL: none */
	bool first;	     /* the item's first row, the only one that shows the item itself */
};

/* The input of a rule. A RULE of the protocol has no key of it: it is the word after the first "in"
 * that is not the name, in "[NAME] in INPUT …". Returns `text`. */
static const char *rule_input(const json_t *rule, char text[SHOW_TEXT_SIZE])
{
	const char *at = json_string_value(json_object_get(rule, "rule"));
	const char *in = json_string_value(json_object_get(rule, "in"));

	if (!in && at) {
		at += strspn(at, " ");
		if (strncmp(at, "in ", 3) != 0 || strncmp(at, "in in ", 6) == 0)
			at += strcspn(at, " ");
		at += strspn(at, " ");
		if (strncmp(at, "in ", 3) == 0)
			in = at + 3 + strspn(at + 3, " ");
	}
	if (!in || !*in || *in == ' ')
		in = "-";
	snprintf(text, INPUT_SIZE, "%.*s", (int)strcspn(in, " "), in);
	return text;
}

/* Of a bond: the member, and its queue; "left" stands for those of members that have left. */
static const char *queue_name(const json_t *object, char text[SHOW_TEXT_SIZE])
{
	const json_t *queue = json_object_get(object, "queue");
	const json_t *member = json_object_get(object, "member");

	if (!object)
		return "-";
	if (json_is_null(queue))
		return "left";
	snprintf(text, SHOW_TEXT_SIZE, "%.60s%s%lld", member ? show_text(object, "member") : "",
		 member ? "/" : "", json_integer_value(queue));
	return text;
}

/* The texts, as many as there is room for. */
static const char *list_texts(const json_t *list, char text[SHOW_TEXT_SIZE])
{
	const json_t *item;
	size_t used = 0, i;

	strcpy(text, "-");
	json_array_foreach(list, i, item)
	{
		const char *one = json_is_string(item) ? json_string_value(item) : "";

		if (used + strlen(one) + 6 > SHOW_TEXT_SIZE) {
			strcpy(text + used, ",...");
			break;
		}
		used += (size_t)sprintf(text + used, "%s%s", i ? "," : "", one);
	}
	return text;
}

/* The text of a cell: in `text`, or part of the JSON. */
static const char *cell(const struct column *column, const struct row *row,
			char text[SHOW_TEXT_SIZE])
{
	const json_t *object = column->flags & CHILD ? row->child : row->item;
	const json_t *value = json_object_get(object, column->key);
	long long number = json_integer_value(value);

	switch (column->kind) {
	case TEXT:
		return show_text(object, column->key);
	case QUEUE:
		return queue_name(object, text);
	case NUMBER:
		snprintf(text, SHOW_TEXT_SIZE, "%lld", number);
		return text;
	case UNITS:
		return value ? screen_units(number, text) : "-";
	case SECONDS:
		return screen_seconds(number, text);
	case MILLISECONDS:
		if (!number)
			return "-";
		snprintf(text, SHOW_TEXT_SIZE, "%lld ms", number / 1000000);
		return text;
	case LIST:
		return list_texts(value, text);
	case COPY:
		if (strcmp(show_text(object, "state"), "failed") == 0)
			return "-";
		return json_is_true(value) ? "zero" : "copy";
	case SOURCE:
		return json_is_string(value) ? json_string_value(value) : "any";
	case ENGINE:
		snprintf(text, SHOW_TEXT_SIZE, "%s", show_text(object, column->key));
		text[strcspn(text, ":")] = '\0';
		return text;
	case INPUT:
		return rule_input(object, text);
	case COUNTS:
		return show_counts(value, text);
	case REASON:
		return show_reason(object, column->key, text);
	case WHY:
		return show_text(object,
				 json_object_get(object, "reason") ? "reason" : "path_reason");
	case RULE_LOSSES:
		if (row->first && json_object_get(row->item, "reason"))
			return show_text(row->item, "reason");
		/* fall through */
	case LOSSES:
		return show_losses(object, text);
	}
	return "";
}

static bool is_shown(const struct column *column, const struct screen *screen)
{
	return !(column->flags & LONG && screen->brief) &&
	       !(column->flags & STATS && !screen->stats) &&
	       !(column->flags & NO_STATS && screen->stats);
}

static struct table *begin(const struct screen *screen, const struct column *columns)
{
	char headings[512] = "";

	for (; columns->heading; columns++) {
		if (is_shown(columns, screen))
			snprintf(headings + strlen(headings), sizeof(headings) - strlen(headings),
				 "%s%s", *headings ? " " : "", columns->heading);
	}
	return table_new(headings);
}

static void add_row(struct table *table, const struct screen *screen, const struct column *columns,
		    const struct row *row)
{
	for (; columns->heading; columns++) {
		char text[SHOW_TEXT_SIZE];
		const char *shown = "";

		if (!is_shown(columns, screen))
			continue;
		if (columns->flags & CHILD || row->first)
			shown = cell(columns, row, text);
		table_add_painted(
			table, columns->flags & PAINTED ? screen_state_colour(shown) : COLOUR_NONE,
			shown);
	}
}

/* `children`: the key of each item's list of children; NULL: the items have none. */
static void show_table(const struct screen *screen, const struct column *columns,
		       const json_t *items, const char *children)
{
	struct table *table = begin(screen, columns);
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		const json_t *list = children ? json_object_get(item, children) : NULL;
		size_t j = 0;

		do {
			const struct row row = {item, json_array_get(list, j), j == 0};

			add_row(table, screen, columns, &row);
		} while (++j < json_array_size(list));
	}
	table_print(table, screen);
}

/* ---- rules ---- */

void show_rules(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"NAME", "name", TEXT, 0},
		{"4IN", NULL, INPUT, LONG},
		{"6>OUT", "outputs", NUMBER, LONG},
		{"STATE", "state", TEXT, PAINTED},
		{"5PATH", "path", TEXT, LONG},
		{"FLOW", "flow", TEXT, PAINTED},
		{">PPS", "rate_pps", UNITS, 0},
		{"3>BPS", "rate_bps", UNITS, LONG},
		{"!REASON", "reason", TEXT, LONG | NO_STATS},
		{"!REASON", NULL, WHY, LONG | STATS},
		{"7RULE", "rule", TEXT, LONG | STATS},
		{},
	};

	show_table(screen, columns, json_object_get(answer, "rules"), NULL);
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

void show_rule(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"OUT", "to", TEXT, 0},
		{">PPS", "rate_pps", UNITS, 0},
		{">BPS", "rate_bps", UNITS, 0},
		{">PPS10", "rate_10s_pps", UNITS, STATS},
		{">BPS10", "rate_10s_bps", UNITS, STATS},
		{">PEAK", "peak_pps", UNITS, STATS},
		{">SENT", "sent_packets", NUMBER, 0},
		{">BYTES", "sent_bytes", NUMBER, 0},
		{">ERRORS", "send_errors", NUMBER, 0},
		{">GSO", "gso_segments", NUMBER, STATS},
		{"REASONS", NULL, LOSSES, 0},
		{},
	};
	const json_t *last = json_object_get(answer, "last_packet_seconds");
	char in[SHOW_TEXT_SIZE];
	char ago[UNITS_SIZE];

	screen_print(screen, "%s: in %s", show_text(answer, "name"), rule_input(answer, in));
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
	screen_print(screen, "  rule      %s\n\n", show_text(answer, "rule"));
	show_table(screen, columns, json_object_get(answer, "outputs"), NULL);
}

/* ---- interfaces, workers, groups ---- */

/* What interfaces redirected to devices on the kernel path; nothing if there are none. */
static void show_redirected(const struct screen *screen, const json_t *interfaces)
{
	static const struct column columns[] = {
		{"INTERFACE", "interface", TEXT, 0},
		{"DEVICE", "device", TEXT, 0},
		{">SENT", "sent_packets", NUMBER, CHILD},
		{">DROPPED", "dropped_packets", NUMBER, CHILD},
		{"DROPS", "drops", COUNTS, CHILD},
		{},
	};
	json_t *rows = json_array();
	const json_t *interface;
	const char *device;
	json_t *counts;
	size_t i;

	json_array_foreach(interfaces, i, interface)
	{
		json_object_foreach(json_object_get(interface, "redirected"), device, counts)
			json_array_append_new(rows, json_pack("{s:s, s:s, s:[O]}", "interface",
							      show_text(interface, "name"),
							      "device", device, "counts", counts));
	}
	if (json_array_size(rows)) {
		putc('\n', screen->stream);
		show_table(screen, columns, rows, "counts");
	}
	json_decref(rows);
}

/* What is worth knowing about interfaces that relay. */
static void show_hints(const struct screen *screen, const json_t *interfaces)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(interfaces, i, interface)
	{
		if (json_is_string(json_object_get(interface, "hint")))
			screen_print(screen, "\nhint: %s\n", show_text(interface, "hint"));
	}
}

/* The VLANs whose packets an interface receives; nothing if there are none. */
static void show_vlans(const struct screen *screen, const json_t *interfaces)
{
	const json_t *interface, *vlan;
	size_t i, j;

	json_array_foreach(interfaces, i, interface)
	{
		const json_t *vlans = json_object_get(interface, "vlans");

		if (!json_array_size(vlans))
			continue;
		screen_print(screen, "\nVLANs of %s:", show_text(interface, "name"));
		json_array_foreach(vlans, j, vlan) screen_print(
			screen, " %s", json_is_string(vlan) ? json_string_value(vlan) : "?");
		putc('\n', screen->stream);
	}
}

/* What happened to packets behind the outputs: only devices that have dropped some. */
static void show_output_devices(const struct screen *screen, const json_t *devices)
{
	static const struct column columns[] = {
		{"OUTPUT_INTERFACE", "name", TEXT, 0},
		{">SENT", "sent_packets", NUMBER, 0},
		{">DROPPED", "dropped_packets", NUMBER, 0},
		{"DROPS", "drops", COUNTS, 0},
		{},
	};
	json_t *rows = json_array();
	json_t *device;
	size_t i;

	json_array_foreach((json_t *)devices, i, device)
	{
		if (show_number(device, "dropped_packets"))
			json_array_append(rows, device);
	}
	if (json_array_size(rows)) {
		putc('\n', screen->stream);
		show_table(screen, columns, rows, NULL);
	}
	json_decref(rows);
}

void show_interfaces(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"INTERFACE", "name", TEXT, 0},
		{"STATE", "state", TEXT, PAINTED},
		{"MODE", "mode", TEXT, 0},
		{"5COPY", "zero_copy", COPY, 0},
		{">QUEUE", "queue", QUEUE, CHILD},
		{">RECEIVED", "received_packets", NUMBER, CHILD},
		{"2>RX_DROPPED", "rx_dropped", NUMBER, CHILD},
		{"3>RING_FULL", "rx_ring_full", NUMBER, CHILD},
		{"4>FILL_EMPTY", "fill_ring_empty", NUMBER, CHILD},
		{"!VERDICTS", "verdicts", REASON, 0},
		{},
	};

	show_table(screen, columns, json_object_get(answer, "interfaces"), "queues");
	show_redirected(screen, json_object_get(answer, "interfaces"));
	show_vlans(screen, json_object_get(answer, "interfaces"));
	show_hints(screen, json_object_get(answer, "interfaces"));
}

/* The members of a bond, and which of them it uses. */
static void show_members(const struct screen *screen, const json_t *answer)
{
	const json_t *active = json_object_get(answer, "active_members");
	const json_t *member;
	const json_t *other;
	const char *comma = "  members: ";
	size_t i, j;

	json_array_foreach(json_object_get(answer, "members"), i, member)
	{
		bool used = false;

		json_array_foreach(active, j, other) used |= json_equal(member, other);
		screen_print(screen, "%s%s%s", comma, json_string_value(member),
			     used ? " (active)" : "");
		comma = ", ";
	}
	if (json_array_size(json_object_get(answer, "members")))
		screen_print(screen, "\n");
}

void show_interface(const struct screen *screen, const json_t *answer)
{
	const json_t *attach = json_object_get(answer, "attach");
	json_t *list = json_pack("{s:[O]}", "interfaces", answer);
	char maps[SHOW_TEXT_SIZE];

	screen_print(screen,
		     "%s: index %lld, mtu %lld, rx queues %lld, XDP program %lld, rules %lld\n",
		     show_text(answer, "name"), show_number(answer, "ifindex"),
		     show_number(answer, "mtu"), show_number(answer, "rx_queues"),
		     show_number(answer, "program_id"), show_number(answer, "rules"));
	show_members(screen, answer);
	/* Older daemons do not report it. */
	if (json_is_object(attach))
		screen_print(screen, "  attached by: %s, pins %s, maps %s\n",
			     show_text(attach, "by"), show_text(attach, "pins"),
			     show_counts(json_object_get(attach, "maps"), maps));
	show_interfaces(screen, list);
	json_decref(list);
}

void show_workers(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"INTERFACE", "interface", TEXT, 0},
		{">QUEUE", "queue", QUEUE, 0},
		{"ENGINE", "engine", ENGINE, NO_STATS},
		{"ENGINE", "engine", TEXT, STATS},
		{">RECEIVED", "received_packets", NUMBER, 0},
		{">FRAMES", "frames", NUMBER, 0},
		{"5>KERNEL", "kernel_frames", NUMBER, STATS},
		{"3>QUEUED", "queued_frames", NUMBER, 0},
		{"4>IN_FLIGHT", "in_flight_frames", NUMBER, 0},
		{"6>UMEM", "umem_bytes", UNITS, STATS}, /* known to worker.list only */
		{"9>WAKEUPS", "wakeups", NUMBER, STATS},
		{"8>SLEEPS", "sleeps", NUMBER, STATS},
		{"7>SUBMITS", "submits", NUMBER, STATS},
		{"7>SENDS", "sends", NUMBER, STATS},
		{"!DROPS", "drops", COUNTS, 0},
		{},
	};

	show_table(screen, columns, json_object_get(answer, "workers"), NULL);
}

void show_groups(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"GROUP", "group", TEXT, 0},
		{"SOURCE", "source", SOURCE, 0},
		{"INTERFACE", "interface", TEXT, 0},
		{},
	};

	static const struct column wanted[] = {
		{"WANTED", "group", TEXT, 0},
		{"ON", "interface", TEXT, 0},
		{"BY", "host", SOURCE, 0},
		{"MODE", "mode", TEXT, 0},
		{"SOURCES", "sources", LIST, 0},
		{"VERSION", "version", TEXT, 0},
		{">SINCE", "since_seconds", SECONDS, 0},
		{">SEEN", "seen_seconds", SECONDS, 0},
		{">LEFT", "remaining_seconds", SECONDS, 0},
		{},
	};
	const json_t *receivers = json_object_get(answer, "receivers");

	show_table(screen, columns, json_object_get(answer, "groups"), NULL);
	if (json_array_size(receivers))
		show_table(screen, wanted, receivers, NULL);
}

void show_cluster(const struct screen *screen, const json_t *answer)
{
	static const struct column nodes[] = {
		{"NODE", "name", TEXT, 0},
		{"STATE", "state", TEXT, PAINTED},
		{">WEIGHT", "weight", NUMBER, 0},
		{">SHARDS", "shards", NUMBER, 0},
		{"2>SILENT_MS", "silent_ms", NUMBER, 0},
		{},
	};
	static const struct column shards[] = {
		{"LEASE", "lease", TEXT, 0},
		{">SHARD", "shard", NUMBER, 0},
		{"OWNER", "owner", TEXT, 0},
		{"STANDBY", "standby", TEXT, 0},
		{"STATE", "state", TEXT, PAINTED},
		{"1LAST_MOVE", "last_move", TEXT, 0},
		{},
	};
	const json_t *daemon = json_object_get(answer, "daemon");
	const json_t *store = json_object_get(answer, "store");

	screen_print(screen, "node %s: %s, deadline in %lld ms\n", show_text(answer, "node"),
		     show_text(answer, "state"), show_number(answer, "deadline_ms"));
	if (!show_true(daemon, "answers"))
		screen_print(screen, "xmcastd does not answer: %s\n", show_text(daemon, "reason"));
	if (!show_true(store, "reachable"))
		screen_print(screen, "etcd does not answer: %s\n", show_text(store, "error"));
	putc('\n', screen->stream);
	show_table(screen, nodes, json_object_get(answer, "nodes"), NULL);
	putc('\n', screen->stream);
	show_table(screen, shards, json_object_get(answer, "shards"), NULL);
}

void show_leases(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"LEASE", "name", TEXT, 0},
		{">SHARD", "shard", NUMBER, 0},
		{"STATE", "state", TEXT, PAINTED},
		{">LEFT", "remaining_ns", MILLISECONDS, 0},
		{">EPOCH", "epoch", NUMBER, LONG},
		{">RULES", "rules", NUMBER, LONG},
		{">RECEIVED", "received_packets", NUMBER, LONG},
		{">DOWN", "outputs_down", NUMBER, STATS},
		{},
	};

	show_table(screen, columns, json_object_get(answer, "leases"), NULL);
	if (json_is_false(json_object_get(answer, "guarded")) &&
	    json_array_size(json_object_get(answer, "leases")))
		screen_print(screen, "The kernel does not check leases behind the egress threads: "
				     "see lease-unguarded in the log.\n");
}

/* ---- counters ---- */

static void show_totals(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{">STEERED", "steered_packets", NUMBER, 0},
		{">RECEIVED", "received_packets", NUMBER, 0},
		{">SUBMITTED", "submitted_packets", NUMBER, 0},
		{">SENT", "sent_packets", NUMBER, 0},
		{">ERRORS", "send_errors", NUMBER, 0},
		{">LIMITED", "rate_limited_packets", NUMBER, 0},
		{">DROPPED", "dropped_packets", NUMBER, 0},
		{">EXHAUSTED", "buffer_exhausted_packets", NUMBER, 0},
		{">UPTIME", "uptime_seconds", SECONDS, CHILD},
		{},
	};
	const struct row row = {json_object_get(answer, "totals"), answer, true};
	struct table *table = begin(screen, columns);

	add_row(table, screen, columns, &row);
	table_print(table, screen);
}

void show_stats(const struct screen *screen, const json_t *answer)
{
	static const struct column rules[] = {
		{"RULE", "name", TEXT, 0},
		{"STATE", "state", TEXT, PAINTED},
		{"6PATH", "path", TEXT, 0},
		{"7IN", NULL, INPUT, 0},
		{">RECEIVED", "received_packets", NUMBER, 0},
		{"3>PPS", "rate_pps", UNITS, 0},
		{"5>BPS", "rate_bps", UNITS, 0},
		{"9>PEAK", "peak_pps", UNITS, STATS},
		{"4OUT", "to", TEXT, CHILD},
		{">SENT", "sent_packets", NUMBER, CHILD},
		{"2>ERRORS", "send_errors", NUMBER, CHILD},
		{"8>GSO", "gso_segments", NUMBER, CHILD | STATS},
		{"!REASONS", NULL, RULE_LOSSES, CHILD},
		{},
	};

	/* Without headings nobody could tell one total from another. */
	if (!screen->brief) {
		show_unconfirmed(screen, json_object_get(answer, "config"));
		show_totals(screen, answer);
		putc('\n', screen->stream);
	}
	show_table(screen, rules, json_object_get(answer, "rules"), "outputs");
	putc('\n', screen->stream);
	show_interfaces(screen, answer);
	show_output_devices(screen, json_object_get(answer, "output_interfaces"));
	if (screen->stats) {
		putc('\n', screen->stream);
		show_workers(screen, answer);
	}
}
