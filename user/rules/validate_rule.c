/* SPDX-License-Identifier: BSD-2-Clause */
/* One rule by itself: the part of validate.h about it. */
#include <stdio.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/lookup.h"
#include "rules/prefix.h"
#include "rules/sides.h"
#include "rules/validate.h"

/* One rule, and where it stands. */
struct subject {
	const struct config *config;
	const struct rule *rule;
	const struct rule_positions *where;
	struct errors *errors;
};

static void input_error(const struct subject *subject, const struct rule *view, const char *message)
{
	char text[ENDPOINT_TEXT_SIZE];

	input_format(view, text);
	errors_add(subject->errors, position_of_input(view, subject->where), text, strlen(text),
		   "%s", message);
}

static void output_error(const struct subject *subject, unsigned int index, const char *message)
{
	char text[ENDPOINT_TEXT_SIZE];

	output_format(&subject->rule->outputs[index], text);
	errors_add(subject->errors, &subject->where->outputs[index].at, text, strlen(text), "%s",
		   message);
}

/* Scopes of IPv6 addresses (RFC 4291, sections 2.5.6 and 2.7). IPv4 has none that matter here. */
static bool stays_on_host(const struct xmc_addr *addr)
{
	return addr->b[0] == 0xff && (addr->b[1] & 0xf) <= 1;
}

/* The groups of a prefix are relayed one by one, by rules that the relay makes. */
static void check_prefix(const struct subject *subject)
{
	const struct rule *rule = subject->rule;

	if (rule->lease_shards || rule->sequence_bits || rule->watch)
		input_error(subject, rule,
			    "`lease`, `sequence` and `watch` are not for a prefix of groups, "
			    "expected a rule for each group, such as 239.1.1.{1..50}");
	if (prefix_is_link_local(&rule->group, rule->group_host_bits))
		input_error(subject, rule,
			    "groups of the link, of which a prefix relays none, expected wider or "
			    "other ones, such as 239.1.0.0/16 or [ff3e::]/32");
}

/* The user path carries only the payload, so the families of input and outputs may differ there; a
 * packet has one family, so those of input and source may not. */
static void check_input(const struct subject *subject, const struct rule *rule)
{
	bool ipv4 = addr_is_ipv4(&rule->group);
	char text[SOURCE_TEXT_SIZE];

	if (!addr_is_any(&rule->source) && addr_is_ipv4(&rule->source) != ipv4) {
		source_format(rule, text);
		errors_add(subject->errors, position_of_source(rule, subject->where), text,
			   strlen(text), "another address family than the input, expected %s",
			   ipv4 ? "IPv4" : "IPv6");
	}
	if (rule->on_demand && !addr_is_multicast(&rule->group))
		input_error(subject, rule,
			    "`on demand` with an input that is not joined, expected a "
			    "multicast group");
	if (rule->group_host_bits)
		check_prefix(subject);
	else if (stays_on_host(&rule->group))
		input_error(subject, rule,
			    "a group of interface-local scope is on no wire, expected "
			    "ff02: or wider");
}

/* The user path carries UDP alone. `auto` has nothing to choose from then, and the kernel path is
 * not chosen silently, because of what it bypasses (settings.c). */
static void check_protocol(const struct subject *subject)
{
	const struct rule *rule = subject->rule;
	unsigned int field = rule->path == RULE_PATH_DEFAULT ? RULE_INPUT : RULE_PATH;
	char text[FIELD_TEXT_SIZE];

	if (!rule->protocol || rule_path(subject->config, rule) == RULE_PATH_KERNEL)
		return;
	field_format(&rule_fields[field], rule, text);
	errors_add(subject->errors, &subject->where->at[field], text, strlen(text),
		   "/%u is an IP protocol, which the kernel path alone carries, expected `path "
		   "kernel` in the rule, or none there and `relay: { path: kernel }`; a prefix of "
		   "groups has a port or `any`, as in GROUP/BITS:any",
		   rule->protocol);
}

static void check_watch(const struct subject *subject)
{
	const struct rule *rule = subject->rule;

	if (rule->watch && rule->protocol)
		input_error(subject, rule,
			    "`watch` looks at UDP payload, which an IP protocol of its "
			    "own does not have, expected no `watch`");
	if (rule->watch_clock && !(rule->watch & WATCH_RTP))
		input_error(subject, rule,
			    "`clock` is that of RTP, expected `watch rtp` beside it");
}

_Static_assert(XMC_MAX_COPIES == 64, "the number in the message and in the reference");

/* What the kernel path cannot do whatever the network is like. Rules that get this path from
 * `relay.path` are accepted: they are pending, or take the user path. */
static void check_kernel_output(const struct subject *subject, unsigned int index)
{
	const struct rule *rule = subject->rule;
	const struct rule_output *output = &rule->outputs[index];
	bool ipv4 = addr_is_ipv4(&rule->group);

	if (addr_is_ipv4(&output->to) != ipv4)
		output_error(subject, index,
			     ipv4 ? "the kernel path keeps the address family, expected IPv4"
				  : "the kernel path keeps the address family, expected IPv6");
	if (rule->protocol && output->port)
		output_error(subject, index,
			     "a port, which the IP protocol of the input does not have, expected "
			     "DEST[@IFACE]");
	if (rule->protocol && (output_is_limited(output) || output->burst_ms || output->gso))
		output_error(
			subject, index,
			"the rule's IP protocol needs the kernel path, which has no limits and "
			"no gso, expected no `gso`, `rate`, `pps` and `burst`");
	else if (output_is_limited(output))
		output_error(subject, index,
			     "the kernel path has no limits, expected no `rate` and no `pps`, or "
			     "`path user`");
	if (!index && rule->sequence_bits)
		output_error(subject, index,
			     "the kernel path does not read sequence numbers, expected no "
			     "`sequence`, or `path user`");
	if (!index && rule->watch && !rule->protocol)
		output_error(subject, index,
			     "the kernel path does not read payload, expected no `watch`, or `path "
			     "user`");
	if (index == XMC_MAX_COPIES)
		output_error(subject, index,
			     "too many outputs for the kernel path, expected at most 64");
}

/* It names an interface by which packets leave. */
static bool leaves_host(const struct rule_output *output)
{
	return *output->iface && strcmp(output->iface, "lo") != 0;
}

/* A packet has one family: that of its source is that of its destination. */
static void check_from(const struct subject *subject, unsigned int index)
{
	const struct rule *rule = subject->rule;
	const struct rule_output *output = &rule->outputs[index];
	bool ipv4 = addr_is_ipv4(&output->to);

	if (output->from_kept && addr_is_ipv4(&rule->group) != ipv4)
		output_error(subject, index,
			     "`from keep` to another address family than that of the input, "
			     "expected `from ADDR`, or the same family");
	if (addr_is_any(&output->from))
		return;
	if (addr_is_ipv4(&output->from) != ipv4)
		output_error(subject, index,
			     ipv4 ? "`from` of another address family, expected IPv4"
				  : "`from` of another address family, expected IPv6");
	if (addr_is_link_local(&output->from) && !*output->iface)
		output_error(subject, index,
			     "`from` a link-local address without an interface, expected "
			     "[ADDR][:PORT]@IFACE");
	if (addr_is_loopback(&output->from) && leaves_host(output))
		output_error(subject, index,
			     "`from` a loopback address leaves by no interface, expected another "
			     "address of this host");
	if (output->from_port && rule->protocol)
		output_error(subject, index,
			     "`from` a port, which the IP protocol of the input does not have, "
			     "expected `from ADDR`");
}

/* Receivers join groups. An input cannot be left while an output may need it. */
static void check_demand(const struct subject *subject, unsigned int index)
{
	const struct rule_output *output = &subject->rule->outputs[index];

	if (output->same && !subject->rule->group_host_bits)
		output_error(subject, index,
			     "`same` is for a prefix of groups in the input, expected "
			     "DEST[:PORT][@IFACE]");
	else if (subject->rule->group_host_bits && !output->same)
		output_error(subject, index,
			     "one destination for a prefix of groups, expected same[:PORT]@IFACE");
	else if (subject->rule->group_host_bits && output->when != OUTPUT_WHEN_JOINED)
		output_error(subject, index,
			     "a prefix of groups, which are relayed as they are wanted, expected "
			     "`when joined` in each output");
	else if (output->when == OUTPUT_WHEN_JOINED && !addr_is_multicast(&output->to))
		output_error(subject, index,
			     "`when joined` to an address that nobody can join, expected a "
			     "multicast group");
	else if (subject->rule->on_demand && output->when != OUTPUT_WHEN_JOINED)
		output_error(subject, index,
			     "`on demand`, and an output that is always wanted, expected `when "
			     "joined` in each output");
}

static void check_output(const struct subject *subject, unsigned int index)
{
	const struct rule *rule = subject->rule;
	const struct rule_output *output = &rule->outputs[index];

	/* `same` has the groups of the input. */
	if (!output->same && stays_on_host(&output->to))
		output_error(subject, index,
			     "a group of interface-local scope leaves no host, expected ff02: or "
			     "wider");
	check_from(subject, index);
	if (addr_is_link_local(&output->to) && !*output->iface)
		output_error(subject, index,
			     "a link-local address without an interface, expected "
			     "[ADDR][:PORT]@IFACE");
	if (addr_is_loopback(&output->to) && leaves_host(output))
		output_error(subject, index,
			     "a loopback address leaves by no interface, expected ADDR[:PORT]");
	if (!rule->may_loop && rule_output_is_input(rule, output))
		output_error(subject, index,
			     "the output is the rule's own input: a loop, expected another "
			     "address, port or interface, or `may_loop` in the rule");
	if (rule_is_kernel_only(rule))
		check_kernel_output(subject, index);
	check_demand(subject, index);
	if (output->burst_ms && !output_is_limited(output) && !rule->protocol)
		output_error(subject, index,
			     "a burst without a limit, expected `rate` or `pps` beside it");
}

/* Where an output sends, however that is written. */
struct destination {
	struct xmc_addr to;
	char iface[IF_NAMESIZE];
	uint16_t port;
};

#define OUTPUT_SLOTS (2 * XMC_MAX_OUTPUTS)
_Static_assert((OUTPUT_SLOTS & (OUTPUT_SLOTS - 1)) == 0, "a power of two");

void rule_validate(const struct config *config, const struct rule *rule,
		   const struct rule_positions *where, struct errors *errors)
{
	struct destination destinations[XMC_MAX_OUTPUTS];
	uint32_t slots[OUTPUT_SLOTS] = {0};
	struct lookup seen = {slots, OUTPUT_SLOTS - 1, destinations, sizeof(*destinations),
			      sizeof(*destinations)};
	struct subject subject = {config, rule, where, errors};
	char message[64];

	for (unsigned int i = 0; i < rule_inputs(rule); i++) {
		struct rule view;

		check_input(&subject, rule_of_side(rule, i, &view));
	}
	rule_check_sides(rule, where, errors);
	check_protocol(&subject);
	check_watch(&subject);
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		const struct rule_output *output = &rule->outputs[i];

		if (i == XMC_MAX_OUTPUTS) {
			snprintf(message, sizeof(message),
				 "too many outputs for one rule, expected at most %d",
				 XMC_MAX_OUTPUTS);
			output_error(&subject, i, message);
			return;
		}
		check_output(&subject, i);
		memset(&destinations[i], 0, sizeof(destinations[i]));
		destinations[i].to = output->to;
		destinations[i].port = rule_output_port(rule, output);
		memcpy(destinations[i].iface, output->iface, IF_NAMESIZE);
		if (lookup_add(&seen, i) != LOOKUP_NONE)
			output_error(&subject, i, "duplicate output, expected each once in a rule");
	}
}
