/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdalign.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links/features.h"
#include "links/netlink.h"

/* Holds the request below. */
#define REQUEST_SIZE 128

static int query_netlink(struct netlink *netlink, struct link *link)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	const struct nlmsghdr *answer;
	struct link_event event;
	const void *data;
	size_t length;
	int err;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST;
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(request, IFLA_IFNAME, link->name);
	err = netlink_ask(netlink, request, RTM_NEWLINK, &answer);
	if (err)
		return err;
	data = answer;
	length = answer->nlmsg_len;
	err = link_parse(&data, &length, &event);
	if (err < 0)
		return err;
	if (event.kind != LINK_EVENT_CHANGED)
		return -EPROTO;
	/* Keep the name that was asked for, which may be an alternative one. */
	memcpy(event.link.name, link->name, sizeof(event.link.name));
	*link = event.link;
	return 0;
}

/* A driver with channels knows how many RX queues are in use. IFLA_NUM_RX_QUEUES has the number of
 * allocated queues, which is right for the other drivers. */
static void query_channels(int fd, struct link *link)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq request = {.ifr_data = (void *)&channels};

	memcpy(request.ifr_name, link->name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCETHTOOL, &request) == 0 && channels.rx_count + channels.combined_count)
		link->rx_queues = channels.rx_count + channels.combined_count;
	if (!link->rx_queues)
		link->rx_queues = 1;
}

static void query_vlan_offload(int fd, struct link *link)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq request = {.ifr_data = (void *)&flags};

	memcpy(request.ifr_name, link->name, sizeof(request.ifr_name));
	link->vlan_offload =
		ioctl(fd, SIOCETHTOOL, &request) == 0 && (flags.data & ETH_FLAG_RXVLAN);
}

int link_query(const char *name, struct link *link)
{
	struct netlink *netlink;
	int fd = -1;
	int err;

	memset(link, 0, sizeof(*link));
	strncpy(link->name, name, sizeof(link->name) - 1);
	err = netlink_open(&netlink, NETLINK_ROUTE);
	if (err)
		return err;
	err = query_netlink(netlink, link);
	netlink_close(netlink);
	if (!err) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			err = -errno;
	}
	if (!err) {
		query_channels(fd, link);
		query_vlan_offload(fd, link);
		close(fd);
		link->features_known = !features_query(link->ifindex, &link->xdp_features);
	}
	return err;
}
