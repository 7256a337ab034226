/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing routes and neighbours: a message in, a struct out, no I/O, no state. The message is one
 * that message_next() has found; every attribute that is used is checked. Any thread.
 *
 * Source: rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h.
 */
#ifndef XMCAST_LINKS_NEXT_HOP_PARSE_H
#define XMCAST_LINKS_NEXT_HOP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

struct nlmsghdr;

/* Length of an Ethernet address. */
#define MAC_LENGTH 6

/* What the kernel would do with a packet of this host to some destination. */
enum next_hop_kind {
	NEXT_HOP_UNREACHABLE,  /* refuse it, with `error` */
	NEXT_HOP_GROUP,	       /* send it to the group's own MAC address, see group_mac() */
	NEXT_HOP_HOST,	       /* send it to the MAC address of the neighbour `via` */
	NEXT_HOP_LOCAL,	       /* receive it: an address of this host */
	NEXT_HOP_BROADCAST,    /* send it to all hosts of the link */
	NEXT_HOP_ENCAPSULATED, /* put it into another packet (RTA_ENCAP: MPLS, SRv6, an IP tunnel)
				*/
};

struct next_hop {
	enum next_hop_kind kind;
	/* NEXT_HOP_UNREACHABLE: what send(2) would fail with, negative: -ENETUNREACH (no route),
	 * -EHOSTUNREACH, -EACCES (prohibited) or -EINVAL (black hole). Otherwise 0. */
	int error;
	int ifindex;		/* the output interface; 0 if unreachable */
	struct xmc_addr source; /* the address that the kernel would choose; all zero: no address */
	/* The neighbour: the gateway, which may be of the other family (IPv4 via an IPv6 gateway),
	 * or the destination itself. */
	struct xmc_addr via;
};

/*
 * Parse the answer (RTM_NEWROUTE) to RTM_GETROUTE for the destination `to`. 0; -EPROTO: it is about
 * another destination, or about no route that a packet could take; -EBADMSG: wrong lengths.
 */
int next_hop_parse(const struct nlmsghdr *message, const struct xmc_addr *to, struct next_hop *hop);

/* Does the route in this message (RTM_NEWROUTE) have several next hops? False as well if it is
 * malformed. */
bool next_hop_parse_several(const struct nlmsghdr *message);

/* What a lookup that failed means. 0: *hop is unreachable; otherwise `error`, because it does not
 * say that the destination cannot be reached. */
int next_hop_refuse(int error, struct next_hop *hop);

struct neighbour {
	int ifindex;
	struct xmc_addr address;
	uint8_t mac[MAC_LENGTH]; /* all zero if not usable */
	bool usable;		 /* resolved to an Ethernet address, although perhaps long ago */
	bool unresolved; /* the kernel is resolving it, or has failed: packets to it do not leave */
	bool failed;	 /* it has failed, and tries again with the next packet */
	bool fixed;	 /* never resolved: set by an administrator, or by the device's type */
};

/* Parse RTM_NEWNEIGH or RTM_DELNEIGH (then not usable). 1: *neighbour; 0: not about a neighbour of
 * IPv4 or IPv6; -EBADMSG: wrong lengths, no interface or no address. */
int neighbour_parse(const struct nlmsghdr *message, struct neighbour *neighbour);

#endif
