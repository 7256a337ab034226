// SPDX-License-Identifier: BSD-2-Clause
#include "frame.h"

#include <string.h>

#include "base/addr.h"

void frame_destination(const struct options *options, uint32_t number, struct xmc_addr *group,
		       uint16_t *port)
{
	*group = options->group;
	*port = options->port;
	if (options->by_group)
		group->w[3] = XMC_BE32(XMC_BE32(group->w[3]) + number);
	if (options->by_port)
		*port += number;
}

static struct xmc_addr flow_source(const struct options *options, uint32_t number)
{
	struct xmc_addr source = options->source;

	if (options->by_source)
		source.w[3] = XMC_BE32(XMC_BE32(source.w[3]) + number);
	return source;
}

/* Sum of the 16-bit words at `data`, an even number of bytes. */
static uint32_t sum_words(const void *data, size_t size)
{
	const struct xmc_half *half = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += half[i].value;
	return sum;
}

/* RFC 1112 section 6.4, RFC 2464 section 7. */
static void multicast_mac(const struct xmc_addr *group, uint8_t address[6])
{
	if (addr_is_ipv4(group)) {
		address[0] = 0x01;
		address[1] = 0x00;
		address[2] = 0x5e;
		memcpy(address + 3, group->b + 13, 3);
		address[3] &= 0x7f;
	} else {
		address[0] = address[1] = 0x33;
		memcpy(address + 2, group->b + 12, 4);
	}
}

static struct xmc_udp *ipv4_template(const struct options *options, const struct xmc_addr *source,
				     const struct xmc_addr *group, struct xmc_ipv4 *ip,
				     struct gen_flow *flow)
{
	*ip = (struct xmc_ipv4){
		.version_ihl = 0x45,
		.tos = options->dscp << 2,
		.fragment = XMC_BE16(0x4000), /* do not fragment */
		.ttl = options->ttl,
		.protocol = XMC_PROTO_UDP,
		.source = source->w[3],
		.destination = group->w[3],
	};
	flow->ip_sum = sum_words(ip, sizeof(*ip));
	flow->udp_sum = sum_words(&ip->source, 8);
	return (void *)(ip + 1);
}

static struct xmc_udp *ipv6_template(const struct options *options, const struct xmc_addr *source,
				     const struct xmc_addr *group, struct xmc_ipv6 *ip,
				     struct gen_flow *flow)
{
	*ip = (struct xmc_ipv6){
		.version_class_label = XMC_BE32(6U << 28 | (uint32_t)options->dscp << 22),
		.next_header = XMC_PROTO_UDP,
		.hop_limit = options->ttl,
		.source = *source,
		.destination = *group,
	};
	flow->udp_sum = sum_words(&ip->source, 32);
	return (void *)(ip + 1);
}

void frame_template(const struct options *options, const uint8_t source_mac[6], uint32_t number,
		    struct gen_flow *flow)
{
	struct xmc_eth *eth = (void *)flow->header;
	struct xmc_tag *tag = (void *)(eth + 1);
	void *ip = options->vlan ? (void *)(tag + 1) : (void *)(eth + 1);
	struct xmc_half *type = (void *)((uint8_t *)ip - sizeof(*type));
	struct xmc_addr source = flow_source(options, number), group;
	struct xmc_udp *udp;
	uint16_t port;

	memset(flow, 0, sizeof(*flow));
	flow->sequence = options->first_sequence;
	frame_destination(options, number, &group, &port);
	if (options->has_mac)
		memcpy(eth->destination, options->destination_mac, 6);
	else
		multicast_mac(&group, eth->destination);
	memcpy(eth->source, source_mac, 6);
	if (options->vlan) {
		eth->type = XMC_BE16(XMC_ETH_VLAN);
		tag->control = XMC_BE16(options->vlan);
	}
	if (addr_is_ipv4(&group)) {
		type->value = XMC_BE16(XMC_ETH_IPV4);
		udp = ipv4_template(options, &source, &group, ip, flow);
	} else {
		type->value = XMC_BE16(XMC_ETH_IPV6);
		udp = ipv6_template(options, &source, &group, ip, flow);
	}
	udp->source =
		XMC_BE16((uint16_t)(options->source_port + (options->by_source ? number : 0)));
	udp->destination = XMC_BE16(port);
	flow->udp_sum += sum_words(udp, 4) + XMC_BE16(XMC_PROTO_UDP);
}
