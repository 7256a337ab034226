/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/icmp_parse.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdbool.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/addr.h"
#include "base/bytes.h"

/* An ICMP error begins with type, code, checksum and four more bytes. */
#define ICMP_SIZE	8
#define IPV4_SIZE	20
#define IPV6_SIZE	40
#define FRAGMENT_SIZE	8
#define PORTS_SIZE	4
#define FRAGMENT_OFFSET 0x1fff

static bool read_ports(const struct bytes *bytes, struct icmp_error *error)
{
	if (bytes->length < PORTS_SIZE)
		return false;
	error->source_port = bytes_read16(bytes->data);
	error->destination_port = bytes_read16(bytes->data + 2);
	return true;
}

/* Skip an IPv4 header, with its options. */
static bool read_ipv4(struct bytes *bytes, unsigned int protocol, struct xmc_addr *source,
		      struct xmc_addr *destination)
{
	const uint8_t *header = bytes->data;
	uint32_t ipv4[2];

	if (bytes->length < IPV4_SIZE || header[0] >> 4 != 4 || (header[0] & 0xf) < 5 ||
	    header[9] != protocol || (bytes_read16(header + 6) & FRAGMENT_OFFSET))
		return false;
	memcpy(&ipv4[0], header + 12, sizeof(ipv4));
	xmc_addr_from_ipv4(source, ipv4[0]);
	xmc_addr_from_ipv4(destination, ipv4[1]);
	return bytes_skip(bytes, 4UL * (header[0] & 0xf));
}

static bool kind_of_ipv4(uint8_t type, uint8_t code, enum icmp_kind *kind)
{
	if (type == ICMP_TIME_EXCEEDED) {
		*kind = ICMP_SAYS_EXPIRED;
		return code == ICMP_EXC_TTL;
	}
	if (type != ICMP_DEST_UNREACH || code > NR_ICMP_UNREACH)
		return false;
	switch (code) {
	case ICMP_PORT_UNREACH:
	case ICMP_PROT_UNREACH:
		*kind = ICMP_SAYS_REFUSED;
		break;
	case ICMP_FRAG_NEEDED:
		*kind = ICMP_SAYS_TOO_LARGE;
		break;
	case ICMP_NET_ANO:
	case ICMP_HOST_ANO:
	case ICMP_PKT_FILTERED:
		*kind = ICMP_SAYS_PROHIBITED;
		break;
	default:
		*kind = ICMP_SAYS_UNREACHABLE;
		break;
	}
	return true;
}

int icmp_parse_ipv4(const void *packet, size_t length, struct icmp_error *error)
{
	struct bytes bytes = {packet, length};
	struct xmc_addr from, to;

	memset(error, 0, sizeof(*error));
	if (!read_ipv4(&bytes, IPPROTO_ICMP, &from, &to) || bytes.length < ICMP_SIZE ||
	    !kind_of_ipv4(bytes.data[0], bytes.data[1], &error->kind))
		return 0;
	bytes_skip(&bytes, ICMP_SIZE);
	return read_ipv4(&bytes, IPPROTO_UDP, &error->source, &error->destination) &&
	       addr_equal(&error->source, &to) && read_ports(&bytes, error);
}

static bool kind_of_ipv6(uint8_t type, uint8_t code, enum icmp_kind *kind)
{
	switch (type) {
	case ICMP6_TIME_EXCEEDED:
		*kind = ICMP_SAYS_EXPIRED;
		return code == ICMP6_TIME_EXCEED_TRANSIT;
	case ICMP6_PACKET_TOO_BIG:
		*kind = ICMP_SAYS_TOO_LARGE;
		return true;
	case ICMP6_DST_UNREACH:
		break;
	default:
		return false;
	}
	switch (code) {
	case ICMP6_DST_UNREACH_NOPORT:
		*kind = ICMP_SAYS_REFUSED;
		return true;
	case ICMP6_DST_UNREACH_NOROUTE:
	case ICMP6_DST_UNREACH_BEYONDSCOPE:
	case ICMP6_DST_UNREACH_ADDR:
		*kind = ICMP_SAYS_UNREACHABLE;
		return true;
	case ICMP6_DST_UNREACH_ADMIN:
	case 5: /* RFC 4443: failed ingress/egress policy */
	case 6: /* reject route to destination */
		*kind = ICMP_SAYS_PROHIBITED;
		return true;
	default:
		return false;
	}
}

/* Skip an IPv6 header, and the header of a first fragment: this host sends no others. */
static bool read_ipv6(struct bytes *bytes, struct icmp_error *error)
{
	const uint8_t *header = bytes->data;
	uint8_t next;

	if (!bytes_skip(bytes, IPV6_SIZE) || header[0] >> 4 != 6)
		return false;
	next = header[6];
	memcpy(error->source.b, header + 8, sizeof(error->source.b));
	memcpy(error->destination.b, header + 24, sizeof(error->destination.b));
	header = bytes->data;
	if (next == IPPROTO_FRAGMENT) {
		if (!bytes_skip(bytes, FRAGMENT_SIZE) || bytes_read16(header + 2) >> 3)
			return false;
		next = header[0];
	}
	return next == IPPROTO_UDP;
}

int icmp_parse_ipv6(const void *message, size_t length, const struct xmc_addr *to,
		    struct icmp_error *error)
{
	struct bytes bytes = {message, length};

	memset(error, 0, sizeof(*error));
	if (bytes.length < ICMP_SIZE || !kind_of_ipv6(bytes.data[0], bytes.data[1], &error->kind))
		return 0;
	bytes_skip(&bytes, ICMP_SIZE);
	/* The form in which IPv4 addresses are kept is on no wire. */
	return read_ipv6(&bytes, error) && !addr_is_ipv4(&error->destination) &&
	       addr_equal(&error->source, to) && read_ports(&bytes, error);
}
