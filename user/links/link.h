/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel says of a network interface (rtnetlink RTM_GETLINK, ethtool). Main thread. Needs
 * no privilege.
 */
#ifndef XMCAST_LINKS_LINK_H
#define XMCAST_LINKS_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* Alternative names that are kept. Longer ones than a rule can have do not count. */
#define LINK_ALTERNATIVES 8

struct link {
	char name[IF_NAMESIZE];
	/* Other names by which the kernel takes it as well ("ip link property add … altname"); what
	 * is unused is empty. */
	char alternatives[LINK_ALTERNATIVES][IF_NAMESIZE];
	bool more_names; /* it has others, for which there was no room */
	int ifindex;
	unsigned short type; /* ARPHRD_ETHER, ARPHRD_NONE, …: what its frames begin with */
	unsigned int mtu;    /* bytes of the IP packet */
	bool up;	     /* IFF_UP: set up by the admin; the carrier may be missing */
	unsigned int rx_queues;
	uint32_t xdp_program; /* id of an attached XDP program, 0: none */
	bool xdp_skb;	      /* it runs in skb mode */
	bool vlan_offload;    /* the device takes VLAN tags off before XDP sees the frame */
};

/* Whether this is one of its names, or may be, if it has more than are known here. */
bool link_may_be_called(const struct link *link, const char *name);

/* Fill *link by name, which may be an alternative one, and is then link->name. 0; -ENODEV: there is
 * none; -errno: netlink or sockets failed. */
int link_query(const char *name, struct link *link);

#endif
