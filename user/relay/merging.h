/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams that the kernel merges before XDP sees them. With rx-gro-list or rx-udp-gro-forwarding,
 * GRO merges the datagrams that a device receives. XDP in the driver comes before that, and a
 * device with a program in skb mode does no GRO; but a device below it does, and then a program in
 * skb mode on the bridge, bond or VLAN receives several datagrams as one. Nothing in the packet
 * shows that. So a rule on such an interface must not run.
 *
 * Main thread.
 *
 * Source: dev_gro_receive() and netif_elide_gro() in the kernel's net/core/gro.c and
 * include/linux/netdevice.h; udp_gro_receive() in net/ipv4/udp_offload.c.
 */
#ifndef XMCAST_RELAY_MERGING_H
#define XMCAST_RELAY_MERGING_H

#include "links/below.h"
#include "relay/offloads.h"
#include "relay/reason.h"
#include "rules/config.h"

/* Will a program run in skb mode on this interface, or is that certain only once it is attached? */
bool merging_is_possible(const struct link *link, enum iface_mode mode);

/*
 * Do devices below `name` merge datagrams? With OFFLOADS_MANAGE that is switched off for `user`
 * (relay/offloads.h), otherwise `reason` has the command. 0: they do not, or not any more;
 * -EOPNOTSUPP or another -errno, and `reason` says why.
 */
int merging_prevent(const struct below *below, const char *name, enum iface_offloads offloads,
		    struct offloads *switched, const void *user, char reason[REASON_SIZE]);

#endif
