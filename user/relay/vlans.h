/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does XDP see the VLAN tags of an interface's packets? A network card may remove them before
 * (rx-vlan-hw-parse, on by default in most drivers), and in skb mode the kernel removes them before
 * a stacked device gets the packet: then all VLANs look untagged.
 *
 * Main thread. vlans_keep_tags() needs CAP_NET_ADMIN.
 */
#ifndef XMCAST_RELAY_VLANS_H
#define XMCAST_RELAY_VLANS_H

#include "links/link.h"
#include "relay/offloads.h"
#include "relay/reason.h"
#include "rules/config.h"

/*
 * Does XDP see the tags of all VLANs on this link? `mode`: of the program, or the one that will be
 * tried. An offload that `offloads: manage` switches off is as good as off. 0: it does, or there
 * are no VLANs; -EOPNOTSUPP: not all, and `reason` says what to do; other -errno: this cannot be
 * found out, with a reason.
 */
int vlans_check(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		char reason[REASON_SIZE]);

/* `offloads: manage`: if there are VLANs on the link, switch off what removes their tags, for
 * `user` (relay/offloads.h), and update `link`. Failures are logged: vlans_check() has the reason.
 */
void vlans_keep_tags(struct offloads *offloads, const void *user, struct link *link);

#endif
