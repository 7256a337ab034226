/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/link_parse.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* Far more than one receive returns. libmnl counts in int. */
#define LENGTH_MAX ((size_t)INT_MAX / 2)

bool link_may_be_called(const struct link *link, const char *name)
{
	if (link->more_names || strcmp(link->name, name) == 0)
		return true;
	for (unsigned int i = 0; i < LINK_ALTERNATIVES; i++) {
		if (*link->alternatives[i] && strcmp(link->alternatives[i], name) == 0)
			return true;
	}
	return false;
}

static uint32_t read_u32(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) ? 0 : mnl_attr_get_u32(attr);
}

/* IFLA_XDP_PROG_ID has the program in native or skb mode, IFLA_XDP_ATTACHED has the mode. */
static int parse_xdp(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID)
		link->xdp_program = read_u32(attr);
	else if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED)
		link->xdp_skb = mnl_attr_validate(attr, MNL_TYPE_U8) == 0 &&
				mnl_attr_get_u8(attr) == XDP_ATTACHED_SKB;
	return MNL_CB_OK;
}

static void parse_name(const struct nlattr *attr, char name[IF_NAMESIZE])
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
	    mnl_attr_get_payload_len(attr) <= IF_NAMESIZE)
		memcpy(name, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

/* Alternative names may be longer than IF_NAMESIZE; a rule cannot have such a name. */
static int parse_alternative(const struct nlattr *attr, void *data)
{
	struct link *link = data;
	unsigned int i = 0;

	while (i < LINK_ALTERNATIVES && *link->alternatives[i])
		i++;
	if (mnl_attr_get_type(attr) != IFLA_ALT_IFNAME)
		return MNL_CB_OK;
	if (i < LINK_ALTERNATIVES)
		parse_name(attr, link->alternatives[i]);
	else
		link->more_names |= mnl_attr_get_payload_len(attr) <= IF_NAMESIZE;
	return MNL_CB_OK;
}

static int parse_attribute(const struct nlattr *attr, void *data)
{
	struct link *link = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		parse_name(attr, link->name);
		break;
	case IFLA_PROP_LIST:
		if (mnl_attr_validate(attr, MNL_TYPE_NESTED) == 0)
			return mnl_attr_parse_nested(attr, parse_alternative, link);
		break;
	case IFLA_MTU:
		link->mtu = read_u32(attr);
		break;
	case IFLA_NUM_RX_QUEUES:
		link->rx_queues = read_u32(attr);
		break;
	case IFLA_XDP:
		if (mnl_attr_validate(attr, MNL_TYPE_NESTED) == 0)
			return mnl_attr_parse_nested(attr, parse_xdp, link);
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	size_t attributes;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	/* Other families are about the interface's role elsewhere: AF_BRIDGE, for example, when it
	 * leaves a bridge. */
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
		return 0;
	event->kind = nlh->nlmsg_type == RTM_NEWLINK ? LINK_EVENT_CHANGED : LINK_EVENT_GONE;
	event->link.ifindex = info->ifi_index;
	event->link.type = info->ifi_type;
	event->link.up = info->ifi_flags & IFF_UP;
	/* Not mnl_attr_parse(), which reads up to the next multiple of 4 bytes, even past the end.
	 */
	attributes = mnl_nlmsg_get_payload_len(nlh) - sizeof(*info);
	if (mnl_attr_parse_payload(info + 1, attributes, parse_attribute, &event->link) < 0)
		return -EBADMSG;
	return 0;
}

static int parse_address(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	event->kind = LINK_EVENT_ADDRESS;
	event->link.ifindex = info->ifa_index <= INT_MAX ? (int)info->ifa_index : 0;
	return 0;
}

static int parse_route(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info))
		return -EBADMSG;
	/* Cloned routes are cache entries for single hosts. */
	if (!(info->rtm_flags & RTM_F_CLONED))
		event->kind = LINK_EVENT_ROUTE;
	return 0;
}

static int parse_error(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct nlmsgerr *info = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) || info->error > 0 ||
	    info->error < -4095)
		return -EBADMSG;
	event->kind = LINK_EVENT_ERROR;
	event->error = info->error;
	return 0;
}

static int parse_message(const struct nlmsghdr *nlh, struct link_event *event)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return parse_link(nlh, event);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return parse_address(nlh, event);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return parse_route(nlh, event);
	case NLMSG_ERROR:
		return parse_error(nlh, event);
	case NLMSG_OVERRUN:
		event->kind = LINK_EVENT_OVERRUN;
		return 0;
	default:
		return 0;
	}
}

int link_parse(const void **data, size_t *length, struct link_event *event)
{
	const struct nlmsghdr *nlh = *data;
	size_t taken;
	int err;

	memset(event, 0, sizeof(*event));
	if (!*length)
		return 0;
	/* libmnl would take a length of 2 GiB or more as negative, and accept it. */
	if (*length > LENGTH_MAX || !mnl_nlmsg_ok(nlh, (int)*length) || nlh->nlmsg_len > *length) {
		*length = 0;
		return -EBADMSG;
	}
	taken = MNL_ALIGN(nlh->nlmsg_len);
	if (taken > *length) /* the last message need not be padded */
		taken = *length;
	err = parse_message(nlh, event);
	if (err) {
		*length = 0;
		return err;
	}
	*data = (const char *)*data + taken;
	*length -= taken;
	return 1;
}
