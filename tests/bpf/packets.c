// SPDX-License-Identifier: BSD-2-Clause
#include "packets.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static struct xmc_addr address(const char *text)
{
	struct xmc_addr addr = {};

	if (inet_pton(AF_INET, text, addr.b + 12) == 1) {
		memcpy(addr.b, mapped_prefix, sizeof(mapped_prefix));
	} else if (inet_pton(AF_INET6, text, addr.b) != 1) {
		fprintf(stderr, "not an address: %s\n", text);
		abort();
	}
	return addr;
}

struct xmc_rule_key packet_flow(const char *source, const char *group, uint16_t port)
{
	struct xmc_rule_key flow = {.group = address(group), .port = htons(port)};

	if (source)
		flow.source = address(source);
	else
		flow.host_bits = XMC_HOST_BITS_ANY;
	return flow;
}

bool packet_flow_is_ipv4(const struct xmc_rule_key *flow)
{
	return memcmp(flow->group.b, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

/* Do `count` bytes from `offset` lie inside of the packet? */
static bool inside(const struct packet *packet, size_t offset, size_t count)
{
	return offset <= packet->length && count <= packet->length - offset;
}

void packet_set8(struct packet *packet, size_t offset, uint8_t value)
{
	if (inside(packet, offset, 1))
		packet->bytes[offset] = value;
}

void packet_set16(struct packet *packet, size_t offset, uint16_t value)
{
	if (!inside(packet, offset, 2))
		return;
	packet->bytes[offset] = value >> 8;
	packet->bytes[offset + 1] = value & 0xff;
}

uint16_t packet_get16(const struct packet *packet, size_t offset)
{
	if (!inside(packet, offset, 2))
		return 0;
	return packet->bytes[offset] << 8 | packet->bytes[offset + 1];
}

void packet_resize(struct packet *packet, size_t length)
{
	if (length > PACKET_MAX)
		return;
	if (length > packet->length)
		memset(packet->bytes + packet->length, 0, length - packet->length);
	packet->length = length;
}

void packet_insert(struct packet *packet, size_t offset, size_t count)
{
	if (!inside(packet, offset, 0) || count > PACKET_MAX - packet->length)
		return;
	memmove(packet->bytes + offset + count, packet->bytes + offset, packet->length - offset);
	memset(packet->bytes + offset, 0, count);
	packet->length += count;
}

void packet_fix_ipv4_checksum(struct packet *packet)
{
	size_t header = PACKET_IPV4_HEADER;
	uint32_t sum = 0;

	if (!inside(packet, IP_START, header))
		return;
	header = (packet->bytes[IPV4_VERSION_IHL] & 0xf) * 4;
	if (header < PACKET_IPV4_HEADER || !inside(packet, IP_START, header))
		header = PACKET_IPV4_HEADER;
	packet_set16(packet, IPV4_CHECKSUM, 0);
	for (size_t i = 0; i < header; i += 2)
		sum += packet_get16(packet, IP_START + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	packet_set16(packet, IPV4_CHECKSUM, ~sum);
}

void packet_set_ipv4_total(struct packet *packet, uint16_t total)
{
	packet_set16(packet, IPV4_TOTAL_LENGTH, total);
	packet_fix_ipv4_checksum(packet);
}

static void build_ethernet(struct packet *packet, bool ipv4, const struct xmc_addr *group)
{
	static const uint8_t mac4[6] = {0x01, 0x00, 0x5e};
	static const uint8_t mac6[6] = {0x33, 0x33};
	static const uint8_t source[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};

	/* RFC 1112 section 6.4 and RFC 2464 section 7; for a unicast group it does not matter.
	 */
	memcpy(packet->bytes, ipv4 ? mac4 : mac6, 6);
	memcpy(packet->bytes + (ipv4 ? 3 : 2), group->b + (ipv4 ? 13 : 12), ipv4 ? 3 : 4);
	memcpy(packet->bytes + 6, source, 6);
	packet_set16(packet, ETH_TYPE, ipv4 ? 0x0800 : 0x86dd);
}

static void build_udp(struct packet *packet, size_t offset, uint16_t port, size_t payload)
{
	packet_set16(packet, offset, 40000);
	packet_set16(packet, offset + 2, port);
	packet_set16(packet, offset + 4, PACKET_UDP_HEADER + payload);
	packet_set16(packet, offset + 6, 0); /* valid in IPv4; in IPv6 no test looks at it */
	for (size_t i = 0; i < payload; i++)
		packet->bytes[offset + PACKET_UDP_HEADER + i] = 'a' + i % 26;
}

void packet_build(struct packet *packet, const struct xmc_rule_key *flow, size_t payload)
{
	bool ipv4 = packet_flow_is_ipv4(flow);
	size_t ip_header = ipv4 ? PACKET_IPV4_HEADER : PACKET_IPV6_HEADER;
	size_t datagram = PACKET_UDP_HEADER + payload;

	packet->length = 0;
	packet_resize(packet, PACKET_ETH_HEADER + ip_header + datagram);
	build_ethernet(packet, ipv4, &flow->group);
	build_udp(packet, IP_START + ip_header, ntohs(flow->port), payload);
	if (ipv4) {
		packet_set8(packet, IPV4_VERSION_IHL, 0x45);
		packet_set16(packet, IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
		packet_set8(packet, IPV4_TTL, 16);
		packet_set8(packet, IPV4_PROTOCOL, IPPROTO_UDP);
		memcpy(packet->bytes + IPV4_SOURCE, flow->source.b + 12, 4);
		memcpy(packet->bytes + IPV4_DESTINATION, flow->group.b + 12, 4);
		packet_set_ipv4_total(packet, ip_header + datagram);
	} else {
		packet_set8(packet, IPV6_VERSION, 0x60);
		packet_set16(packet, IPV6_PAYLOAD_LENGTH, datagram);
		packet_set8(packet, IPV6_NEXT_HEADER, IPPROTO_UDP);
		packet_set8(packet, IPV6_NEXT_HEADER + 1, 16);
		memcpy(packet->bytes + IPV6_SOURCE, flow->source.b, 16);
		memcpy(packet->bytes + IPV6_DESTINATION, flow->group.b, 16);
	}
}

void packet_build_text(struct packet *packet, const char *source, const char *group, uint16_t port,
		       size_t payload)
{
	struct xmc_rule_key flow = packet_flow(source, group, port);

	packet_build(packet, &flow, payload);
}

void packet_add_tag(struct packet *packet, uint16_t tpid, uint16_t vlan)
{
	packet_insert(packet, ETH_TYPE, 4);
	packet_set16(packet, ETH_TYPE, tpid);
	packet_set16(packet, ETH_TYPE + 2, vlan);
}

void packet_cut_tags(struct packet *packet, size_t ip)
{
	size_t count = ip - IP_START;

	if (!inside(packet, ETH_TYPE, count))
		return;
	packet->length -= count;
	memmove(packet->bytes + ETH_TYPE, packet->bytes + ETH_TYPE + count,
		packet->length - ETH_TYPE);
}

void packet_add_ipv4_options(struct packet *packet, unsigned int words)
{
	size_t end = IP_START + PACKET_IPV4_HEADER;

	if (!inside(packet, end, 0) || words > 10 || packet->length + words * 4 > PACKET_MAX)
		return;
	packet_insert(packet, end, words * 4);
	memset(packet->bytes + end, 1 /* no operation */, words * 4);
	packet_set8(packet, IPV4_VERSION_IHL, 0x40 | (5 + words));
	packet_set_ipv4_total(packet, packet_get16(packet, IPV4_TOTAL_LENGTH) + words * 4);
}

void packet_add_ipv6_extension(struct packet *packet, uint8_t kind, unsigned int units)
{
	size_t start = IP_START + PACKET_IPV6_HEADER;
	size_t size = (units + 1) * 8;

	if (!inside(packet, start, 0) || packet->length + size > PACKET_MAX)
		return;
	packet_insert(packet, start, size);
	packet_set8(packet, start, packet->bytes[IPV6_NEXT_HEADER]);
	packet_set8(packet, start + 1, units);
	packet_set8(packet, IPV6_NEXT_HEADER, kind);
	packet_set16(packet, IPV6_PAYLOAD_LENGTH, packet_get16(packet, IPV6_PAYLOAD_LENGTH) + size);
}

void packet_dump(const struct packet *packet)
{
	fprintf(stderr, "packet of %zu bytes:", packet->length);
	for (size_t i = 0; i < packet->length; i++)
		fprintf(stderr, "%s%02x", i % 16 == 0 ? "\n  " : " ", packet->bytes[i]);
	fputc('\n', stderr);
}
