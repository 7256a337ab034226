/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/diagnosis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/clock.h"
#include "base/json_build.h"
#include "base/json_text.h"
#include "base/text.h"

#define PROBLEM	  "problem"
#define HINT	  "hint"

#define NEXT_SIZE 160

struct diagnosis {
	const struct inspected_rule *inspected;
	const struct stats *stats;
	const struct rule_counts *counts;
	json_t *findings;
	char about[ENDPOINT_TEXT_SIZE];
	char next[NEXT_SIZE]; /* for the next finding; empty: none */
};

/* What to run next. */
__attribute__((format(printf, 2, 3))) static void next(struct diagnosis *diagnosis,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(diagnosis->next, sizeof(diagnosis->next), format, args);
	va_end(args);
}

__attribute__((format(printf, 4, 5))) static void
find(struct diagnosis *diagnosis, const char *severity, const char *cause, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = text_format_list(format, args);
	va_end(args);
	json_add(&diagnosis->findings,
		 json_pack("{s:s, s:s, s:o, s:o, s:o}", "severity", severity, "cause", cause,
			   "about", json_text_string(diagnosis->about), "text",
			   json_text_string(text), "next",
			   *diagnosis->next ? json_text_string(diagnosis->next) : json_null()));
	free(text);
	*diagnosis->next = '\0';
}

static uint64_t seconds_since(const struct diagnosis *diagnosis, uint64_t ns)
{
	uint64_t now_ns = diagnosis->inspected->now_ns;

	return ns < now_ns ? (now_ns - ns) / NS_PER_SECOND : 0;
}

/* `about`: of this input, rule or output; NULL: of any. */
static bool has_problem(const json_t *findings, const char *about)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
	{
		if (strcmp(json_string_value(json_object_get(finding, "severity")), PROBLEM) == 0 &&
		    (!about ||
		     strcmp(json_string_value(json_object_get(finding, "about")), about) == 0))
			return true;
	}
	return false;
}

/* ---- the input ---- */

static void examine_interface(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	const char *iface = inspected->rule->iface;

	if (!inspected->input.ifindex) {
		next(diagnosis, "ip link show");
		find(diagnosis, PROBLEM, "input_missing", "interface %s does not exist", iface);
	} else if (!inspected->input.up) {
		next(diagnosis, "ip link set %s up", iface);
		find(diagnosis, PROBLEM, "input_down", "interface %s is down", iface);
	} else if (!inspected->input.carrier) {
		next(diagnosis, "ip -s link show %s", iface);
		find(diagnosis, PROBLEM, "input_no_carrier",
		     "interface %s has no carrier: check the cable and the switch", iface);
	} else if (inspected->reason) {
		next(diagnosis, "xmcastctl iface show %s", inspected->iface);
		find(diagnosis, PROBLEM, "input", "%s", inspected->reason);
	}
}

static bool is_silent(const struct diagnosis *diagnosis)
{
	return diagnosis->stats->rules->flow != FLOW_FLOWING;
}

/* " from 10.9.9.9 (20 packets, the last 3 s ago)" */
static const char *describe(const struct diagnosis *diagnosis, const struct passed_packets *passed,
			    char text[120])
{
	char source[ADDR_TEXT_SIZE];

	snprintf(text, 120, "from %s (%llu packet%s, the last %llu s ago)",
		 addr_format(&passed->note.source, source),
		 (unsigned long long)passed->note.packets, passed->note.packets == 1 ? "" : "s",
		 (unsigned long long)seconds_since(diagnosis, passed->note.last_ns));
	return text;
}

/* "without a VLAN tag", "with the VLAN tag 7", "with the VLAN tags 200 and 100" */
static const char *tags_text(uint32_t tags, char text[48])
{
	if (!tags)
		return "without a VLAN tag";
	if (tags >> 16)
		snprintf(text, 48, "with the VLAN tags %u and %u", tags >> 16 & 0xfff,
			 tags & 0xfff);
	else
		snprintf(text, 48, "with the VLAN tag %u", tags & 0xfff);
	return text;
}

static void explain_tags(struct diagnosis *diagnosis, const struct passed_packets *passed,
			 const char *group, const char *who)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	char seen[48], wanted[48];

	if (passed->note.tags && !(passed->note.tags >> 16))
		next(diagnosis, "ip link add link %s name %.8s.%u type vlan id %u", passed->iface,
		     passed->iface, passed->note.tags & 0xfff, passed->note.tags & 0xfff);
	else
		next(diagnosis, "tcpdump -eni %s dst host %s", passed->iface, group);
	find(diagnosis, PROBLEM, "wrong_vlan",
	     "packets to %s arrive on %s %s, %s; the rule takes those %s: its input should be the "
	     "interface of the VLAN that they have",
	     group, passed->iface, tags_text(passed->note.tags, seen), who,
	     tags_text(inspected->tags, wanted));
}

/* Packets that are almost those of the rule. */
static void examine_passed(struct diagnosis *diagnosis, const struct passed_packets *passed)
{
	const struct rule *rule = diagnosis->inspected->rule;
	char group[ADDR_TEXT_SIZE], source[SOURCE_TEXT_SIZE], text[120];
	const char *who = describe(diagnosis, passed, text);

	addr_format(&rule->group, group);
	if (passed->note.reason == XMC_FRAGMENT) {
		next(diagnosis, "tcpdump -ni %s 'dst host %s and ip[6:2] & 0x3fff != 0'",
		     passed->iface, group);
		find(diagnosis, PROBLEM, "fragments",
		     "packets to %s arrive on %s in fragments, %s, which xmcast does not relay: "
		     "have the sender send packets that fit the MTU",
		     group, passed->iface, who);
	} else if (passed->note.reason == XMC_IP_OPTIONS) {
		next(diagnosis, "tcpdump -vni %s dst host %s", passed->iface, group);
		find(diagnosis, PROBLEM, "ip_options",
		     "packets to %s arrive on %s with IP options or extension headers, %s, which "
		     "xmcast does not relay",
		     group, passed->iface, who);
	} else if (passed->differs & NEAR_IFACE) {
		next(diagnosis, "xmcastctl iface show %s", passed->iface);
		find(diagnosis, PROBLEM, "wrong_interface",
		     "packets to %s arrive on %s, %s, but the rule's input is %s", group,
		     passed->iface, who, rule->iface);
	} else if (passed->differs & NEAR_TAGS) {
		explain_tags(diagnosis, passed, group, who);
	} else if (passed->differs & NEAR_SOURCE) {
		next(diagnosis, "xmcastctl rule show %s", rule->name);
		find(diagnosis, PROBLEM, "wrong_source",
		     "packets to %s arrive on %s %s, but the rule takes those with source %s only",
		     group, passed->iface, who, source_format(rule, source));
	} else if (passed->differs & NEAR_PORT) {
		next(diagnosis, "xmcastctl rule show %s", rule->name);
		find(diagnosis, PROBLEM, "wrong_port",
		     "packets to %s arrive on %s for port %u, %s, but the rule takes port %u",
		     group, passed->iface, ntohs(passed->note.port), who, rule->port);
	}
}

static void examine_querier(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	bool ipv4 = addr_is_ipv4(&inspected->rule->group);
	char querier[ADDR_TEXT_SIZE];

	if (!addr_is_multicast(&inspected->rule->group))
		return;
	if (!inspected->joined) {
		next(diagnosis, "xmcastctl group list");
		find(diagnosis, PROBLEM, "not_joined", "the group is not joined on %s",
		     inspected->rule->iface);
	} else if (inspected->querier_seen) {
		find(diagnosis, HINT, "querier",
		     "the group is joined; the multicast router %s asked for members %llu s ago",
		     addr_format(&inspected->querier, querier),
		     (unsigned long long)seconds_since(diagnosis, inspected->querier_ns));
	} else {
		next(diagnosis, "tcpdump -ni %s %s", inspected->iface, ipv4 ? "igmp" : "icmp6");
		find(diagnosis, HINT, "no_querier",
		     "the group is joined, but no multicast router has asked for members on %s: "
		     "without these %s queries a switch with snooping stops forwarding",
		     inspected->iface, ipv4 ? "IGMP" : "MLD");
	}
}

/* Somebody sends to its port and another group. */
static void examine_other_group(struct diagnosis *diagnosis)
{
	struct passed_packets passed = {.note = diagnosis->inspected->other_group};
	char group[ADDR_TEXT_SIZE], text[120];

	if (!passed.note.packets)
		return;
	next(diagnosis, "xmcastctl rule show %s", diagnosis->inspected->rule->name);
	find(diagnosis, HINT, "other_group",
	     "packets to another group, %s, arrive on %s for the same port, %s, and no rule "
	     "matches them",
	     addr_format(&passed.note.destination, group), diagnosis->inspected->iface,
	     describe(diagnosis, &passed, text));
}

/* Another rule gets its packets. */
static void examine_winner(struct diagnosis *diagnosis)
{
	const struct rule *winner = diagnosis->inspected->winner;
	char in[ENDPOINT_TEXT_SIZE], source[SOURCE_TEXT_SIZE] = "";
	bool any = addr_is_any(&winner->source);

	next(diagnosis, "xmcastctl explain %s", winner->name);
	find(diagnosis, PROBLEM, "more_specific",
	     "no packet arrives for this rule alone: what the more specific rule %s (in %s%s%s) "
	     "matches as well goes to that rule only",
	     winner->name, input_format(winner, in), any ? "" : " source ",
	     any ? "" : source_format(winner, source));
}

static void examine_silence(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	uint64_t last = diagnosis->stats->rules->last_packet_seconds;
	char group[ADDR_TEXT_SIZE];

	addr_format(&inspected->rule->group, group);
	if (!inspected->nr_passed && inspected->winner) {
		examine_winner(diagnosis);
	} else if (!inspected->nr_passed) {
		next(diagnosis, "tcpdump -eni %s", inspected->iface);
		if (diagnosis->counts->received && last != STATS_NEVER)
			find(diagnosis, PROBLEM, "no_sender",
			     "no packet to %s has arrived on %s for %llu s: the sender has "
			     "stopped, "
			     "or the network does not bring its packets here",
			     group, inspected->iface, (unsigned long long)last);
		else
			find(diagnosis, PROBLEM, "no_sender",
			     "no packet to %s has ever arrived on %s: nobody sends, the network "
			     "does "
			     "not bring the packets here, or they arrive on another interface",
			     group, inspected->iface);
	}
	if (!inspected->nr_passed)
		examine_other_group(diagnosis);
	examine_querier(diagnosis);
}

/* What its interface has lost, of packets of all rules. */
static void examine_losses(struct diagnosis *diagnosis)
{
	const struct books *books = diagnosis->stats->books;
	const char *iface = diagnosis->inspected->iface;
	struct interface_counts *counts = NULL;
	uint64_t full = 0;

	for (unsigned int i = 0; i < books->nr_interfaces && !counts; i++) {
		if (strcmp(books->interfaces[i].name, iface) == 0)
			counts = &books->interfaces[i];
	}
	if (!counts)
		return;
	for (unsigned int i = 0; i < counts->nr_workers; i++)
		full += kernel_drops(&books->workers[counts->first_worker + i].state);
	if (full) {
		next(diagnosis, "xmcastctl -s worker list");
		find(diagnosis, HINT, "overload",
		     "%llu packets of the rules of %s were lost, because the relay had no room for "
		     "them: more `workers.frames`, or more CPU time",
		     (unsigned long long)full, iface);
	}
	for (unsigned int reason = XMC_NO_SOCKET; reason <= XMC_TOO_LARGE; reason++) {
		static const char *const names[] = XMC_REASON_NAMES;

		if (!counts->verdicts[reason])
			continue;
		next(diagnosis, "xmcastctl iface show %s", iface);
		find(diagnosis, HINT, names[reason],
		     "%llu packets of the rules of %s were left to the network stack (%s)",
		     (unsigned long long)counts->verdicts[reason], iface, names[reason]);
	}
	if (counts->verdicts[XMC_MALFORMED]) {
		next(diagnosis, "tcpdump -vvni %s", iface);
		find(diagnosis, HINT, "malformed",
		     "%llu packets on %s were malformed (lengths, or the IPv4 header checksum), "
		     "whatever their group, and were left to the network stack",
		     (unsigned long long)counts->verdicts[XMC_MALFORMED], iface);
	}
	if (counts->hint) {
		next(diagnosis, "xmcastctl iface show %s", iface);
		find(diagnosis, HINT, "interface", "%s", counts->hint);
	}
}

/* False: its silence says nothing. On the kernel path the XDP program may not know a pending rule,
 * and a rule on demand leaves its group while no output is wanted. */
static bool expects_packets(const struct diagnosis *diagnosis)
{
	const struct rule_counts *counts = diagnosis->counts;

	if (counts->reason && strcmp(counts->path, "kernel") == 0)
		return false;
	return strcmp(counts->state, "idle") != 0 || diagnosis->inspected->joined;
}

static void examine_input(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	size_t before = json_array_size(diagnosis->findings);

	snprintf(diagnosis->about, sizeof(diagnosis->about), "input");
	examine_interface(diagnosis);
	/* Nothing can arrive: it makes no sense to look for it. */
	if (json_array_size(diagnosis->findings) > before)
		return;
	for (unsigned int i = 0; i < inspected->nr_passed; i++) {
		/* What passes a port of the bridge arrives at the bridge as well. */
		if (inspected->passed[i].at_bridge_port && !is_silent(diagnosis))
			continue;
		examine_passed(diagnosis, &inspected->passed[i]);
	}
	if (is_silent(diagnosis) && expects_packets(diagnosis))
		examine_silence(diagnosis);
	examine_losses(diagnosis);
}

/* ---- an output ---- */

/* How it would send now. False: it cannot. */
static bool examine_route(struct diagnosis *diagnosis, const struct rule_output *output,
			  const struct inspected_output *to)
{
	char address[ADDR_TEXT_SIZE];

	if (to->error == -ENODEV) {
		next(diagnosis, "ip link show");
		find(diagnosis, PROBLEM, "output_missing", "output interface %s does not exist",
		     output->iface);
	} else if (to->device.ifindex && !to->device.up) {
		next(diagnosis, "ip link set %s up", to->device.name);
		find(diagnosis, PROBLEM, "output_down", "output interface %s is down",
		     to->device.name);
	} else if (to->device.ifindex && !to->device.carrier) {
		next(diagnosis, "ip -s link show %s", to->device.name);
		find(diagnosis, PROBLEM, "output_no_carrier",
		     "output interface %s has no carrier: check the cable and what is behind it",
		     to->device.name);
	} else if (to->error) {
		next(diagnosis, "ip route get %s", addr_format(&output->to, address));
		find(diagnosis, PROBLEM, "no_route", "where it would send is not known: %s",
		     strerror(-to->error));
	} else if (to->hop.kind == NEXT_HOP_UNREACHABLE) {
		next(diagnosis, "ip route get %s", addr_format(&output->to, address));
		find(diagnosis, PROBLEM, "no_route", "no route to %s: %s", address,
		     strerror(-to->hop.error));
	} else if (to->hop.kind == NEXT_HOP_HOST && !to->mac_known) {
		addr_format(&to->hop.via, address);
		next(diagnosis, "ip neigh show to %s dev %s", address, to->device.name);
		find(diagnosis, PROBLEM, "no_neighbour",
		     "%s does not answer %s on %s, so its MAC address is not known", address,
		     addr_is_ipv4(&to->hop.via) ? "ARP" : "neighbour discovery", to->device.name);
	} else {
		return true;
	}
	return false;
}

/* Errors of its sends. */
static void examine_errors(struct diagnosis *diagnosis, const struct output_counts *counts,
			   const struct inspected_output *to)
{
	for (unsigned int i = 0; i < SEND_ERRORS; i++) {
		int error = i < SEND_ERROR_OTHER ? send_errnos[i] : 0;

		if (!counts->errors[i])
			continue;
		if (error == EPERM) {
			next(diagnosis, "nft list ruleset");
			find(diagnosis, PROBLEM, "firewall",
			     "this host's firewall has refused %llu datagrams (%s)",
			     (unsigned long long)counts->errors[i], send_error_name(i));
		} else if (error == EMSGSIZE) {
			next(diagnosis, "ip link show %s", to->device.name);
			find(diagnosis, PROBLEM, "mtu",
			     "%llu datagrams were too large for the output's MTU of %u",
			     (unsigned long long)counts->errors[i], to->device.mtu);
		} else {
			next(diagnosis, "xmcastctl rule show %s", diagnosis->inspected->rule->name);
			find(diagnosis, HINT, "send_errors", "%llu sends have failed so far: %s",
			     (unsigned long long)counts->errors[i], send_error_name(i));
		}
	}
	if (counts->rate_limited) {
		next(diagnosis, "xmcastctl rule show %s", diagnosis->inspected->rule->name);
		find(diagnosis, HINT, "rate_limited",
		     "%llu datagrams were above the output's limit and not sent",
		     (unsigned long long)counts->rate_limited);
	}
	if (counts->withheld[WITHHELD_TTL_EXPIRED])
		find(diagnosis, HINT, "ttl_used_up",
		     "%llu datagrams were not sent, because their TTL would have become 0 (`ttl "
		     "dec`): raise the sender's TTL, or write `ttl 8`",
		     (unsigned long long)counts->withheld[WITHHELD_TTL_EXPIRED]);
}

static const struct {
	const char *cause;
	const char *text;
	const char *next; /* with the destination behind it */
} icmp_causes[ICMP_KINDS] = {
	[ICMP_SAYS_REFUSED] = {"refused",
			       "the receiver reports that no program receives on the port",
			       "ss -lun  # on"},
	[ICMP_SAYS_UNREACHABLE] = {"unreachable",
				   "a router reports that it cannot reach the receiver",
				   "traceroute -n"},
	[ICMP_SAYS_PROHIBITED] = {"prohibited", "a firewall on the way rejects them",
				  "traceroute -n"},
	[ICMP_SAYS_EXPIRED] = {"ttl_expired",
			       "a router reports that their TTL is used up: give the output a "
			       "greater `ttl`",
			       "traceroute -n"},
	[ICMP_SAYS_TOO_LARGE] = {"path_mtu",
				 "a router reports that they are too large for the next link",
				 "tracepath -n"},
};

/* What others report. Anybody can forge that. */
static void examine_reports(struct diagnosis *diagnosis, const struct output_counts *counts)
{
	char address[ADDR_TEXT_SIZE];

	addr_format(&counts->rule->to, address);
	for (unsigned int kind = 0; kind < ICMP_KINDS; kind++) {
		if (!counts->icmp[kind])
			continue;
		next(diagnosis, "%s %s", icmp_causes[kind].next, address);
		find(diagnosis, PROBLEM, icmp_causes[kind].cause, "%s (%llu ICMP reports so far)",
		     icmp_causes[kind].text, (unsigned long long)counts->icmp[kind]);
	}
}

/* Do its datagrams leave in fragments? Their average length has to tell. */
static void examine_size(struct diagnosis *diagnosis, const struct rule_output *output,
			 const struct inspected_output *to)
{
	const struct rule_counts *counts = diagnosis->counts;
	unsigned int headers = addr_is_ipv4(&output->to) ? 28 : 48;
	uint64_t length = counts->received ? counts->received_bytes / counts->received : 0;
	unsigned int input = diagnosis->inspected->input.mtu;

	if (!to->device.mtu)
		return;
	if (length && length + headers > to->device.mtu) {
		next(diagnosis, "ip link set %s mtu %u", to->device.name, input);
		find(diagnosis, PROBLEM, "mtu",
		     "datagrams of %llu bytes on average do not fit the MTU of %s, %u: they leave "
		     "in fragments, or not at all on the kernel path",
		     (unsigned long long)length, to->device.name, to->device.mtu);
	} else if (input > to->device.mtu) {
		next(diagnosis, "ip link set %s mtu %u", to->device.name, input);
		find(diagnosis, HINT, "smaller_mtu",
		     "the MTU of %s, %u, is less than that of the input, %u: larger packets leave "
		     "in fragments",
		     to->device.name, to->device.mtu, input);
	}
}

/* What its device has dropped, of the packets of all programs. */
static void examine_device(struct diagnosis *diagnosis, const struct inspected_output *to)
{
	static const char *const names[] = DEVICE_DROP_NAMES;
	const struct books *books = diagnosis->stats->books;

	for (unsigned int i = 0; i < books->nr_devices; i++) {
		const struct device_counts *device = &books->devices[i];

		if (strcmp(device->name, to->device.name) != 0)
			continue;
		for (unsigned int j = 0; j < DEVICE_DROPS; j++) {
			if (!device->drops[j])
				continue;
			next(diagnosis, "tc -s qdisc show dev %s", device->name);
			find(diagnosis, HINT, "device_drops",
			     "%s has dropped %llu packets of all programs (%s)", device->name,
			     (unsigned long long)device->drops[j], names[j]);
		}
	}
}

/* It sends: what does not arrive is lost behind this host. */
static void examine_sent(struct diagnosis *diagnosis, const struct output_counts *counts)
{
	const struct rule_output *output = counts->rule;
	char to[ADDR_TEXT_SIZE];

	if (!counts->sent || is_silent(diagnosis) ||
	    strcmp(diagnosis->counts->state, "active") != 0 || counts->unwanted ||
	    has_problem(diagnosis->findings, diagnosis->about))
		return;
	addr_format(&output->to, to);
	if (addr_is_multicast(&output->to))
		next(diagnosis, "tcpdump -eni any dst host %s  # on the receiver", to);
	else
		next(diagnosis, "tcpdump -eni any udp  # on %s", to);
	find(diagnosis, HINT, "sent",
	     "%llu datagrams were sent so far: if they do not arrive, look behind this host "
	     "(docs/nothing-arrives.md, 6 and 7)",
	     (unsigned long long)counts->sent);
}

static void examine_output(struct diagnosis *diagnosis, unsigned int i)
{
	const struct output_counts *counts = &diagnosis->stats->books->outputs[i];
	const struct inspected_output *to = &diagnosis->inspected->outputs[i];
	const struct rule_output *output = counts->rule;

	output_format(output, diagnosis->about);
	if (examine_route(diagnosis, output, to) && counts->reason) {
		next(diagnosis, "xmcastctl rule show %s", diagnosis->inspected->rule->name);
		find(diagnosis, PROBLEM, "output", "%s", counts->reason);
	}
	examine_size(diagnosis, output, to);
	examine_errors(diagnosis, counts, to);
	examine_reports(diagnosis, counts);
	examine_device(diagnosis, to);
	examine_sent(diagnosis, counts);
	if (addr_is_multicast(&output->to) && output->ttl == 1)
		find(diagnosis, HINT, "ttl_1",
		     "TTL 1: no router forwards it; `ttl N` gives it more");
}

static void examine_outputs(struct diagnosis *diagnosis)
{
	for (unsigned int i = 0; i < diagnosis->inspected->rule->nr_outputs; i++)
		examine_output(diagnosis, i);
}

/* What may drop datagrams without a trace: what the firewall's rules do is not known. */
static void examine_firewall(struct diagnosis *diagnosis)
{
	const struct firewall *firewall = &diagnosis->inspected->firewall;

	/* It does not see what XDP redirects. */
	if (strcmp(diagnosis->counts->path, "user") != 0)
		return;
	if (firewall->chains) {
		next(diagnosis, "nft list ruleset");
		find(diagnosis, HINT, "firewall_rules",
		     "what this host sends passes %u chain%s of nftables (%s%s), which may drop it",
		     firewall->chains, firewall->chains == 1 ? "" : "s", firewall->name,
		     firewall->drops ? " drops by default" : "");
	}
	if (firewall->iptables) {
		next(diagnosis, "iptables-save");
		find(diagnosis, HINT, "firewall_rules",
		     "iptables is in use on this host, whose rules may drop what it sends");
	}
}

/* ---- all of it ---- */

/* Problems before hints. */
static json_t *sort(json_t *findings)
{
	static const char *const order[] = {PROBLEM, HINT};
	json_t *sorted = json_array(), *finding;
	size_t i;

	for (unsigned int j = 0; j < 2 && findings; j++) {
		json_array_foreach(findings, i, finding)
		{
			if (strcmp(json_string_value(json_object_get(finding, "severity")),
				   order[j]) == 0)
				json_add(&sorted, json_incref(finding));
		}
	}
	if (!findings) {
		json_decref(sorted);
		return NULL;
	}
	json_decref(findings);
	return sorted;
}

/* Outputs that nobody wants now. */
static void examine_demand(struct diagnosis *diagnosis)
{
	const struct rule *rule = diagnosis->inspected->rule;
	char group[ADDR_TEXT_SIZE], source[ADDR_TEXT_SIZE];

	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct output_counts *counts = &diagnosis->stats->books->outputs[i];

		/* What a receiver wants of another source counts only without `from keep`. */
		bool by_source = rule->outputs[i].from_kept && !addr_is_any(&rule->source) &&
				 !rule->source_host_bits;

		if (!counts->unwanted)
			continue;
		next(diagnosis, "xmcastctl group list");
		find(diagnosis, HINT, "not_joined",
		     "no receiver on %s has joined %s%s%s, so nothing is sent there (`when "
		     "joined`)%s",
		     rule->outputs[i].iface, addr_format(&rule->outputs[i].to, group),
		     by_source ? " for the source " : "",
		     by_source ? addr_format(&rule->source, source) : "",
		     rule->on_demand && !diagnosis->inspected->joined
			     ? ", and the input is not joined (`on demand`)"
			     : "");
	}
}

json_t *diagnosis_json(const struct inspected_rule *inspected, const struct stats *stats)
{
	struct diagnosis diagnosis = {.inspected = inspected,
				      .stats = stats,
				      .counts = stats->books->rules,
				      .findings = json_array()};
	const struct rule *rule = inspected->rule;

	if (!inspected->iface) {
		snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
		next(&diagnosis, "xmcastctl rule enable %s", rule->name);
		find(&diagnosis, PROBLEM, "disabled", "the rule is disabled");
		return diagnosis.findings;
	}
	snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
	examine_demand(&diagnosis);
	/* It is pending because of its outputs: they come first. */
	if (diagnosis.counts->reason && !inspected->reason)
		examine_outputs(&diagnosis);
	examine_input(&diagnosis);
	if (!diagnosis.counts->reason || inspected->reason)
		examine_outputs(&diagnosis);
	snprintf(diagnosis.about, sizeof(diagnosis.about), "rule");
	if (diagnosis.counts->reason && !has_problem(diagnosis.findings, NULL))
		find(&diagnosis, PROBLEM, "pending", "%s", diagnosis.counts->reason);
	if (strcmp(diagnosis.counts->state, "standby") == 0) {
		next(&diagnosis, "xmcastctl lease list");
		find(&diagnosis, PROBLEM, "standby",
		     "this host does not hold lease %s, shard %u: the holder sends, or nobody does",
		     rule->lease, rule_shard(rule));
	}
	examine_firewall(&diagnosis);
	if (diagnosis.counts->path_reason)
		find(&diagnosis, HINT, "not_kernel_path", "%s", diagnosis.counts->path_reason);
	return sort(diagnosis.findings);
}
