/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/link_parse.h"

#include <errno.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "links/message.h"

/* While a message is parsed: IFLA_LINK is an index in another network namespace. */
#define LOWER_ELSEWHERE (-1)

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

bool link_is_bond(const struct link *link)
{
	return strcmp(link->kind, LINK_KIND_BOND) == 0;
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

/* An interface index, which fits an int; 0: it does not. */
static int read_index(const struct nlattr *attr)
{
	uint32_t index = read_u32(attr);

	return index <= INT_MAX ? (int)index : 0;
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
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attr) == MAC_LENGTH)
			memcpy(link->mac, mnl_attr_get_payload(attr), MAC_LENGTH);
		break;
	case IFLA_MTU:
		link->mtu = read_u32(attr);
		break;
	case IFLA_NUM_RX_QUEUES:
		link->rx_queues = read_u32(attr);
		break;
	case IFLA_MASTER:
		link->master = read_index(attr);
		break;
	case IFLA_LINK:
		if (link->lower != LOWER_ELSEWHERE)
			link->lower = read_index(attr);
		break;
	case IFLA_LINK_NETNSID:
		link->lower = LOWER_ELSEWHERE;
		break;
	case IFLA_LINKINFO:
		return linkinfo_parse(attr, link);
	case IFLA_XDP:
		if (mnl_attr_validate(attr, MNL_TYPE_NESTED) == 0)
			return mnl_attr_parse_nested(attr, parse_xdp, link);
		break;
	}
	return MNL_CB_OK;
}

static int parse_link(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct ifinfomsg *info = message_header(nlh, sizeof(*info));
	struct link *link = &event->link;
	int err;

	if (!info)
		return -EBADMSG;
	/* Other families are about the interface's role elsewhere: AF_BRIDGE, for example, when it
	 * leaves a bridge. */
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
		return 0;
	event->kind = nlh->nlmsg_type == RTM_NEWLINK ? LINK_EVENT_CHANGED : LINK_EVENT_GONE;
	link->ifindex = info->ifi_index;
	link->type = info->ifi_type;
	link->up = info->ifi_flags & IFF_UP;
	link->carrier = info->ifi_flags & IFF_LOWER_UP;
	err = message_attributes(nlh, sizeof(*info), parse_attribute, link);
	if (link->lower == LOWER_ELSEWHERE)
		link->lower = 0;
	return err;
}

static int parse_address(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct ifaddrmsg *info = message_header(nlh, sizeof(*info));

	if (!info)
		return -EBADMSG;
	event->kind = LINK_EVENT_ADDRESS;
	event->link.ifindex = info->ifa_index <= INT_MAX ? (int)info->ifa_index : 0;
	return 0;
}

static int parse_route(const struct nlmsghdr *nlh, struct link_event *event)
{
	const struct rtmsg *info = message_header(nlh, sizeof(*info));

	if (!info)
		return -EBADMSG;
	/* Cloned routes are cache entries for single hosts. */
	if (!(info->rtm_flags & RTM_F_CLONED))
		event->kind = LINK_EVENT_ROUTE;
	return 0;
}

static int parse_neighbour(const struct nlmsghdr *nlh, struct link_event *event)
{
	int result = neighbour_parse(nlh, &event->neighbour);

	if (result > 0)
		event->kind = LINK_EVENT_NEIGHBOUR;
	return result < 0 ? result : 0;
}

static int parse_features(const struct nlmsghdr *nlh, const struct features_family *family,
			  struct link_event *event)
{
	struct link *link = &event->link;
	int result = features_parse(nlh, family, &link->ifindex, &link->xdp_features);

	if (result > 0)
		event->kind = LINK_EVENT_FEATURES;
	link->features_known = result > 0;
	return result < 0 ? result : 0;
}

/* Messages of netlink itself have the same types in all protocols. */
static int parse_control(const struct nlmsghdr *nlh, struct link_event *event)
{
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		event->kind = LINK_EVENT_ERROR;
		return message_error(nlh, &event->error);
	case NLMSG_OVERRUN:
		event->kind = LINK_EVENT_OVERRUN;
		return 0;
	default:
		return 0;
	}
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
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		event->kind = LINK_EVENT_ROUTE;
		return 0;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return parse_neighbour(nlh, event);
	default:
		return parse_control(nlh, event);
	}
}

/* `family`: of generic netlink; NULL: rtnetlink. */
static int parse_next(const void **data, size_t *length, const struct features_family *family,
		      struct link_event *event)
{
	const struct nlmsghdr *nlh;
	int result = message_next(data, length, &nlh);

	memset(event, 0, sizeof(*event));
	if (result <= 0)
		return result;
	if (!family)
		result = parse_message(nlh, event);
	else if (nlh->nlmsg_type == family->id)
		result = parse_features(nlh, family, event);
	else
		result = parse_control(nlh, event);
	if (result < 0) {
		*length = 0;
		return result;
	}
	return 1;
}

int link_parse(const void **data, size_t *length, struct link_event *event)
{
	return parse_next(data, length, NULL, event);
}

int link_parse_features(const void **data, size_t *length, const struct features_family *family,
			struct link_event *event)
{
	return parse_next(data, length, family, event);
}
