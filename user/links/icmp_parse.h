/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing ICMP and ICMPv6 errors about UDP datagrams: bytes in, a struct out, no I/O, no state.
 * Anybody can forge such a message. Any thread.
 *
 * Source: RFC 792, RFC 1812 section 5.2.7, RFC 4443; the headers in xmcast/packet.h.
 */
#ifndef XMCAST_LINKS_ICMP_PARSE_H
#define XMCAST_LINKS_ICMP_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>

/* What a host or router says about a datagram. */
enum icmp_kind {
	ICMP_SAYS_REFUSED,     /* no program receives on its port, or the host has no UDP */
	ICMP_SAYS_UNREACHABLE, /* no route to the host, or it does not answer ARP */
	ICMP_SAYS_PROHIBITED,  /* a filter has rejected it */
	ICMP_SAYS_EXPIRED,     /* its TTL was used up on the way */
	ICMP_SAYS_TOO_LARGE,   /* it does not fit through a link, and was not fragmented */
	ICMP_KINDS,
};

/* Their names, a contract. */
#define ICMP_KIND_NAMES                                                                            \
	{                                                                                          \
		"refused", "unreachable", "prohibited", "expired", "too_large"                     \
	}

struct icmp_error {
	enum icmp_kind kind;
	/* The datagram that it is about. */
	struct xmc_addr source;
	struct xmc_addr destination;
	uint16_t source_port; /* host order */
	uint16_t destination_port;
};

/*
 * Parse what a raw ICMP socket has received: an IPv4 packet. Its destination must be the source of
 * the datagram that it is about. 1: *error; 0: another message, or a malformed one.
 */
int icmp_parse_ipv4(const void *packet, size_t length, struct icmp_error *error);

/* The same of a raw ICMPv6 socket: a message without its IPv6 header; `to` is the destination from
 * that header. */
int icmp_parse_ipv6(const void *message, size_t length, const struct xmc_addr *to,
		    struct icmp_error *error);

#endif
