/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "daemon/findings.h"

/* How it would send now. False: it cannot. */
static bool examine_route(struct diagnosis *diagnosis, const struct rule_output *output,
			  const struct inspected_output *to)
{
	char address[ADDR_TEXT_SIZE];

	if (to->error == -ENODEV) {
		findings_next(diagnosis, "ip link show");
		findings_add(diagnosis, PROBLEM, "output_missing",
			     "output interface %s does not exist", output->iface);
	} else if (to->device.ifindex && !to->device.up) {
		findings_next(diagnosis, "ip link set %s up", to->device.name);
		findings_add(diagnosis, PROBLEM, "output_down", "output interface %s is down",
			     to->device.name);
	} else if (to->device.ifindex && !to->device.carrier) {
		findings_next(diagnosis, "ip -s link show %s", to->device.name);
		findings_add(
			diagnosis, PROBLEM, "output_no_carrier",
			"output interface %s has no carrier: check the cable and what is behind it",
			to->device.name);
	} else if (to->error) {
		findings_next(diagnosis, "ip route get %s", addr_format(&output->to, address));
		findings_add(diagnosis, PROBLEM, "no_route", "where it would send is not known: %s",
			     strerror(-to->error));
	} else if (to->hop.kind == NEXT_HOP_UNREACHABLE) {
		findings_next(diagnosis, "ip route get %s", addr_format(&output->to, address));
		findings_add(diagnosis, PROBLEM, "no_route", "no route to %s: %s", address,
			     strerror(-to->hop.error));
	} else if (to->hop.kind == NEXT_HOP_HOST && !to->mac_known) {
		addr_format(&to->hop.via, address);
		findings_next(diagnosis, "ip neigh show to %s dev %s", address, to->device.name);
		findings_add(diagnosis, PROBLEM, "no_neighbour",
			     "%s does not answer %s on %s, so its MAC address is not known",
			     address, addr_is_ipv4(&to->hop.via) ? "ARP" : "neighbour discovery",
			     to->device.name);
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
			findings_next(diagnosis, "nft list ruleset");
			findings_add(diagnosis, PROBLEM, "firewall",
				     "this host's firewall has refused %llu datagrams (%s)",
				     (unsigned long long)counts->errors[i], send_error_name(i));
		} else if (error == EMSGSIZE) {
			findings_next(diagnosis, "ip link show %s", to->device.name);
			findings_add(diagnosis, PROBLEM, "mtu",
				     "%llu datagrams were too large for the output's MTU of %u",
				     (unsigned long long)counts->errors[i], to->device.mtu);
		} else {
			findings_next(diagnosis, "xmcastctl rule show %s",
				      diagnosis->inspected->rule->name);
			findings_add(diagnosis, HINT, "send_errors",
				     "%llu sends have failed so far: %s",
				     (unsigned long long)counts->errors[i], send_error_name(i));
		}
	}
	if (counts->rate_limited) {
		findings_next(diagnosis, "xmcastctl rule show %s",
			      diagnosis->inspected->rule->name);
		findings_add(diagnosis, HINT, "rate_limited",
			     "%llu datagrams were above the output's limit and not sent",
			     (unsigned long long)counts->rate_limited);
	}
	if (counts->withheld[WITHHELD_TTL_EXPIRED])
		findings_add(
			diagnosis, HINT, "ttl_used_up",
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
		findings_next(diagnosis, "%s %s", icmp_causes[kind].next, address);
		findings_add(diagnosis, PROBLEM, icmp_causes[kind].cause,
			     "%s (%llu ICMP reports so far)", icmp_causes[kind].text,
			     (unsigned long long)counts->icmp[kind]);
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
		findings_next(diagnosis, "ip link set %s mtu %u", to->device.name, input);
		findings_add(diagnosis, PROBLEM, "mtu",
			     "datagrams of %llu bytes on average do not fit the MTU of %s, %u: "
			     "they leave "
			     "in fragments, or not at all on the kernel path",
			     (unsigned long long)length, to->device.name, to->device.mtu);
	} else if (input > to->device.mtu) {
		findings_next(diagnosis, "ip link set %s mtu %u", to->device.name, input);
		findings_add(diagnosis, HINT, "smaller_mtu",
			     "the MTU of %s, %u, is less than that of the input, %u: larger "
			     "packets leave "
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
			findings_next(diagnosis, "tc -s qdisc show dev %s", device->name);
			findings_add(diagnosis, HINT, "device_drops",
				     "%s has dropped %llu packets of all programs (%s)",
				     device->name, (unsigned long long)device->drops[j], names[j]);
		}
	}
}

/* It sends: what does not arrive is lost behind this host. */
static void examine_sent(struct diagnosis *diagnosis, const struct output_counts *counts)
{
	const struct rule_output *output = counts->rule;
	uint8_t host_bits = output->same ? diagnosis->inspected->rule->group_host_bits : 0;
	char to[PREFIX_TEXT_SIZE];

	if (!counts->sent || findings_is_silent(diagnosis) ||
	    strcmp(diagnosis->counts->state, "active") != 0 || counts->unwanted ||
	    findings_have_problem(diagnosis->findings, diagnosis->about))
		return;
	prefix_format(&output->to, host_bits, false, to);
	if (addr_is_multicast(&output->to))
		findings_next(diagnosis, "tcpdump -eni any dst %s %s  # on the receiver",
			      host_bits ? "net" : "host", to);
	else
		findings_next(diagnosis, "tcpdump -eni any udp  # on %s", to);
	findings_add(
		diagnosis, HINT, "sent",
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
		findings_next(diagnosis, "xmcastctl rule show %s",
			      diagnosis->inspected->rule->name);
		findings_add(diagnosis, PROBLEM, "output", "%s", counts->reason);
	}
	examine_size(diagnosis, output, to);
	examine_errors(diagnosis, counts, to);
	examine_reports(diagnosis, counts);
	examine_device(diagnosis, to);
	examine_sent(diagnosis, counts);
	if (addr_is_multicast(&output->to) && output->ttl == 1)
		findings_add(diagnosis, HINT, "ttl_1",
			     "TTL 1: no router forwards it; `ttl N` gives it more");
}

void diagnosis_outputs(struct diagnosis *diagnosis)
{
	for (unsigned int i = 0; i < diagnosis->inspected->rule->nr_outputs; i++)
		examine_output(diagnosis, i);
}
