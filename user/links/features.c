/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/features.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdalign.h>

#include "links/message.h"
#include "links/netlink.h"

/* Holds each of the requests below. */
#define REQUEST_SIZE 64

static struct nlmsghdr *begin(void *buffer, uint16_t family, uint8_t command)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	request->nlmsg_type = family;
	request->nlmsg_flags = NLM_F_REQUEST;
	info->cmd = command;
	info->version = 1;
	return request;
}

/* 0; -ENOENT: this kernel does not have the family; other -errno: it could not be queried. */
static int query_family(struct features_family *family)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	const struct nlmsghdr *answer;
	struct netlink *netlink;
	int err = netlink_open(&netlink, NETLINK_GENERIC);

	if (err)
		return err;
	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, FEATURES_FAMILY);
	err = netlink_ask(netlink, request, GENL_ID_CTRL, &answer);
	if (!err)
		err = features_parse_family(answer, family);
	netlink_close(netlink);
	return err;
}

const struct features_family *features_family(void)
{
	static struct features_family family;
	static bool known;

	if (!known) {
		int err = query_family(&family);

		known = !err || err == -ENOENT;
	}
	return family.id ? &family : NULL;
}

int features_query(int ifindex, uint64_t *features)
{
	const struct features_family *family = features_family();
	alignas(4) char buffer[REQUEST_SIZE];
	const struct nlmsghdr *answer;
	struct nlmsghdr *request;
	struct netlink *netlink;
	uint64_t bits;
	int err, found;

	if (!family)
		return -EOPNOTSUPP;
	err = netlink_open(&netlink, NETLINK_GENERIC);
	if (err)
		return err;
	request = begin(buffer, family->id, NETDEV_CMD_DEV_GET);
	mnl_attr_put_u32(request, NETDEV_A_DEV_IFINDEX, (uint32_t)ifindex);
	err = netlink_ask(netlink, request, family->id, &answer);
	if (!err) {
		err = features_parse(answer, family, &found, &bits);
		err = err < 0 ? err : err && found == ifindex ? 0 : -EPROTO;
	}
	if (!err)
		*features = bits;
	netlink_close(netlink);
	return err;
}
