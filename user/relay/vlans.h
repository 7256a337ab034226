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
 * Does XDP see tags of 802.1Q, or of 802.1ad, on this link? `mode`: of the program, or the one that
 * will be tried. If not, `hint` is how to change that. An offload that `offloads: manage` switches
 * off is as good as off.
 */
bool vlans_are_seen(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		    bool tags_8021ad, char hint[REASON_SIZE]);

/* May untagged rules of an intake on this link take packets of VLANs? Only links with VLANs are
 * asked for. 0: no; -EOPNOTSUPP: yes, and `reason` says why and what to do; other -errno: this
 * cannot be found out, with a reason. */
int vlans_check(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		char reason[REASON_SIZE]);

/* `offloads: manage`: if there are VLANs on the link, switch off what removes their tags, for
 * `user` (relay/offloads.h), and update `link`. Failures are logged: vlans_check() has the reason.
 */
void vlans_keep_tags(struct offloads *offloads, const void *user, struct link *link);

#endif
