/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/kernel_examine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/output_socket.h"
#include "relay/output_route.h"

/* Nothing can leave by the output now, for the reason in `format`. */
__attribute__((format(printf, 3, 4))) static void wait_for(struct finding *finding, int error,
							   const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->reason, sizeof(finding->reason), format, args);
	va_end(args);
	finding->error = error;
}

/* As wait_for(), but the kernel path cannot carry the rule at all. */
#define refuse(finding, ...)                                                                       \
	do {                                                                                       \
		wait_for(finding, EOPNOTSUPP, __VA_ARGS__);                                        \
		(finding)->lasting = true;                                                         \
	} while (0)

/* As wait_for(): what the kernel would drop without an error on the user path. */
#define withhold(finding, reason, ...)                                                             \
	do {                                                                                       \
		wait_for(finding, 0, __VA_ARGS__);                                                 \
		(finding)->withheld = (reason);                                                    \
	} while (0)

/* A query of the network has failed. `name`: of the interface, may be empty. */
static void wait_for_query(struct finding *finding, int err, const char *name)
{
	if (err == -ENODEV)
		wait_for(finding, ENODEV, "output interface %s does not exist", name);
	else
		wait_for(finding, -err, "the state of the output cannot be queried: %s",
			 strerror(-err));
}

static void examine_device(const struct kernel_side *side, struct finding *finding)
{
	struct link link;
	int err = redirects_find_index(side->redirects, finding->hop.ifindex, &link);

	if (err)
		wait_for_query(finding, err, "");
	else if (!link.up)
		wait_for(finding, ENETDOWN, "output interface %s is down", link.name);
	else if (!link.carrier)
		withhold(finding, WITHHELD_NO_CARRIER, "output interface %s has no carrier",
			 link.name);
	else if (link.type != ARPHRD_ETHER)
		refuse(finding, "output interface %s is no Ethernet interface", link.name);
	else if (link_is_bond(&link) && !link.features_known)
		/* Such a kernel hands packets to members without asking whether they can. */
		refuse(finding,
		       "output interface %s is a bond: whether its members can transmit redirected "
		       "packets is known from Linux 6.3 on",
		       link.name);
	else if (link.features_known && !(link.xdp_features & LINK_XDP_NDO_XMIT))
		refuse(finding,
		       "output interface %s cannot transmit redirected packets: see "
		       "docs/kernel-path.md",
		       link.name);
	else if (redirects_refuse(side->redirects, side->ifindex, link.ifindex))
		refuse(finding,
		       "output interface %s has refused redirected packets: see "
		       "docs/kernel-path.md",
		       link.name);
	else if (link.mtu < side->mtu)
		refuse(finding,
		       "the MTU of output interface %s, %u, is below that of the input, %u",
		       link.name, link.mtu, side->mtu);
	finding->out.mtu = link.mtu;
	memcpy(finding->out.header.mac_from, link.mac, sizeof(link.mac));
}

static void examine_neighbour(const struct kernel_side *side, const struct rule_output *output,
			      struct finding *finding)
{
	struct netlink *netlink = redirects_netlink(side->redirects);
	const struct next_hop *hop = &finding->hop;
	char address[ADDR_TEXT_SIZE];
	int err;

	finding->is_host = hop->kind == NEXT_HOP_HOST;
	if (hop->kind == NEXT_HOP_BROADCAST)
		memset(finding->out.header.mac_to, 0xff, MAC_LENGTH);
	else if (!finding->is_host)
		group_mac(&output->to, finding->out.header.mac_to);
	if (!finding->is_host)
		return;
	err = neighbour_find(netlink, hop->ifindex, &hop->via, finding->out.header.mac_to);
	finding->resolved = !err;
	if (err && err != -EAGAIN) {
		wait_for_query(finding, err, "");
	} else if (err) {
		withhold(finding, WITHHELD_UNREACHABLE, "the MAC address of %s is not known",
			 addr_format(&hop->via, address));
		neighbour_use(netlink, hop->ifindex, &hop->via);
	}
}

/* What the kernel would do with the output's packets. `named`: the interface that it names, or all
 * zero. */
static void judge_route(const struct rule_output *output, struct finding *finding,
			const struct link *named)
{
	switch (finding->hop.kind) {
	case NEXT_HOP_GROUP:
	case NEXT_HOP_HOST:
	case NEXT_HOP_BROADCAST:
		if (addr_is_any(&finding->hop.source) && !output_has_from(output))
			withhold(finding, WITHHELD_NO_SOURCE, "%s%s%sno address to send from",
				 named->ifindex ? "output interface " : "", named->name,
				 named->ifindex ? " has " : "");
		break;
	case NEXT_HOP_UNREACHABLE:
		/* The routes of an interface go when it is set down. */
		if (named->ifindex && !named->up)
			wait_for(finding, ENETDOWN, "output interface %s is down", named->name);
		else
			wait_for(finding, -finding->hop.error, "no route: %s",
				 strerror(-finding->hop.error));
		break;
	case NEXT_HOP_LOCAL:
		refuse(finding, "the destination is an address of this host");
		break;
	case NEXT_HOP_ENCAPSULATED:
		refuse(finding, "the route puts packets into a tunnel");
		break;
	}
}

static void examine_route(const struct kernel_side *side, const struct rule_output *output,
			  struct finding *finding)
{
	char reason[SOURCE_REASON_SIZE];
	struct link named;
	int err = output_route(side->redirects, output, &named, &finding->hop);

	if (err == -EADDRNOTAVAIL)
		withhold(finding, WITHHELD_NO_SOURCE, "%s", output_source_reason(output, reason));
	else if (err)
		wait_for_query(finding, err, output->iface);
	else
		judge_route(output, finding, &named);
}

/* `socket`: NULL if the packets have no ports. */
static void examine_port(const struct rule_output *output, struct output_socket *socket,
			 struct finding *finding)
{
	uint16_t port = 0;
	int err = socket && !output->from_kept ? output_socket_port(socket, &port) : 0;

	if (err)
		wait_for(finding, -err, "no UDP source port is available: %s", strerror(-err));
	else
		finding->out.header.source_port = htons(port);
}

/* The addresses, ports and other values with which the packets leave. */
static void write_header(const struct rule *rule, const struct rule_output *output,
			 struct finding *finding)
{
	struct xmc_output *header = &finding->out.header;

	header->source = addr_is_any(&output->from) ? finding->hop.source : output->from;
	header->destination = output->to;
	header->port = htons(rule_output_port(rule, output));
	if (output->from_kept)
		header->flags |= XMC_KEEP_SOURCE;
	if (output->ttl == RULE_TTL_KEPT)
		header->flags |= XMC_KEEP_TTL;
	else if (output->ttl == RULE_TTL_DECREMENTED)
		header->flags |= XMC_DECREMENT_TTL;
	else
		header->ttl = (uint8_t)output->ttl;
	if (output->dscp == RULE_DSCP_KEPT)
		header->flags |= XMC_KEEP_TOS;
	else
		header->tos = (uint8_t)(output->dscp << 2);
}

/* Before packets go to a device it is arranged that they are counted there, which takes up to 100
 * ms: not only when the first receiver has joined. If it fails, it is tried again and reported
 * then.
 */
static void prepare(const struct kernel_side *side, const struct finding *finding)
{
	if (!*finding->reason)
		redirects_watch(side->redirects, side->ifindex, finding->hop.ifindex, side->skb);
}

static void examine_output(const struct kernel_side *side, const struct rule *rule,
			   const struct rule_output *output, struct output_socket *socket,
			   struct finding *finding)
{
	*finding = (struct finding){};
	if (output_is_limited(output))
		refuse(finding, "rate limits need the user path");
	else if (addr_is_ipv4(&output->to) != addr_is_ipv4(&rule->group))
		refuse(finding, "a change of the address family needs the user path");
	if (!*finding->reason)
		examine_route(side, output, finding);
	if (!*finding->reason)
		examine_device(side, finding);
	if (!*finding->reason)
		examine_neighbour(side, output, finding);
	if (!*finding->reason)
		examine_port(output, socket, finding);
	/* What stands in the way of packets that nobody wants matters only if it is lasting. */
	if (!finding->lasting && !demand_wants(side->demand, rule, output)) {
		prepare(side, finding);
		wait_for(finding, 0, "%s", "");
		finding->withheld = WITHHELD_NOT_JOINED;
		return;
	}
	if (*finding->reason)
		return;
	finding->out.ifindex = finding->hop.ifindex;
	write_header(rule, output, finding);
}

const char *kernel_examine_rule(const struct kernel_side *side, const struct rule *rule,
				uint32_t tags)
{
	const char *why;

	if (!steer_can_forward(side->steer, &why))
		return why;
	if (rule->nr_sides)
		return "several inputs need the user path";
	if (rule->sequence_bits)
		return "moves at a sequence number need the user path";
	if (rule->watch)
		return "`watch` reads payload, which needs the user path";
	if (rule->nr_outputs > XMC_MAX_COPIES)
		return "more than 64 outputs need the user path";
	if (side->skb && rule->nr_outputs > 1)
		return "in skb mode the kernel path supports one output";
	if (tags && side->skb)
		return "in skb mode the kernel path does not remove VLAN tags";
	if (tags && side->external)
		return "an external program does not remove VLAN tags: see docs/kernel-path.md";
	return NULL;
}

const char *kernel_examine_outputs(const struct kernel_side *side, const struct rule *rule,
				   const struct stream *stream, struct finding *findings,
				   bool *lasting)
{
	const char *reason = NULL;

	*lasting = false;
	for (unsigned int i = 0; i < rule->nr_outputs; i++) {
		examine_output(side, rule, &rule->outputs[i],
			       stream ? stream->outputs[i].socket : NULL, &findings[i]);
		if (*findings[i].reason && (!reason || (findings[i].lasting && !*lasting)))
			reason = findings[i].reason;
		*lasting |= findings[i].lasting;
	}
	return reason;
}
