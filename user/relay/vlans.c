/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/vlans.h"

#include <errno.h>
#include <string.h>

static bool is_kind(const struct link *link, const char *kind)
{
	return strcmp(link->kind, kind) == 0;
}

/* Does it get packets from a driver, as they were received? */
static bool is_lowest(const struct link *link)
{
	return !*link->kind || is_kind(link, LINK_KIND_VETH) || is_kind(link, LINK_KIND_TUN);
}

/* The kernel removes the tags before the device gets the packet. A VLAN is at the lowest level for
 * the tags behind its own. */
static bool is_stacked(const struct link *link, enum iface_mode mode)
{
	if (is_lowest(link) || is_kind(link, LINK_KIND_VLAN))
		return false;
	/* In native mode the program runs on the members. */
	return !is_kind(link, LINK_KIND_BOND) || mode == IFACE_MODE_SKB;
}

/* A veth has no hardware: its peer decides whether tags are in the packet or beside it. */
static bool can_switch(const struct link *link, enum ethtool_feature feature,
		       enum iface_offloads offloads)
{
	return offloads == OFFLOADS_MANAGE && !is_kind(link, LINK_KIND_VETH) &&
	       ethtool_feature_is(link->offloads.changeable, feature);
}

/* Does it see tags of 802.1Q, or of 802.1ad? If not, `hint` is how to change that. */
static bool are_seen(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		     bool tags_8021ad, char hint[REASON_SIZE])
{
	enum ethtool_feature feature = tags_8021ad ? ETHTOOL_RX_VLAN_STAG : ETHTOOL_RX_VLAN;

	*hint = '\0';
	if (is_stacked(link, mode)) {
		explain(hint, 0, "use the interfaces of its VLANs alone");
		return false;
	}
	if (!ethtool_feature_is(link->offloads.active, feature) ||
	    can_switch(link, feature, offloads))
		return true;
	if (is_kind(link, LINK_KIND_VETH))
		explain(hint, 0,
			"run \"ethtool -K %s %s off\", and at its peer \"ethtool -K PEER %s off\"",
			link->name, ethtool_feature_names[feature],
			tags_8021ad ? "tx-vlan-stag-hw-insert" : "tx-vlan-hw-insert");
	else if (ethtool_feature_is(link->offloads.changeable, feature))
		explain(hint, 0, "run \"ethtool -K %s %s off\", or set `offloads: manage`",
			link->name, ethtool_feature_names[feature]);
	else
		explain(hint, 0, "its driver cannot switch off %s", ethtool_feature_names[feature]);
	return false;
}

int vlans_check(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		char reason[REASON_SIZE])
{
	char hint[2][REASON_SIZE];
	bool hidden[2];
	struct link vlan;
	int found;

	for (int i = 0; i < 2; i++)
		hidden[i] = !are_seen(link, mode, offloads, i, hint[i]);
	if (!hidden[0] && !hidden[1])
		return 0;
	found = link_find_vlan(link->ifindex, hidden[0], hidden[1], &vlan);
	if (found < 0)
		return explain(reason, found, "the VLANs of %s cannot be queried", link->name);
	if (!found)
		return 0;
	return explain(
		reason, -EOPNOTSUPP,
		"XDP does not see VLAN tags on %s, so packets of its VLAN %s look untagged: %.200s",
		link->name, vlan.name, hint[vlan.vlan_8021ad]);
}

void vlans_keep_tags(struct offloads *offloads, const void *user, struct link *link)
{
	static const enum ethtool_feature features[] = {ETHTOOL_RX_VLAN, ETHTOOL_RX_VLAN_STAG};
	struct link vlan;

	for (int i = 0; i < 2; i++) {
		if (!can_switch(link, features[i], OFFLOADS_MANAGE) ||
		    link_find_vlan(link->ifindex, i == 0, i == 1, &vlan) != 1)
			continue;
		if (!offloads_switch_off(offloads, user, link->ifindex, features[i]))
			link->offloads.active &= ~(1U << features[i]);
		else
			link->offloads.changeable &= ~(1U << features[i]);
	}
}
