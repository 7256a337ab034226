/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/device_stats_parse.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "links/message.h"

struct found {
	bool any;
	struct device_stats *stats;
};

static int parse_link_attribute(const struct nlattr *attribute, void *data)
{
	/* Later kernels append members. */
	const size_t size = offsetof(struct rtnl_link_stats64, multicast);
	struct found *found = data;
	struct rtnl_link_stats64 counts;

	if (mnl_attr_get_type(attribute) != IFLA_STATS_LINK_64)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attribute) < size)
		return MNL_CB_ERROR;
	memcpy(&counts, mnl_attr_get_payload(attribute), size);
	found->any = true;
	found->stats->tx_packets = counts.tx_packets;
	found->stats->tx_errors = counts.tx_errors;
	found->stats->tx_dropped = counts.tx_dropped;
	return MNL_CB_OK;
}

int device_stats_parse(const struct nlmsghdr *message, int ifindex, struct device_stats *stats)
{
	const struct if_stats_msg *info = message_header(message, sizeof(*info));
	struct found found = {.stats = stats};
	int err;

	if (!info)
		return -EBADMSG;
	if (message->nlmsg_type != RTM_NEWSTATS || info->ifindex != (uint32_t)ifindex)
		return -EPROTO;
	err = message_attributes(message, sizeof(*info), parse_link_attribute, &found);
	return !err && !found.any ? -EBADMSG : err;
}

static int parse_queue_attribute(const struct nlattr *attribute, void *data)
{
	struct found *found = data;
	struct gnet_stats_queue counts;

	if (mnl_attr_get_type(attribute) != TCA_STATS_QUEUE)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(attribute) < sizeof(counts))
		return MNL_CB_ERROR;
	memcpy(&counts, mnl_attr_get_payload(attribute), sizeof(counts));
	found->any = true;
	found->stats->queue_drops = counts.drops;
	return MNL_CB_OK;
}

static int parse_qdisc_attribute(const struct nlattr *attribute, void *data)
{
	if (mnl_attr_get_type(attribute) != TCA_STATS2)
		return MNL_CB_OK;
	return mnl_attr_parse_nested(attribute, parse_queue_attribute, data);
}

int device_stats_parse_queue(const struct nlmsghdr *message, int ifindex,
			     struct device_stats *stats)
{
	const struct tcmsg *info = message_header(message, sizeof(*info));
	struct found found = {.stats = stats};
	int err;

	if (!info)
		return -EBADMSG;
	if (message->nlmsg_type != RTM_NEWQDISC || info->tcm_ifindex != ifindex)
		return -EPROTO;
	err = message_attributes(message, sizeof(*info), parse_qdisc_attribute, &found);
	return !err && !found.any ? -EBADMSG : err;
}
