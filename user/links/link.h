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

#endif
