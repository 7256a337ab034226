/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that are other lists: interfaces, workers, groups, leases. */
#include "ctl/show.h"

#include <string.h>

#include "ctl/columns.h"

/* What interfaces redirected to devices on the kernel path; nothing if there are none. */
static void show_redirected(const struct screen *screen, const json_t *interfaces)
{
	static const struct column columns[] = {
		{"INTERFACE", "interface", CELL_TEXT, 0},
		{"DEVICE", "device", CELL_TEXT, 0},
		{">SENT", "sent_packets", CELL_NUMBER, COLUMN_CHILD},
		{">DROPPED", "dropped_packets", CELL_NUMBER, COLUMN_CHILD},
		{"DROPS", "drops", CELL_COUNTS, COLUMN_CHILD},
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
		columns_show(screen, columns, rows, "counts");
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
void show_output_devices(const struct screen *screen, const json_t *devices)
{
	static const struct column columns[] = {
		{"OUTPUT_INTERFACE", "name", CELL_TEXT, 0},
		{">SENT", "sent_packets", CELL_NUMBER, 0},
		{">DROPPED", "dropped_packets", CELL_NUMBER, 0},
		{"DROPS", "drops", CELL_COUNTS, 0},
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
		columns_show(screen, columns, rows, NULL);
	}
	json_decref(rows);
}

void show_interfaces(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"INTERFACE", "name", CELL_TEXT, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{"MODE", "mode", CELL_TEXT, 0},
		{"5COPY", "zero_copy", CELL_COPY, 0},
		{">QUEUE", "queue", CELL_QUEUE, COLUMN_CHILD},
		{">RECEIVED", "received_packets", CELL_NUMBER, COLUMN_CHILD},
		{"2>RX_DROPPED", "rx_dropped", CELL_NUMBER, COLUMN_CHILD},
		{"3>RING_FULL", "rx_ring_full", CELL_NUMBER, COLUMN_CHILD},
		{"4>FILL_EMPTY", "fill_ring_empty", CELL_NUMBER, COLUMN_CHILD},
		{"!VERDICTS", "verdicts", CELL_REASON, 0},
		{},
	};

	columns_show(screen, columns, json_object_get(answer, "interfaces"), "queues");
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
		{"INTERFACE", "interface", CELL_TEXT, 0},
		{">QUEUE", "queue", CELL_QUEUE, 0},
		{"ENGINE", "engine", CELL_ENGINE, COLUMN_NO_STATS},
		{"ENGINE", "engine", CELL_TEXT, COLUMN_STATS},
		{">RECEIVED", "received_packets", CELL_NUMBER, 0},
		{">FRAMES", "frames", CELL_NUMBER, 0},
		{"5>KERNEL", "kernel_frames", CELL_NUMBER, COLUMN_STATS},
		{"3>QUEUED", "queued_frames", CELL_NUMBER, 0},
		{"4>IN_FLIGHT", "in_flight_frames", CELL_NUMBER, 0},
		{"6>UMEM", "umem_bytes", CELL_UNITS, COLUMN_STATS}, /* known to worker.list only */
		{"9>WAKEUPS", "wakeups", CELL_NUMBER, COLUMN_STATS},
		{"8>SLEEPS", "sleeps", CELL_NUMBER, COLUMN_STATS},
		{"7>SUBMITS", "submits", CELL_NUMBER, COLUMN_STATS},
		{"7>SENDS", "sends", CELL_NUMBER, COLUMN_STATS},
		{"!DROPS", "drops", CELL_COUNTS, 0},
		{},
	};

	columns_show(screen, columns, json_object_get(answer, "workers"), NULL);
}

void show_groups(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"GROUP", "group", CELL_TEXT, 0},
		{"SOURCE", "source", CELL_SOURCE, 0},
		{"INTERFACE", "interface", CELL_TEXT, 0},
		{},
	};

	static const struct column wanted[] = {
		{"WANTED", "group", CELL_TEXT, 0},
		{"ON", "interface", CELL_TEXT, 0},
		{"BY", "host", CELL_SOURCE, 0},
		{"MODE", "mode", CELL_TEXT, 0},
		{"SOURCES", "sources", CELL_LIST, 0},
		{"VERSION", "version", CELL_TEXT, 0},
		{">SINCE", "since_seconds", CELL_SECONDS, 0},
		{">SEEN", "seen_seconds", CELL_SECONDS, 0},
		{">LEFT", "remaining_seconds", CELL_SECONDS, 0},
		{},
	};
	const json_t *receivers = json_object_get(answer, "receivers");

	columns_show(screen, columns, json_object_get(answer, "groups"), NULL);
	if (json_array_size(receivers))
		columns_show(screen, wanted, receivers, NULL);
}

void show_cluster(const struct screen *screen, const json_t *answer)
{
	static const struct column nodes[] = {
		{"NODE", "name", CELL_TEXT, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{">WEIGHT", "weight", CELL_NUMBER, 0},
		{">SHARDS", "shards", CELL_NUMBER, 0},
		{"2>SILENT_MS", "silent_ms", CELL_NUMBER, 0},
		{},
	};
	static const struct column shards[] = {
		{"LEASE", "lease", CELL_TEXT, 0},
		{">SHARD", "shard", CELL_NUMBER, 0},
		{"OWNER", "owner", CELL_TEXT, 0},
		{"STANDBY", "standby", CELL_TEXT, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{"1LAST_MOVE", "last_move", CELL_TEXT, 0},
		{},
	};
	const json_t *daemon = json_object_get(answer, "daemon");
	const json_t *store = json_object_get(answer, "store");
	const json_t *lease;
	size_t i;

	screen_print(screen, "node %s: %s, deadline in %lld ms\n", show_text(answer, "node"),
		     show_text(answer, "state"), show_number(answer, "deadline_ms"));
	if (!show_true(daemon, "answers"))
		screen_print(screen, "xmcastd does not answer: %s\n", show_text(daemon, "reason"));
	if (!show_true(store, "reachable"))
		screen_print(screen, "etcd does not answer: %s\n", show_text(store, "error"));
	json_array_foreach(json_object_get(answer, "overruled"), i, lease) screen_print(
		screen,
		"nothing of lease %s is sent here: it has %lld shards in the rules here, "
		"another number on %s\n",
		show_text(lease, "lease"), show_number(lease, "shards"), show_text(lease, "node"));
	putc('\n', screen->stream);
	columns_show(screen, nodes, json_object_get(answer, "nodes"), NULL);
	putc('\n', screen->stream);
	columns_show(screen, shards, json_object_get(answer, "shards"), NULL);
}

void show_leases(const struct screen *screen, const json_t *answer)
{
	static const struct column columns[] = {
		{"LEASE", "name", CELL_TEXT, 0},
		{">SHARD", "shard", CELL_NUMBER, 0},
		{"STATE", "state", CELL_TEXT, COLUMN_PAINTED},
		{">LEFT", "remaining_ns", CELL_MILLISECONDS, 0},
		{">EPOCH", "epoch", CELL_NUMBER, COLUMN_LONG},
		{">RULES", "rules", CELL_NUMBER, COLUMN_LONG},
		{">RECEIVED", "received_packets", CELL_NUMBER, COLUMN_LONG},
		{">DOWN", "outputs_down", CELL_NUMBER, COLUMN_STATS},
		{},
	};

	columns_show(screen, columns, json_object_get(answer, "leases"), NULL);
	if (json_is_false(json_object_get(answer, "guarded")) &&
	    json_array_size(json_object_get(answer, "leases")))
		screen_print(screen, "The kernel does not check leases behind the egress threads: "
				     "see lease-unguarded in the log.\n");
}
