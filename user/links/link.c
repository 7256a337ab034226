/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Larger than any RTM_NEWLINK message with all its nested attributes. */
#define ANSWER_SIZE 65536

/* Parse the answer: one message, either the interface or an error. */
static int read_answer(const void *data, size_t length, struct link *link)
{
	struct link_event event;
	char name[IF_NAMESIZE];
	int err = link_parse(&data, &length, &event);

	if (err < 0)
		return err;
	if (event.kind == LINK_EVENT_ERROR && event.error)
		return event.error;
	if (event.kind != LINK_EVENT_CHANGED)
		return -EPROTO;
	/* Keep the name that was asked for, which may be an alternative one. */
	memcpy(name, link->name, sizeof(name));
	*link = event.link;
	memcpy(link->name, name, sizeof(name));
	return 0;
}

static int query_netlink(struct mnl_socket *socket, struct link *link)
{
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	ssize_t n;
	char *buffer;
	int err = 0;

	buffer = malloc(ANSWER_SIZE);
	if (!buffer)
		return -ENOMEM;
	nlh = mnl_nlmsg_put_header(buffer);
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	/* One answer: only the kernel can write to this socket, and it got one request. */
	n = mnl_socket_recvfrom(socket, buffer, ANSWER_SIZE);
	err = n < 0 ? -errno : read_answer(buffer, (size_t)n, link);
out:
	free(buffer);
	return err;
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
	struct mnl_socket *netlink;
	int fd = -1;
	int err;

	memset(link, 0, sizeof(*link));
	strncpy(link->name, name, sizeof(link->name) - 1);
	netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!netlink)
		return -errno;
	err = mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (!err)
		err = query_netlink(netlink, link);
	if (!err) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			err = -errno;
	}
	if (!err) {
		query_channels(fd, link);
		query_vlan_offload(fd, link);
		close(fd);
	}
	mnl_socket_close(netlink);
	return err;
}
