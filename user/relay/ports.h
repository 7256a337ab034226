/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports are the devices on which the sockets of an intake are bound. The kernel gives a packet only
 * to a socket that is bound to the device and the RX queue by which it came (xsk_rcv_check() in
 * net/xdp/xsk.c). So, as the program runs
 *
 *     on the interface itself    one port: the interface
 *     on the members of a bond   a port for each member: in native mode the kernel attaches the
 *                                program of a bond to its members (bond_xdp_set())
 *
 * What the bond does not use is not relayed either. In active-backup mode a switch may flood the
 * backup member with copies of everything; the bond ignores them (bond_handle_frame()), but the
 * program runs before that.
 *
 * Here is what can be decided without changing anything. Asks the kernel. Main thread.
 */
#ifndef XMCAST_RELAY_PORTS_H
#define XMCAST_RELAY_PORTS_H

#include <xmcast/abi.h>
#include "links/link.h"
#include "rules/config.h"

struct port {
	char name[IF_NAMESIZE];
	int ifindex;
	unsigned int queues;	/* RX queues that are served */
	unsigned int rx_queues; /* that it has */
	bool copy;		/* its driver has no zero copy: it need not be tried */
	bool inactive;		/* a member that the bond does not use now */
};

struct ports {
	bool members; /* of a bond; otherwise one port, the interface itself */
	unsigned int count;
	struct port list[XMC_MAX_MEMBERS];
	bool at_least;	       /* it is a bond in skb mode: more RX queues than these do no harm */
	unsigned int left_out; /* members for which there is no room here */
};

/* Find the ports of an interface on which the program runs in this mode (native or skb). `link`: as
 * link_query() found it, after the program was attached, because drivers may have more RX queues
 * then. 0 or -errno: the members could not be queried. */
int ports_find(const struct link *link, enum iface_mode mode, const struct iface_config *settings,
	       struct ports *ports);

/* As ports_find(), with the links whose master is this one already queried. */
void ports_choose(const struct link *link, const struct link *members, unsigned int count,
		  enum iface_mode mode, const struct iface_config *settings, struct ports *ports);

/* How many RX queues an intake with these ports should have room for: those that they have, and of
 * a bond those of one more member. */
unsigned int ports_room(const struct ports *ports);

/* The port with this interface index, or NULL. */
const struct port *ports_by_index(const struct ports *ports, int ifindex);

#endif
