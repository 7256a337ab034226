/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <xmcast/packet.h>

bool addr_parse(const char *text, struct xmc_addr *addr)
{
	struct in6_addr ipv6;
	struct in_addr ipv4;

	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		xmc_addr_from_ipv4(addr, ipv4.s_addr);
		return true;
	}
	if (inet_pton(AF_INET6, text, &ipv6) != 1 || IN6_IS_ADDR_V4MAPPED(&ipv6))
		return false;
	memcpy(addr->b, &ipv6, sizeof(addr->b));
	return true;
}

bool addr_is_ipv4(const struct xmc_addr *addr)
{
	return addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == htonl(0xffff);
}

bool addr_is_multicast(const struct xmc_addr *addr)
{
	if (addr_is_ipv4(addr))
		return (addr->b[12] & 0xf0) == 0xe0;
	return addr->b[0] == 0xff;
}

bool addr_is_broadcast(const struct xmc_addr *addr)
{
	return addr_is_ipv4(addr) && addr->w[3] == INADDR_BROADCAST;
}

bool addr_is_loopback(const struct xmc_addr *addr)
{
	static const struct xmc_addr loopback = {.b[15] = 1};

	return addr_is_ipv4(addr) ? addr->b[12] == 127 : addr_equal(addr, &loopback);
}

bool addr_is_link_local(const struct xmc_addr *addr)
{
	return addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0x80;
}

bool addr_is_any(const struct xmc_addr *addr)
{
	return !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

bool addr_equal(const struct xmc_addr *a, const struct xmc_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

int addr_family(const struct xmc_addr *addr)
{
	return addr_is_ipv4(addr) ? AF_INET : AF_INET6;
}

const char *addr_format(const struct xmc_addr *addr, char text[ADDR_TEXT_SIZE])
{
	const void *bytes = addr_is_ipv4(addr) ? &addr->b[12] : addr->b;

	/* Cannot fail: the family is valid and the buffer larger than INET6_ADDRSTRLEN. */
	inet_ntop(addr_family(addr), bytes, text, ADDR_TEXT_SIZE);
	return text;
}

const char *endpoint_format(const struct xmc_addr *addr, uint16_t port, const char *iface,
			    char text[ENDPOINT_TEXT_SIZE])
{
	const char *bracket[2] = {"[", "]"};
	char plain[ADDR_TEXT_SIZE];
	char number[sizeof(":65535")] = "";
	bool named = iface && *iface;

	if (addr_is_ipv4(addr))
		bracket[0] = bracket[1] = "";
	if (port)
		snprintf(number, sizeof(number), ":%u", port);
	snprintf(text, ENDPOINT_TEXT_SIZE, "%s%s%s%s%s%.15s", bracket[0], addr_format(addr, plain),
		 bracket[1], number, named ? "@" : "", named ? iface : "");
	return text;
}

socklen_t addr_to_sockaddr(const struct xmc_addr *addr, uint16_t port,
			   struct sockaddr_storage *sockaddr)
{
	memset(sockaddr, 0, sizeof(*sockaddr));
	if (addr_is_ipv4(addr)) {
		struct sockaddr_in *in = (struct sockaddr_in *)sockaddr;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = addr->w[3];
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)sockaddr;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr->b, sizeof(addr->b));
	return sizeof(*in6);
}
