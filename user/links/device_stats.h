/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of the packets that all programs of this host send by a device: its own counters
 * ("ip -s link"), and those of its root queueing discipline ("tc -s qdisc"). Main thread. No
 * privilege.
 */
#ifndef XMCAST_LINKS_DEVICE_STATS_H
#define XMCAST_LINKS_DEVICE_STATS_H

#include "links/device_stats_parse.h"
#include "links/netlink.h"

/* `netlink` is a socket of NETLINK_ROUTE. A device without a queueing discipline has no
 * queue_drops. 0; -ENODEV: no such device; other -errno: the question could not be answered. */
int device_stats_query(struct netlink *netlink, int ifindex, struct device_stats *stats);

#endif
