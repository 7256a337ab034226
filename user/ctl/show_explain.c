/* SPDX-License-Identifier: BSD-2-Clause */
#include "ctl/show_explain.h"

#include <string.h>

#include "ctl/table.h"

/* ---- lines ---- */

#define LABEL "  %-10s"

static const json_t *member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static bool is(const json_t *object, const char *key, const char *value)
{
	const char *text = json_string_value(member(object, key));

	return text && strcmp(text, value) == 0;
}

/* ---- where it arrives ---- */

static void show_head(const struct screen *screen, const json_t *answer)
{
	const json_t *packet = member(answer, "packet");
	long long port = show_number(packet, "port");

	if (!json_is_object(packet)) {
		screen_print(screen, "a frame of %lld bytes, arriving at %s\n",
			     show_number(answer, "frame_bytes"), show_text(answer, "interface"));
		return;
	}
	screen_print(screen, "%s > %s", show_text(packet, "source"),
		     show_text(packet, "destination"));
	if (port)
		screen_print(screen, ":%lld", port);
	if (show_number(packet, "protocol") != 17)
		screen_print(screen, ", IP protocol %lld", show_number(packet, "protocol"));
	screen_print(screen, ", a frame of %lld bytes%s%s, arriving at %s\n",
		     show_number(answer, "frame_bytes"),
		     json_is_string(member(packet, "vlan")) ? ", tagged " : "",
		     json_is_string(member(packet, "vlan")) ? show_text(packet, "vlan") : "",
		     show_text(answer, "interface"));
}

static void show_input(const struct screen *screen, const json_t *answer)
{
	screen_print(screen, LABEL, "input");
	if (!json_is_string(member(answer, "mode"))) {
		screen_print(screen, "xmcast does not receive at %s: %s\n",
			     show_text(answer, "received_by"), show_text(answer, "reason"));
		return;
	}
	screen_print(screen, "received by %s in %s mode", show_text(answer, "device"),
		     show_text(answer, "mode"));
	if (strcmp(show_text(answer, "interface"), show_text(answer, "received_by")) != 0)
		screen_print(screen, ", for %s", show_text(answer, "interface"));
	screen_print(screen, "\n");
	if (json_is_string(member(answer, "reason")))
		screen_print(screen, LABEL "%s\n", "", show_text(answer, "reason"));
}

/* ---- the verdict ---- */

static const struct {
	const char *reason;
	const char *text;
} verdicts[] = {
	{"steered", "takes the packet out of the network, for the user path"},
	{"standby",
	 "a rule matches, but its lease is not held on this host: drops the packet, which the "
	 "holder sends"},
	{"no_rule", "no rule matches: passes the packet to this host's own network stack"},
	{"no_socket",
	 "a rule matches, but its RX queue is not served (`queues` of the interface, or "
	 "the daemon is stopping): passes the packet to the stack"},
	{"inactive_member", "a rule matches, but the bond does not use this member now: passes the "
			    "packet to the stack"},
	{"too_large",
	 "a rule matches, but the packet does not fit a frame of the socket: passes it "
	 "to the stack"},
	{"not_ip", "neither IPv4 nor IPv6: passes it to the stack"},
	{"not_udp", "not UDP, and no rule has its protocol: passes it to the stack"},
	{"vlan",
	 "no rule has this VLAN tag: passes it to the stack. The input of such a rule is the "
	 "VLAN's interface"},
	{"fragment",
	 "a fragment, which xmcast does not reassemble: passes it to the stack. Have the "
	 "sender send packets that fit the MTU"},
	{"ip_options", "has IP options or extension headers: passes it to the stack"},
	{"malformed", "malformed (lengths, or the IPv4 header checksum): passes it to the stack"},
};

static void show_verdict(const struct screen *screen, const json_t *answer)
{
	const json_t *verdict = member(answer, "verdict");

	if (show_true(answer, "too_long")) {
		screen_print(screen,
			     LABEL "not run: the packet is larger than the MTU of %s, %lld, so it "
				   "arrives in fragments, which xmcast does not relay\n",
			     "XDP", show_text(answer, "received_by"), show_number(answer, "mtu"));
		return;
	}
	if (!json_is_object(verdict))
		return;
	screen_print(screen, LABEL "%s: ", "XDP", show_text(verdict, "reason"));
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (is(verdict, "reason", verdicts[i].reason))
			screen_print(screen, "%s\n", verdicts[i].text);
	}
	if (!is(verdict, "reason", "forwarded"))
		return;
	if (show_true(verdict, "too_large"))
		screen_print(screen, "dropped, because it is larger than the MTU of an output\n");
	else if (show_true(verdict, "ttl_expired"))
		screen_print(screen, "dropped, because its TTL would become 0 (`ttl dec`)\n");
	else if (is(verdict, "action", "redirect"))
		screen_print(screen, "rewrites the packet and hands it to the output's device\n");
	else
		screen_print(screen, "dropped: no output can be used\n");
}

/* A text or a number. */
static void show_value(const struct screen *screen, const char *before, const json_t *object,
		       const char *key, const char *otherwise)
{
	const json_t *value = member(object, key);

	if (json_is_string(value))
		screen_print(screen, "%s%s", before, json_string_value(value));
	else if (json_is_integer(value))
		screen_print(screen, "%s%lld", before, (long long)json_integer_value(value));
	else
		screen_print(screen, "%s%s", otherwise ? before : "", otherwise ? otherwise : "");
}

/* ---- the rule ---- */

static void show_differences(const struct screen *screen, const json_t *near)
{
	const json_t *differs = member(near, "differs"), *name;
	size_t i;

	if (json_array_size(differs) == 1 &&
	    strcmp(json_string_value(json_array_get(differs, 0)) ?: "", "less_specific") == 0) {
		screen_print(screen, LABEL "%s matches as well, but is less specific\n", "",
			     show_text(near, "name"));
		return;
	}
	if (!json_array_size(differs)) {
		screen_print(screen,
			     LABEL "%s is for such packets, but does not get this one: see "
				   "`xmcastctl explain %s`\n",
			     "", show_text(near, "name"), show_text(near, "name"));
		return;
	}
	screen_print(screen, LABEL "%s would match but for: ", "", show_text(near, "name"));
	json_array_foreach(differs, i, name)
		screen_print(screen, "%s%s", i ? ", " : "", json_string_value(name) ?: "-");
	screen_print(screen, " (in %s", show_text(near, "in"));
	show_value(screen, " source ", near, "source", NULL);
	screen_print(screen, ")\n");
}

static void show_found(const struct screen *screen, const json_t *answer)
{
	const json_t *rule = member(answer, "rule"), *near;
	size_t i;

	if (json_is_object(rule)) {
		screen_print(screen, LABEL "%s: in %s", "rule", show_text(rule, "name"),
			     show_text(rule, "in"));
		if (json_is_string(member(rule, "source")))
			screen_print(screen, " source %s\n", show_text(rule, "source"));
		else
			screen_print(screen, ", any source\n");
		screen_print(screen, LABEL "%s", "", show_text(rule, "state"));
		show_value(screen, ": ", rule, "reason", NULL);
		screen_print(screen, ", %s path", show_text(rule, "path"));
		show_value(screen, ": ", rule, "path_reason", NULL);
		screen_print(screen, "\n");
	} else {
		screen_print(screen, LABEL "none\n", "rule");
	}
	json_array_foreach(member(answer, "near_rules"), i, near) show_differences(screen, near);
}

/* ---- its outputs ---- */

static void show_limit(const struct screen *screen, const json_t *output, const char *key,
		       const char *unit)
{
	if (json_is_integer(member(output, key)))
		screen_print(screen, LABEL "at most %lld %s\n", "", show_number(output, key), unit);
}

static void show_output(const struct screen *screen, const json_t *output)
{
	screen_print(screen, LABEL "%s\n", "output", show_text(output, "to"));
	if (member(output, "reason"))
		screen_print(screen, LABEL "nothing leaves by it: %s\n", "",
			     show_text(output, "reason"));
	if (member(output, "error")) {
		screen_print(screen, LABEL "no route: %s\n", "", show_text(output, "error"));
		return;
	}
	screen_print(screen, LABEL, "");
	show_value(screen, "by ", output, "interface", "no interface");
	show_value(screen, ", MTU ", output, "mtu", NULL);
	show_value(screen, ", next hop ", output, "next_hop", NULL);
	show_value(screen, ", to ", output, "mac", "a MAC address that is not known");
	screen_print(screen, "\n" LABEL, "");
	show_value(screen, "from ", output, "source", "no address");
	show_value(screen, " port ", output, "source_port", NULL);
	show_value(screen, ", TTL ", output, "ttl", NULL);
	show_value(screen, ", DSCP ", output, "dscp", NULL);
	screen_print(screen, "\n");
	show_limit(screen, output, "rate_pps", "packets/s");
	show_limit(screen, output, "rate_bps", "bit/s");
	if (is(output, "ttl", "keep") || is(output, "ttl", "dec") ||
	    show_number(output, "ttl") != 1)
		return;
	screen_print(screen, LABEL "TTL 1: no router forwards it; `ttl N` gives it more\n", "");
}

/* ---- what others see ---- */

static void show_tcpdump(const struct screen *screen, const json_t *answer)
{
	const json_t *verdict = member(answer, "verdict");

	if (!json_is_object(verdict))
		return;
	screen_print(screen, LABEL, "tcpdump");
	if (is(verdict, "action", "pass"))
		screen_print(screen, "shows it on %s, and local sockets may receive it\n",
			     show_text(answer, "device"));
	else if (is(verdict, "reason", "steered"))
		screen_print(screen,
			     "does not show it on %s, because XDP takes it first; shows what is "
			     "sent on the output interfaces\n",
			     show_text(answer, "device"));
	else if (is(verdict, "action", "drop"))
		screen_print(screen, "shows it nowhere on this host: XDP drops it first\n");
	else
		screen_print(
			screen,
			"shows it nowhere on this host: XDP takes it first, and the kernel path "
			"hands it to the devices\n");
}

void show_explained_packet(const struct screen *screen, const json_t *answer)
{
	const json_t *output;
	size_t i;

	show_head(screen, answer);
	show_input(screen, answer);
	show_verdict(screen, answer);
	show_found(screen, answer);
	json_array_foreach(member(answer, "outputs"), i, output) show_output(screen, output);
	show_tcpdump(screen, answer);
}

/* ---- a rule ---- */

void show_findings(const struct screen *screen, const json_t *answer)
{
	const json_t *findings = member(answer, "findings"), *finding;
	bool problem = false;
	size_t i;

	json_array_foreach(findings, i, finding)
	{
		problem |= is(finding, "severity", "problem");
		screen_print(screen, LABEL "%s: %s\n", show_text(finding, "severity"),
			     show_text(finding, "about"), show_text(finding, "text"));
		if (json_is_string(member(finding, "next")))
			screen_print(screen, LABEL "next: %s\n", "", show_text(finding, "next"));
	}
	if (!problem)
		screen_print(screen, LABEL "no problem was found\n", "");
}

static void show_rule_input(const struct screen *screen, const json_t *input)
{
	const json_t *querier = member(input, "querier");

	if (!json_is_object(input))
		return;
	screen_print(screen, LABEL "%s", "input", show_text(input, "interface"));
	if (!show_true(input, "exists"))
		screen_print(screen, ", which does not exist");
	else
		screen_print(screen, ", %s, %s, MTU %lld", show_true(input, "up") ? "up" : "down",
			     show_true(input, "carrier") ? "with carrier" : "no carrier",
			     show_number(input, "mtu"));
	if (json_is_string(member(input, "vlan")))
		screen_print(screen, ", received by %s with the tags %s",
			     show_text(input, "received_by"), show_text(input, "vlan"));
	screen_print(screen, "%s\n", show_true(input, "joined") ? ", group joined" : "");
	if (json_is_object(querier))
		screen_print(screen, LABEL "last query for members by %s, %lld s ago\n", "",
			     show_text(querier, "address"), show_number(querier, "seconds"));
}

static void show_rule_inputs(const struct screen *screen, const json_t *answer)
{
	const json_t *inputs = member(answer, "inputs"), *input;
	size_t i;

	if (!json_array_size(inputs))
		show_rule_input(screen, member(answer, "input"));
	json_array_foreach(inputs, i, input)
	{
		show_rule_input(screen, input);
	}
}

static void show_passed(const struct screen *screen, const json_t *answer)
{
	const json_t *passed;
	size_t i;

	json_array_foreach(member(answer, "passed"), i, passed)
	{
		screen_print(screen, LABEL "%lld packet%s on %s from %s", i ? "" : "passed",
			     show_number(passed, "packets"),
			     show_number(passed, "packets") == 1 ? "" : "s",
			     show_text(passed, "interface"), show_text(passed, "source"));
		if (json_is_integer(member(passed, "port")))
			screen_print(screen, " for port %lld", show_number(passed, "port"));
		if (json_is_string(member(passed, "vlan")))
			screen_print(screen, ", tagged %s", show_text(passed, "vlan"));
		screen_print(screen, ": %s, %lld s ago\n", show_text(passed, "reason"),
			     show_number(passed, "seconds"));
	}
}

void show_explained_rule(const struct screen *screen, const json_t *answer)
{
	const json_t *rule = member(answer, "rule"), *output;
	size_t i;

	screen_print(screen, "%s: in %s", show_text(rule, "name"), show_text(rule, "in"));
	show_value(screen, " source ", rule, "source", NULL);
	screen_print(screen, "; %s, %s path, %s, %lld packets received", show_text(rule, "state"),
		     show_text(rule, "path"), show_text(rule, "flow"),
		     show_number(rule, "received_packets"));
	if (json_is_integer(member(rule, "last_packet_seconds")))
		screen_print(screen, ", the last %lld s ago",
			     show_number(rule, "last_packet_seconds"));
	screen_print(screen, "\n");
	show_findings(screen, answer);
	show_rule_inputs(screen, answer);
	show_passed(screen, answer);
	json_array_foreach(member(answer, "outputs"), i, output) show_output(screen, output);
}

/* ---- a capture ---- */

/* The address with the port or the protocol; text of SHOW_TEXT_SIZE bytes. */
static const char *destination(const json_t *packet, char text[SHOW_TEXT_SIZE])
{
	const char *address = show_text(packet, "destination");
	bool bracketed = strchr(address, ':') != NULL;
	long long port = show_number(packet, "port"), protocol = show_number(packet, "protocol");

	if (protocol != 17 && protocol)
		snprintf(text, SHOW_TEXT_SIZE, "%.60s/%lld", address, protocol);
	else if (port)
		snprintf(text, SHOW_TEXT_SIZE, "%s%.60s%s:%lld", bracketed ? "[" : "", address,
			 bracketed ? "]" : "", port);
	else
		snprintf(text, SHOW_TEXT_SIZE, "%.60s", address);
	return text;
}

static const char *flow_verdict(const json_t *flow)
{
	const json_t *verdict = member(flow, "verdict");

	if (member(flow, "error"))
		return "no input there";
	if (show_true(flow, "too_long"))
		return "larger than the MTU";
	return json_is_object(verdict) ? show_text(verdict, "reason") : "not received";
}

void show_explained_capture(const struct screen *screen, const json_t *answer)
{
	struct table *table =
		table_new("INTERFACE SOURCE DESTINATION VLAN >PACKETS >BYTES VERDICT RULE");
	char text[SHOW_TEXT_SIZE];
	const json_t *flow;
	size_t i;

	json_array_foreach(member(answer, "flows"), i, flow)
	{
		const json_t *packet = member(flow, "packet");

		table_add(table, "%s", show_text(flow, "interface"));
		table_add(table, "%s", show_text(packet, "source"));
		table_add(table, "%s", destination(packet, text));
		table_add(table, "%s", show_text(packet, "vlan"));
		table_add(table, "%lld", show_number(flow, "packets"));
		table_add(table, "%lld", show_number(flow, "frame_bytes"));
		table_add(table, "%s", flow_verdict(flow));
		table_add(table, "%s", show_text(member(flow, "rule"), "name"));
	}
	table_print(table, screen);
	screen_print(screen, "%lld packets", show_number(answer, "packets"));
	if (show_number(answer, "not_ethernet"))
		screen_print(screen, ", %lld of them no Ethernet frames: not looked at",
			     show_number(answer, "not_ethernet"));
	if (show_number(answer, "beyond"))
		screen_print(screen, ", %lld of them of further flows: not looked at",
			     show_number(answer, "beyond"));
	screen_print(screen, "\n");
}
