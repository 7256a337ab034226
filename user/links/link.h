/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a network interface, from the kernel (rtnetlink RTM_GETLINK, ethtool). Main thread.
 * Needs no privilege.
 */
#ifndef XMCAST_LINKS_LINK_H
#define XMCAST_LINKS_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/* Alternative names that are kept. Names too long for a rule are left out. */
#define LINK_ALTERNATIVES 8

struct link {
	char name[IF_NAMESIZE];
	/* Its alternative names ("ip link property add … altname"); unused entries are empty. */
	char alternatives[LINK_ALTERNATIVES][IF_NAMESIZE];
	bool more_names; /* it has further names, for which there was no room */
	int ifindex;
	unsigned short type; /* ARPHRD_ETHER, ARPHRD_NONE, …: the header of its frames */
	unsigned int mtu;    /* bytes of the IP packet */
	bool up;	     /* IFF_UP: enabled by the administrator; the carrier may be missing */
	unsigned int rx_queues;
	uint32_t xdp_program; /* id of an attached XDP program, 0: none */
	bool xdp_skb;	      /* that program runs in skb mode */
	bool vlan_offload;    /* the device removes VLAN tags before XDP sees the frame */
};

/* Whether this is one of its names. True as well if it has more names than are kept here. */
bool link_may_be_called(const struct link *link, const char *name);

/* Query an interface by any of its names; link->name is the one that was given. 0; -ENODEV: no such
 * interface; other -errno: netlink or sockets failed. */
int link_query(const char *name, struct link *link);

#endif
