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

/* In native mode the program of a bond runs on its members. */
static bool is_on_members(const struct link *link, enum iface_mode mode)
{
	return is_kind(link, LINK_KIND_BOND) && mode != IFACE_MODE_SKB;
}

/* The kernel removes the tags before the device gets the packet. A VLAN is at the lowest level for
 * the tags behind its own. */
static bool is_stacked(const struct link *link, enum iface_mode mode)
{
	return !is_lowest(link) && !is_kind(link, LINK_KIND_VLAN) && !is_on_members(link, mode);
}

/* The devices on which the program runs: the link, or the members of a bond. */
struct devices {
	struct link list[XMC_MAX_MEMBERS];
	unsigned int count;
};

static int list_devices(const struct link *link, enum iface_mode mode, struct devices *devices)
{
	int err;

	devices->list[0] = *link;
	devices->count = 1;
	if (!is_on_members(link, mode))
		return 0;
	err = link_query_ports(link->ifindex, devices->list, XMC_MAX_MEMBERS, &devices->count);
	if (devices->count > XMC_MAX_MEMBERS)
		devices->count = XMC_MAX_MEMBERS;
	return err;
}

/* A veth has no hardware: its peer decides whether tags are in the packet or beside it. */
static bool can_switch(const struct link *device, enum ethtool_feature feature,
		       enum iface_offloads offloads)
{
	return offloads == OFFLOADS_MANAGE && !is_kind(device, LINK_KIND_VETH) &&
	       ethtool_feature_is(device->offloads.changeable, feature);
}

static enum ethtool_feature feature_of(bool tags_8021ad)
{
	return tags_8021ad ? ETHTOOL_RX_VLAN_STAG : ETHTOOL_RX_VLAN;
}

/* How an administrator can have the device leave the tags in the packets. */
static void suggest(const struct link *device, bool tags_8021ad, char hint[REASON_SIZE])
{
	enum ethtool_feature feature = feature_of(tags_8021ad);

	if (is_kind(device, LINK_KIND_VETH))
		explain(hint, 0,
			"run \"ethtool -K %s %s off\", and at its peer \"ethtool -K PEER %s off\"",
			device->name, ethtool_feature_names[feature],
			tags_8021ad ? "tx-vlan-stag-hw-insert" : "tx-vlan-hw-insert");
	else if (ethtool_feature_is(device->offloads.changeable, feature))
		explain(hint, 0, "run \"ethtool -K %s %s off\", or set `offloads: manage`",
			device->name, ethtool_feature_names[feature]);
	else
		explain(hint, 0, "the driver of %s cannot switch off %s", device->name,
			ethtool_feature_names[feature]);
}

/* Do the devices remove tags of 802.1Q, or of 802.1ad? Then `hint` is how to change that. */
static bool are_removed(const struct devices *devices, enum iface_offloads offloads,
			bool tags_8021ad, char hint[REASON_SIZE])
{
	enum ethtool_feature feature = feature_of(tags_8021ad);

	for (unsigned int i = 0; i < devices->count; i++) {
		const struct link *device = &devices->list[i];

		if (!ethtool_feature_is(device->offloads.active, feature) ||
		    can_switch(device, feature, offloads))
			continue;
		suggest(device, tags_8021ad, hint);
		return true;
	}
	return false;
}

int vlans_check(const struct link *link, enum iface_mode mode, enum iface_offloads offloads,
		char reason[REASON_SIZE])
{
	char hint[2][REASON_SIZE];
	struct devices devices;
	bool hidden[2];
	struct link vlan;
	int err;

	err = list_devices(link, mode, &devices);
	if (err)
		return explain(reason, err, "the members of %s cannot be queried", link->name);
	for (int i = 0; i < 2; i++) {
		explain(hint[i], 0, "use the interfaces of its VLANs alone");
		hidden[i] = is_stacked(link, mode) || are_removed(&devices, offloads, i, hint[i]);
	}
	if (!hidden[0] && !hidden[1])
		return 0;
	err = link_find_vlan(link->ifindex, hidden[0], hidden[1], &vlan);
	if (err < 0)
		return explain(reason, err, "the VLANs of %s cannot be queried", link->name);
	if (!err)
		return 0;
	return explain(
		reason, -EOPNOTSUPP,
		"XDP does not see VLAN tags on %s, so packets of its VLAN %s look untagged: %.200s",
		link->name, vlan.name, hint[vlan.vlan_8021ad]);
}

void vlans_keep_tags(struct offloads *offloads, const void *user, struct link *link)
{
	struct devices devices;
	struct link vlan;

	if (list_devices(link, IFACE_MODE_AUTO, &devices))
		return;
	for (unsigned int i = 0; i < 2 * devices.count; i++) {
		struct link *device = &devices.list[i / 2];
		enum ethtool_feature feature = feature_of(i % 2);

		if (!ethtool_feature_is(device->offloads.active, feature) ||
		    !can_switch(device, feature, OFFLOADS_MANAGE) ||
		    link_find_vlan(link->ifindex, i % 2 == 0, i % 2, &vlan) != 1)
			continue;
		if (offloads_switch_off(offloads, user, device->ifindex, feature))
			device->offloads.changeable &= ~(1U << feature);
		else
			device->offloads.active &= ~(1U << feature);
		if (device->ifindex == link->ifindex)
			link->offloads = device->offloads;
	}
}
