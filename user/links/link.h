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

struct link {
	char name[IF_NAMESIZE];
	int ifindex;
	unsigned short type; /* ARPHRD_ETHER, ARPHRD_NONE, …: what its frames begin with */
	unsigned int mtu;    /* bytes of the IP packet */
	bool up;	     /* IFF_UP: set up by the admin; the carrier may be missing */
	unsigned int rx_queues;
	uint32_t xdp_program; /* id of an attached XDP program, 0: none */
	bool xdp_skb;	      /* it runs in skb mode */
	bool vlan_offload;    /* the device takes VLAN tags off before XDP sees the frame */
};

/* Fill *link by name. 0; -ENODEV: there is none; -errno: netlink or sockets failed. */
int link_query(const char *name, struct link *link);

#endif
