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

/* The first VLAN on this link, of any that there are. 1: `name` is the kernel's; 0: there is none;
 * -errno. */
int link_find_vlan(int lower, char name[IF_NAMESIZE]);

/*
 * Query the ports of a bond or bridge, ordered by their index, as link_query() does; their names
 * are the kernel's. *count: how many there are; the list has the first `most`. 0 or -errno.
 */
int link_query_ports(int master, struct link *list, unsigned int most, unsigned int *count);

#endif
