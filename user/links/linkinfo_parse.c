/* SPDX-License-Identifier: BSD-2-Clause */
/* linkinfo_parse(): the kind of a virtual link, bonds with their members, and VLANs. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <string.h>

#include "links/link_parse.h"

/* BOND_STATE_BACKUP of linux/if_bonding.h, which cannot be included beside net/if.h. */
#define STATE_BACKUP 1

/* The nested attributes. NULL: missing, or of another type. */
struct info {
	const struct nlattr *kind;
	const struct nlattr *data;
	const struct nlattr *member_kind;
	const struct nlattr *member_data;
};

static const struct nlattr *valid(const struct nlattr *attr, enum mnl_attr_data_type type)
{
	return mnl_attr_validate(attr, type) ? NULL : attr;
}

static int find_info(const struct nlattr *attr, void *data)
{
	struct info *info = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_INFO_KIND:
		info->kind = valid(attr, MNL_TYPE_NUL_STRING);
		break;
	case IFLA_INFO_DATA:
		info->data = valid(attr, MNL_TYPE_NESTED);
		break;
	case IFLA_INFO_SLAVE_KIND:
		info->member_kind = valid(attr, MNL_TYPE_NUL_STRING);
		break;
	case IFLA_INFO_SLAVE_DATA:
		info->member_data = valid(attr, MNL_TYPE_NESTED);
		break;
	}
	return MNL_CB_OK;
}

static uint8_t read_u8(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U8) ? 0 : mnl_attr_get_u8(attr);
}

static int parse_bond(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	if (mnl_attr_get_type(attr) == IFLA_BOND_MODE)
		link->bond_mode = read_u8(attr);
	else if (mnl_attr_get_type(attr) == IFLA_BOND_ALL_SLAVES_ACTIVE)
		link->bond_delivers_all = read_u8(attr) != 0;
	return MNL_CB_OK;
}

static int parse_bond_member(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	if (mnl_attr_get_type(attr) == IFLA_BOND_SLAVE_STATE)
		link->bond_backup = read_u8(attr) == STATE_BACKUP;
	return MNL_CB_OK;
}

static int parse_vlan(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	if (mnl_attr_validate(attr, MNL_TYPE_U16))
		return MNL_CB_OK;
	if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
		link->vlan_id = mnl_attr_get_u16(attr);
	else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
		link->vlan_8021ad = mnl_attr_get_u16(attr) == htons(ETH_P_8021AD);
	return MNL_CB_OK;
}

static bool is_kind(const struct nlattr *kind, const char *name)
{
	return kind && strcmp(mnl_attr_get_str(kind), name) == 0;
}

int linkinfo_parse(const struct nlattr *attr, struct link *link)
{
	struct info info = {};
	int result = MNL_CB_OK;

	if (mnl_attr_validate(attr, MNL_TYPE_NESTED))
		return MNL_CB_OK;
	result = mnl_attr_parse_nested(attr, find_info, &info);
	if (result != MNL_CB_OK)
		return result;
	/* A longer kind is none that matters here. */
	if (info.kind && mnl_attr_get_payload_len(info.kind) <= sizeof(link->kind))
		memcpy(link->kind, mnl_attr_get_payload(info.kind),
		       mnl_attr_get_payload_len(info.kind));
	if (is_kind(info.kind, LINK_KIND_BOND) && info.data)
		result = mnl_attr_parse_nested(info.data, parse_bond, link);
	else if (is_kind(info.kind, LINK_KIND_VLAN) && info.data)
		result = mnl_attr_parse_nested(info.data, parse_vlan, link);
	if (result == MNL_CB_OK && is_kind(info.member_kind, LINK_KIND_BOND) && info.member_data) {
		link->in_bond = true;
		result = mnl_attr_parse_nested(info.member_data, parse_bond_member, link);
	}
	return result;
}
