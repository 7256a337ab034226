/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/link.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links/features.h"
#include "links/netlink.h"

/* Holds the request below. */
#define REQUEST_SIZE 128

/* `link` has the name, or, without one, the index. */
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
	if (*link->name)
		mnl_attr_put_strz(request, IFLA_IFNAME, link->name);
	else
		info->ifi_index = link->ifindex;
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
	if (*link->name)
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

/* What netlink does not report. 0 or -errno. */
static int query_rest(struct link *link)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	query_channels(fd, link);
	close(fd);
	/* A device without any has none that matters. */
	ethtool_features_read(link->name, &link->offloads);
	link->features_known = !features_query(link->ifindex, &link->xdp_features);
	return 0;
}

static int query(struct link *link)
{
	struct netlink *netlink;
	int err = netlink_open(&netlink, NETLINK_ROUTE);

	if (err)
		return err;
	err = query_netlink(netlink, link);
	netlink_close(netlink);
	return err ? err : query_rest(link);
}

int link_query(const char *name, struct link *link)
{
	memset(link, 0, sizeof(*link));
	strncpy(link->name, name, sizeof(link->name) - 1);
	return query(link);
}

int link_query_index(int ifindex, struct link *link)
{
	memset(link, 0, sizeof(*link));
	link->ifindex = ifindex;
	return query(link);
}

/* ---- ports ---- */

/* Tries to get a list that did not change while the kernel wrote it. */
#define LIST_TRIES 4

static int parse_listed(const struct nlmsghdr *message, struct link_event *event)
{
	size_t length = message->nlmsg_len;
	const void *data = message;
	int err = link_parse(&data, &length, event);

	return err < 0 ? err : 0;
}

struct port_list {
	int master;
	struct link *list;
	unsigned int most;
	unsigned int count;
};

static int add_port(const struct nlmsghdr *message, void *context)
{
	struct port_list *ports = context;
	struct link_event event;
	int err = parse_listed(message, &event);

	if (err)
		return err;
	/* An old kernel does not filter. */
	if (event.kind != LINK_EVENT_CHANGED || event.link.master != ports->master)
		return 0;
	if (ports->count < ports->most)
		ports->list[ports->count] = event.link;
	ports->count++;
	return 0;
}

static int by_index(const void *a, const void *b)
{
	return ((const struct link *)a)->ifindex - ((const struct link *)b)->ifindex;
}

int link_query_ports(int master, struct link *list, unsigned int most, unsigned int *count)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct netlink *netlink;
	unsigned int listed;
	int err = netlink_open(&netlink, NETLINK_ROUTE);

	if (err)
		return err;
	err = -EAGAIN;
	for (int i = 0; err == -EAGAIN && i < LIST_TRIES; i++) {
		struct port_list ports = {.master = master, .list = list, .most = most};
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

		request->nlmsg_type = RTM_GETLINK;
		info->ifi_family = AF_UNSPEC;
		mnl_attr_put_u32(request, IFLA_MASTER, (uint32_t)master);
		err = netlink_list(netlink, request, RTM_NEWLINK, add_port, &ports);
		*count = ports.count;
	}
	netlink_close(netlink);
	listed = *count < most ? *count : most;
	for (unsigned int i = 0; !err && i < listed; i++)
		err = query_rest(&list[i]);
	if (!err)
		qsort(list, listed, sizeof(*list), by_index);
	return err;
}

/* ---- VLANs ---- */

struct vlan_search {
	int lower;
	bool tags_8021q, tags_8021ad;
	bool found;
	struct link vlan;
};

static int look_for_vlan(const struct nlmsghdr *message, void *context)
{
	struct vlan_search *search = context;
	struct link_event event;
	int err = parse_listed(message, &event);

	/* An old kernel does not filter. */
	if (err || search->found || event.kind != LINK_EVENT_CHANGED ||
	    event.link.lower != search->lower || strcmp(event.link.kind, LINK_KIND_VLAN) != 0)
		return err;
	search->found = event.link.vlan_8021ad ? search->tags_8021ad : search->tags_8021q;
	search->vlan = event.link;
	return 0;
}

int link_find_vlan(int lower, bool tags_8021q, bool tags_8021ad, struct link *vlan)
{
	struct vlan_search search = {
		.lower = lower, .tags_8021q = tags_8021q, .tags_8021ad = tags_8021ad};
	alignas(4) char buffer[REQUEST_SIZE];
	struct netlink *netlink;
	int err = netlink_open(&netlink, NETLINK_ROUTE);

	if (err)
		return err;
	err = -EAGAIN;
	for (int i = 0; err == -EAGAIN && i < LIST_TRIES; i++) {
		struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
		struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
		struct nlattr *nest;

		search.found = false;
		request->nlmsg_type = RTM_GETLINK;
		info->ifi_family = AF_UNSPEC;
		nest = mnl_attr_nest_start(request, IFLA_LINKINFO);
		mnl_attr_put_strz(request, IFLA_INFO_KIND, LINK_KIND_VLAN);
		mnl_attr_nest_end(request, nest);
		err = netlink_list(netlink, request, RTM_NEWLINK, look_for_vlan, &search);
	}
	netlink_close(netlink);
	if (err)
		return err;
	*vlan = search.vlan;
	return search.found;
}
