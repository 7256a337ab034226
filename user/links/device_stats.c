/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/device_stats.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>

/* Holds each of the requests below. */
#define REQUEST_SIZE 64

static int query_queue(struct netlink *netlink, int ifindex, struct device_stats *stats)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	const struct nlmsghdr *answer;
	int err;

	request->nlmsg_type = RTM_GETQDISC;
	/* Without NLM_F_ECHO, kernels before 6.8 send the answer to listeners alone. There is none
	 * about the disciplines that the kernel does not show (noqueue, noop). */
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ECHO;
	info->tcm_family = AF_UNSPEC;
	info->tcm_ifindex = ifindex;
	info->tcm_parent = TC_H_ROOT;
	err = netlink_ask(netlink, request, RTM_NEWQDISC, &answer);
	if (err == -EPROTO || err == -ENOENT)
		return 0;
	return err ? err : device_stats_parse_queue(answer, ifindex, stats);
}

int device_stats_query(struct netlink *netlink, int ifindex, struct device_stats *stats)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct if_stats_msg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	const struct nlmsghdr *answer;
	int err;

	*stats = (struct device_stats){};
	request->nlmsg_type = RTM_GETSTATS;
	request->nlmsg_flags = NLM_F_REQUEST;
	info->ifindex = (uint32_t)ifindex;
	info->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
	err = netlink_ask(netlink, request, RTM_NEWSTATS, &answer);
	if (!err)
		err = device_stats_parse(answer, ifindex, stats);
	return err ? err : query_queue(netlink, ifindex, stats);
}
