/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/features_parse.h"

#include <errno.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <string.h>

#include "links/message.h"

#define MANAGEMENT_GROUP "mgmt"

/* ---- the family ---- */

struct group {
	uint32_t id;
	bool is_management;
};

static int parse_group_attribute(const struct nlattr *attribute, void *data)
{
	struct group *group = data;

	switch (mnl_attr_get_type(attribute)) {
	case CTRL_ATTR_MCAST_GRP_NAME:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
			return MNL_CB_ERROR;
		group->is_management = strcmp(mnl_attr_get_str(attribute), MANAGEMENT_GROUP) == 0;
		break;
	case CTRL_ATTR_MCAST_GRP_ID:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
			return MNL_CB_ERROR;
		group->id = mnl_attr_get_u32(attribute);
		break;
	}
	return MNL_CB_OK;
}

static int parse_group(const struct nlattr *attribute, void *data)
{
	struct features_family *family = data;
	struct group group = {0};

	if (mnl_attr_validate(attribute, MNL_TYPE_NESTED) < 0 ||
	    mnl_attr_parse_nested(attribute, parse_group_attribute, &group) < 0)
		return MNL_CB_ERROR;
	if (group.is_management)
		family->group = group.id;
	return MNL_CB_OK;
}

static int parse_family_attribute(const struct nlattr *attribute, void *data)
{
	struct features_family *family = data;

	switch (mnl_attr_get_type(attribute)) {
	case CTRL_ATTR_FAMILY_ID:
		if (mnl_attr_validate(attribute, MNL_TYPE_U16) < 0)
			return MNL_CB_ERROR;
		family->id = mnl_attr_get_u16(attribute);
		break;
	case CTRL_ATTR_MCAST_GROUPS:
		if (mnl_attr_validate(attribute, MNL_TYPE_NESTED) < 0)
			return MNL_CB_ERROR;
		return mnl_attr_parse_nested(attribute, parse_group, family);
	}
	return MNL_CB_OK;
}

int features_parse_family(const struct nlmsghdr *message, struct features_family *family)
{
	const struct genlmsghdr *info = message_header(message, sizeof(*info));
	int err;

	memset(family, 0, sizeof(*family));
	if (!info)
		return -EBADMSG;
	if (message->nlmsg_type != GENL_ID_CTRL || info->cmd != CTRL_CMD_NEWFAMILY)
		return -EPROTO;
	err = message_attributes(message, sizeof(*info), parse_family_attribute, family);
	/* Smaller numbers are netlink's own types. */
	if (!err && family->id < GENL_MIN_ID)
		err = -EBADMSG;
	if (err)
		memset(family, 0, sizeof(*family));
	return err;
}

/* ---- its messages ---- */

struct device {
	uint32_t ifindex;
	uint64_t features;
	bool has_features;
};

static int parse_device_attribute(const struct nlattr *attribute, void *data)
{
	struct device *device = data;

	switch (mnl_attr_get_type(attribute)) {
	case NETDEV_A_DEV_IFINDEX:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
			return MNL_CB_ERROR;
		device->ifindex = mnl_attr_get_u32(attribute);
		break;
	case NETDEV_A_DEV_XDP_FEATURES:
		if (mnl_attr_validate(attribute, MNL_TYPE_U64) < 0)
			return MNL_CB_ERROR;
		device->features = mnl_attr_get_u64(attribute);
		device->has_features = true;
		break;
	}
	return MNL_CB_OK;
}

int features_parse(const struct nlmsghdr *message, const struct features_family *family,
		   int *ifindex, uint64_t *features)
{
	const struct genlmsghdr *info = message_header(message, sizeof(*info));
	struct device device = {0};
	int err;

	if (!family->id || message->nlmsg_type != family->id)
		return 0;
	if (!info)
		return -EBADMSG;
	if (info->cmd != NETDEV_CMD_DEV_GET && info->cmd != NETDEV_CMD_DEV_ADD_NTF &&
	    info->cmd != NETDEV_CMD_DEV_CHANGE_NTF)
		return 0;
	err = message_attributes(message, sizeof(*info), parse_device_attribute, &device);
	if (err)
		return err;
	if (!device.ifindex || device.ifindex > INT_MAX || !device.has_features)
		return -EBADMSG;
	*ifindex = (int)device.ifindex;
	*features = device.features;
	return 1;
}
