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

/* An RTM_NEWLINK answer with all its nested attributes stays well below this. */
#define ANSWER_SIZE 65536

static int parse_xdp(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID &&
	    mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		link->xdp_program = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int parse_attribute(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_MTU:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			link->mtu = mnl_attr_get_u32(attr);
		break;
	case IFLA_NUM_RX_QUEUES:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			link->rx_queues = mnl_attr_get_u32(attr);
		break;
	case IFLA_XDP:
		if (mnl_attr_validate(attr, MNL_TYPE_NESTED) == 0)
			return mnl_attr_parse_nested(attr, parse_xdp, link);
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *nlh, void *data)
{
	const struct ifinfomsg *info;
	struct link *link = data;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return MNL_CB_ERROR;
	info = mnl_nlmsg_get_payload(nlh);
	link->ifindex = info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	return mnl_attr_parse(nlh, sizeof(*info), parse_attribute, link);
}

static int query_netlink(struct mnl_socket *socket, struct link *link)
{
	unsigned int seq = 1;
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
	nlh->nlmsg_seq = seq;
	info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, link->name);
	if (mnl_socket_sendto(socket, nlh, nlh->nlmsg_len) < 0) {
		err = -errno;
		goto out;
	}
	n = mnl_socket_recvfrom(socket, buffer, ANSWER_SIZE);
	if (n < 0 ||
	    mnl_cb_run(buffer, (size_t)n, seq, mnl_socket_get_portid(socket), parse_link, link) < 0)
		err = errno ? -errno : -EPROTO;
out:
	free(buffer);
	return err;
}

/* Drivers with channels know how many RX queues are in use; IFLA_NUM_RX_QUEUES tells how many were
 * allocated, which is right for those without. */
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
