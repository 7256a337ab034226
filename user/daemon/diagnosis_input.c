/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include <xmcast/packet.h>

#include "daemon/findings.h"

/* Of several inputs: what is known of the one that is looked at; NULL: the rule has one. */
static const struct side_counts *side_of(const struct diagnosis *diagnosis)
{
	const struct side_counts *sides = diagnosis->counts->sides;

	return sides ? &sides[diagnosis->inspected->side] : NULL;
}

/* False: nothing can arrive, and it makes no sense to look for it. */
static bool examine_interface(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	const struct side_counts *side = side_of(diagnosis);
	const char *iface = inspected->rule->iface;
	char in[SIDE_TEXT_SIZE];

	if (!inspected->input.ifindex) {
		findings_next(diagnosis, "ip link show");
		findings_add(diagnosis, PROBLEM, "input_missing", "interface %s does not exist",
			     iface);
	} else if (!inspected->input.up) {
		findings_next(diagnosis, "ip link set %s up", iface);
		findings_add(diagnosis, PROBLEM, "input_down", "interface %s is down", iface);
	} else if (!inspected->input.carrier) {
		findings_next(diagnosis, "ip -s link show %s", iface);
		findings_add(diagnosis, PROBLEM, "input_no_carrier",
			     "interface %s has no carrier: check the cable and the switch", iface);
	} else if (inspected->reason) {
		findings_next(diagnosis, "xmcastctl iface show %s", inspected->iface);
		findings_add(diagnosis, PROBLEM, "input", "%s", inspected->reason);
	} else if (side && side->reason && !diagnosis->counts->reason) {
		findings_add(diagnosis, PROBLEM, "side_pending", "input %s is pending: %s",
			     side_format(diagnosis->counts->rule, inspected->side, in),
			     side->reason);
	} else {
		return true;
	}
	return false;
}

/* " from 10.9.9.9 (20 packets, the last 3 s ago)" */
static const char *describe(const struct diagnosis *diagnosis, const struct passed_packets *passed,
			    char text[120])
{
	char source[ADDR_TEXT_SIZE];

	snprintf(text, 120, "from %s (%llu packet%s, the last %llu s ago)",
		 addr_format(&passed->note.source, source),
		 (unsigned long long)passed->note.packets, passed->note.packets == 1 ? "" : "s",
		 (unsigned long long)findings_seconds_since(diagnosis, passed->note.last_ns));
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
		findings_next(diagnosis, "ip link add link %s name %.8s.%u type vlan id %u",
			      passed->iface, passed->iface, passed->note.tags & 0xfff,
			      passed->note.tags & 0xfff);
	else
		findings_next(diagnosis, "tcpdump -eni %s dst host %s", passed->iface, group);
	findings_add(diagnosis, PROBLEM, "wrong_vlan",
		     "packets to %s arrive on %s %s, %s; the rule takes those %s: its input should "
		     "be the "
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
		findings_next(diagnosis, "tcpdump -ni %s 'dst host %s and ip[6:2] & 0x3fff != 0'",
			      passed->iface, group);
		findings_add(
			diagnosis, PROBLEM, "fragments",
			"packets to %s arrive on %s in fragments, %s, which xmcast does not relay: "
			"have the sender send packets that fit the MTU",
			group, passed->iface, who);
	} else if (passed->note.reason == XMC_IP_OPTIONS) {
		findings_next(diagnosis, "tcpdump -vni %s dst host %s", passed->iface, group);
		findings_add(diagnosis, PROBLEM, "ip_options",
			     "packets to %s arrive on %s with IP options or extension headers, %s, "
			     "which "
			     "xmcast does not relay",
			     group, passed->iface, who);
	} else if (passed->differs & NEAR_IFACE) {
		findings_next(diagnosis, "xmcastctl iface show %s", passed->iface);
		findings_add(diagnosis, PROBLEM, "wrong_interface",
			     "packets to %s arrive on %s, %s, but the rule's input is %s", group,
			     passed->iface, who, rule->iface);
	} else if (passed->differs & NEAR_TAGS) {
		explain_tags(diagnosis, passed, group, who);
	} else if (passed->differs & NEAR_SOURCE) {
		findings_next(diagnosis, "xmcastctl rule show %s", rule->name);
		findings_add(diagnosis, PROBLEM, "wrong_source",
			     "packets to %s arrive on %s %s, but the rule takes those with source "
			     "%s only",
			     group, passed->iface, who, source_format(rule, source));
	} else if (passed->differs & NEAR_PORT) {
		findings_next(diagnosis, "xmcastctl rule show %s", rule->name);
		findings_add(
			diagnosis, PROBLEM, "wrong_port",
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
		findings_next(diagnosis, "xmcastctl group list");
		findings_add(diagnosis, PROBLEM, "not_joined", "the group is not joined on %s",
			     inspected->rule->iface);
	} else if (inspected->querier_seen) {
		findings_add(
			diagnosis, HINT, "querier",
			"the group is joined; the multicast router %s asked for members %llu s ago",
			addr_format(&inspected->querier, querier),
			(unsigned long long)findings_seconds_since(diagnosis,
								   inspected->querier_ns));
	} else {
		findings_next(diagnosis, "tcpdump -ni %s %s", inspected->iface,
			      ipv4 ? "igmp" : "icmp6");
		findings_add(
			diagnosis, HINT, "no_querier",
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
	findings_next(diagnosis, "xmcastctl rule show %s", diagnosis->inspected->rule->name);
	findings_add(
		diagnosis, HINT, "other_group",
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

	findings_next(diagnosis, "xmcastctl explain %s", winner->name);
	findings_add(
		diagnosis, PROBLEM, "more_specific",
		"no packet arrives for this rule alone: what the more specific rule %s (in %s%s%s) "
		"matches as well goes to that rule only",
		winner->name, input_format(winner, in), any ? "" : " source ",
		any ? "" : source_format(winner, source));
}

static bool side_is_silent(const struct side_counts *side)
{
	return strcmp(side->state, "silent") == 0;
}

/* No packet of the rule arrives now by this input. */
static bool is_silent(const struct diagnosis *diagnosis)
{
	const struct side_counts *side = side_of(diagnosis);

	return side ? side_is_silent(side) : findings_is_silent(diagnosis);
}

/* Another input has the stream: this one is missing in reserve. */
static bool other_side_flows(const struct diagnosis *diagnosis)
{
	const struct rule_counts *counts = diagnosis->counts;

	for (unsigned int i = 0; counts->sides && i < counts->rule->nr_sides; i++) {
		if (i != diagnosis->inspected->side && !counts->sides[i].reason &&
		    !side_is_silent(&counts->sides[i]))
			return true;
	}
	return false;
}

/* Nothing is known of its packets. */
static void examine_sender(struct diagnosis *diagnosis, const char *group)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	const struct side_counts *side = side_of(diagnosis);
	uint64_t last = diagnosis->stats->rules->last_packet_seconds;
	const char *severity = other_side_flows(diagnosis) ? HINT : PROBLEM;
	const char *label = side ? diagnosis->counts->rule->sides[inspected->side].label : "";

	findings_next(diagnosis, "tcpdump -eni %s", inspected->iface);
	if (side && side->received)
		findings_add(diagnosis, severity, "no_sender",
			     "input %s: no packet to %s arrives on %s any more: the sender has "
			     "stopped, or the network does not bring its packets here",
			     label, group, inspected->iface);
	else if (!side && diagnosis->counts->received && last != STATS_NEVER)
		findings_add(diagnosis, severity, "no_sender",
			     "no packet to %s has arrived on %s for %llu s: the sender has "
			     "stopped, or the network does not bring its packets here",
			     group, inspected->iface, (unsigned long long)last);
	else
		findings_add(diagnosis, severity, "no_sender",
			     "%s%s%sno packet to %s has ever arrived on %s: nobody sends, the "
			     "network does not bring the packets here, or they arrive on another "
			     "interface",
			     side ? "input " : "", label, side ? ": " : "", group,
			     inspected->iface);
}

static void examine_silence(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;
	char group[ADDR_TEXT_SIZE];

	addr_format(&inspected->rule->group, group);
	if (!inspected->nr_passed && inspected->winner)
		examine_winner(diagnosis);
	else if (!inspected->nr_passed)
		examine_sender(diagnosis, group);
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
		findings_next(diagnosis, "xmcastctl -s worker list");
		findings_add(diagnosis, HINT, "overload",
			     "%llu packets of the rules of %s were lost, because the relay had no "
			     "room for "
			     "them: more `workers.frames`, or more CPU time",
			     (unsigned long long)full, iface);
	}
	for (unsigned int reason = XMC_NO_SOCKET; reason <= XMC_TOO_LARGE; reason++) {
		static const char *const names[] = XMC_REASON_NAMES;

		if (!counts->verdicts[reason])
			continue;
		findings_next(diagnosis, "xmcastctl iface show %s", iface);
		findings_add(diagnosis, HINT, names[reason],
			     "%llu packets of the rules of %s were left to the network stack (%s)",
			     (unsigned long long)counts->verdicts[reason], iface, names[reason]);
	}
	if (counts->verdicts[XMC_MALFORMED]) {
		findings_next(diagnosis, "tcpdump -vvni %s", iface);
		findings_add(
			diagnosis, HINT, "malformed",
			"%llu packets on %s were malformed (lengths, or the IPv4 header checksum), "
			"whatever their group, and were left to the network stack",
			(unsigned long long)counts->verdicts[XMC_MALFORMED], iface);
	}
	if (counts->hint) {
		findings_next(diagnosis, "xmcastctl iface show %s", iface);
		findings_add(diagnosis, HINT, "interface", "%s", counts->hint);
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

void diagnosis_input(struct diagnosis *diagnosis)
{
	const struct inspected_rule *inspected = diagnosis->inspected;

	snprintf(diagnosis->about, sizeof(diagnosis->about), "input");
	if (!examine_interface(diagnosis))
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
