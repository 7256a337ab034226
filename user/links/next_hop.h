/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the kernel would send a packet of this host, and with which MAC address. Main thread.
 *
 * `netlink` is a socket of NETLINK_ROUTE (links/netlink.h) that the caller keeps open. Each lookup
 * is one request: some microseconds.
 *
 * Not seen here: rules that select a route by port, protocol or firewall mark (ip-rule(8)), of
 * several equal next hops (multipath) any but the one that the kernel chooses for these addresses,
 * and IPsec policies. What a router's ICMP redirect has changed is found, but no watch announces
 * it: ask again from time to time.
 */
#ifndef XMCAST_LINKS_NEXT_HOP_H
#define XMCAST_LINKS_NEXT_HOP_H

#include "links/netlink.h"
#include "links/next_hop_parse.h"

/*
 * Find the next hop of `to`, a group or a host, for packets from the address `from` of this host
 * (NULL: which the kernel chooses) that leave by the interface `oif`, as those of a socket that is
 * bound to it (0: any interface), with this DSCP.
 *
 * As for such a socket: with `oif`, an IPv4 address without a route is assumed to be on the link.
 *
 * 0, also if there is no route (NEXT_HOP_UNREACHABLE); -ENODEV: no such interface (IPv4; for IPv6
 * unreachable); other -errno: the question could not be answered. No privilege.
 */
int next_hop_find(struct netlink *netlink, const struct xmc_addr *to, const struct xmc_addr *from,
		  int oif, uint8_t dscp, struct next_hop *hop);

/* May the kernel choose another next hop for some packets of this route: is it one of several
 * (multipath), or part of a next hop object, which may be a group? False as well if the question
 * could not be answered. */
bool next_hop_is_one_of_several(struct netlink *netlink, const struct xmc_addr *to,
				const struct xmc_addr *from, int oif, uint8_t dscp);

/* Does this host have the address? One of IPv6 that is valid on a link only: on the interface
 * `oif`. 0; -EADDRNOTAVAIL: no; other -errno: the question could not be answered. No privilege. */
int own_address_find(struct netlink *netlink, const struct xmc_addr *address, int oif);

/*
 * Find the MAC address of a neighbour, as the kernel knows it now, without resolving it. 0: *mac;
 * -EAGAIN: not resolved; -EOPNOTSUPP: its link has no Ethernet addresses; -ENODEV: no such
 * interface; other -errno: the question could not be answered. No privilege.
 */
int neighbour_find(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		   uint8_t mac[MAC_LENGTH]);

/* What the kernel knows about a neighbour now, without resolving it. 0; -ENOENT: nothing; -ENODEV:
 * no such interface; other -errno: the question could not be answered. No privilege. */
int neighbour_query(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		    struct neighbour *neighbour);

/*
 * Have the kernel resolve a neighbour, and probe it again when its entry is older than the
 * reachable time (some 30 s), as if this host had sent it a packet. Redirected packets do not do
 * that: call this about once a second as long as the neighbour is needed. The result is announced
 * (LINK_EVENT_NEIGHBOUR). Fixed entries are left alone.
 *
 * 0; -EPERM; -ENODEV: no such interface; -ENOBUFS: the kernel's table is full; other -errno: the
 * kernel refuses the entry. CAP_NET_ADMIN.
 */
int neighbour_use(struct netlink *netlink, int ifindex, const struct xmc_addr *via);

/* The MAC address of a group: RFC 1112 section 6.4, RFC 2464 section 7. Any thread. */
void group_mac(const struct xmc_addr *group, uint8_t mac[MAC_LENGTH]);

#endif
