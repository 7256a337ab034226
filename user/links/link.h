/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a network interface, from the kernel (rtnetlink RTM_GETLINK, ethtool, and its XDP
 * features by generic netlink). Main thread. Needs no privilege.
 */
#ifndef XMCAST_LINKS_LINK_H
#define XMCAST_LINKS_LINK_H

#include "links/link_parse.h"

/* Query an interface by any of its names; link->name is the one that was given. 0; -ENODEV: no such
 * interface; other -errno: netlink or sockets failed. */
int link_query(const char *name, struct link *link);

/* As link_query(), by the interface's index; its name is the kernel's. */
int link_query_index(int ifindex, struct link *link);

/* Is there a VLAN on this link whose tags are of 802.1Q, or of 802.1ad? 1: the first one, whose
 * name is the kernel's; 0: there is none; -errno. Without what link_query() adds to netlink's
 * answer. */
int link_find_vlan(int lower, bool tags_8021q, bool tags_8021ad, struct link *vlan);

/*
 * Query the ports of a bond or bridge, ordered by their index, as link_query() does; their names
 * are the kernel's. *count: how many there are; the list has the first `most`. 0 or -errno.
 */
int link_query_ports(int master, struct link *list, unsigned int most, unsigned int *count);

#endif
