/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/next_hop_parse.h"

#include <errno.h>
#include <limits.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "links/message.h"

/* States in which the kernel itself sends to the neighbour's MAC address (NUD_VALID in
 * net/neighbour.h). */
#define STATES_USABLE                                                                              \
	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
#define STATES_UNRESOLVED (NUD_INCOMPLETE | NUD_FAILED)
#define STATES_FIXED	  (NUD_PERMANENT | NUD_NOARP)

/* ---- routes ---- */

struct route {
	int family;
	bool encapsulated;
	bool has_gateway;
	uint32_t ifindex;
	struct xmc_addr destination;
	struct xmc_addr source;
	struct xmc_addr gateway;
};

/* A gateway with its family: struct rtvia. */
static int parse_via(const struct nlattr *attribute, struct xmc_addr *gateway)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length < sizeof(*via) || via->rtvia_family != AF_INET6 ||
	    length - sizeof(*via) != sizeof(gateway->b))
		return -EBADMSG;
	memcpy(gateway->b, via->rtvia_addr, sizeof(gateway->b));
	return 0;
}

static int parse_route_attribute(const struct nlattr *attribute, void *data)
{
	struct route *route = data;
	int err = 0;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		err = message_address(attribute, route->family, &route->destination);
		break;
	case RTA_PREFSRC:
		err = message_address(attribute, route->family, &route->source);
		break;
	case RTA_GATEWAY:
		route->has_gateway = true;
		err = message_address(attribute, route->family, &route->gateway);
		break;
	case RTA_VIA:
		route->has_gateway = true;
		err = parse_via(attribute, &route->gateway);
		break;
	case RTA_OIF:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
			return MNL_CB_ERROR;
		route->ifindex = mnl_attr_get_u32(attribute);
		break;
	case RTA_ENCAP:
	case RTA_ENCAP_TYPE:
		route->encapsulated = true;
		break;
	}
	return err ? MNL_CB_ERROR : MNL_CB_OK;
}

int next_hop_refuse(int error, struct next_hop *hop)
{
	switch (error) {
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES:
	case -EINVAL:
		*hop = (struct next_hop){.kind = NEXT_HOP_UNREACHABLE, .error = error};
		return 0;
	default:
		return error;
	}
}

/* A route of a type that a packet can take. */
static int find_kind(unsigned int type, const struct xmc_addr *to, const struct route *route,
		     enum next_hop_kind *kind)
{
	switch (type) {
	case RTN_LOCAL:
	case RTN_ANYCAST: /* of IPv6: an address that routers share, and this host is one */
		*kind = NEXT_HOP_LOCAL;
		break;
	case RTN_BROADCAST:
		*kind = NEXT_HOP_BROADCAST;
		break;
	case RTN_UNICAST:
	case RTN_MULTICAST:
		/* A route for groups may be an ordinary one, and even have a gateway: then the
		 * kernel sends the group's packets to the gateway's MAC address. */
		*kind = addr_is_multicast(to) && !route->has_gateway ? NEXT_HOP_GROUP
								     : NEXT_HOP_HOST;
		break;
	default:
		return -EPROTO;
	}
	if (route->encapsulated)
		*kind = NEXT_HOP_ENCAPSULATED;
	return 0;
}

int next_hop_parse(const struct nlmsghdr *message, const struct xmc_addr *to, struct next_hop *hop)
{
	const struct rtmsg *info = message_header(message, sizeof(*info));
	struct route route = {.family = addr_family(to)};
	int err;

	memset(hop, 0, sizeof(*hop));
	if (!info)
		return -EBADMSG;
	if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_family != route.family)
		return -EPROTO;
	err = message_attributes(message, sizeof(*info), parse_route_attribute, &route);
	if (err)
		return err;
	if (!addr_equal(&route.destination, to))
		return -EPROTO;
	switch (info->rtm_type) {
	case RTN_UNREACHABLE:
		return next_hop_refuse(-EHOSTUNREACH, hop);
	case RTN_PROHIBIT:
		return next_hop_refuse(-EACCES, hop);
	case RTN_BLACKHOLE:
		return next_hop_refuse(-EINVAL, hop);
	}
	if (!route.ifindex || route.ifindex > INT_MAX)
		return -EPROTO;
	hop->ifindex = (int)route.ifindex;
	hop->source = route.source;
	hop->via = route.has_gateway ? route.gateway : *to;
	return find_kind(info->rtm_type, to, &route, &hop->kind);
}

static int parse_several(const struct nlattr *attribute, void *data)
{
	bool *several = data;
	unsigned int type = mnl_attr_get_type(attribute);

	/* A next hop object may be a group of them. */
	*several |= type == RTA_MULTIPATH || type == RTA_NH_ID;
	return MNL_CB_OK;
}

bool next_hop_parse_several(const struct nlmsghdr *message)
{
	bool several = false;

	return message->nlmsg_type == RTM_NEWROUTE &&
	       !message_attributes(message, sizeof(struct rtmsg), parse_several, &several) &&
	       several;
}

/* ---- neighbours ---- */

struct neighbour_attributes {
	int family;
	bool has_address;
	bool has_mac;
	struct neighbour *neighbour;
};

static int parse_neighbour_attribute(const struct nlattr *attribute, void *data)
{
	struct neighbour_attributes *found = data;

	switch (mnl_attr_get_type(attribute)) {
	case NDA_DST:
		found->has_address = true;
		if (message_address(attribute, found->family, &found->neighbour->address))
			return MNL_CB_ERROR;
		break;
	case NDA_LLADDR:
		/* Other lengths are of other types of links: not usable, but not malformed. */
		found->has_mac = mnl_attr_get_payload_len(attribute) == MAC_LENGTH;
		if (found->has_mac)
			memcpy(found->neighbour->mac, mnl_attr_get_payload(attribute), MAC_LENGTH);
		break;
	}
	return MNL_CB_OK;
}

int neighbour_parse(const struct nlmsghdr *message, struct neighbour *neighbour)
{
	const struct ndmsg *info = message_header(message, sizeof(*info));
	struct neighbour_attributes found = {.neighbour = neighbour};
	int err;

	memset(neighbour, 0, sizeof(*neighbour));
	if (!info)
		return -EBADMSG;
	/* AF_BRIDGE is a bridge's table of MAC addresses; proxies are addresses for which this host
	 * answers. */
	if ((info->ndm_family != AF_INET && info->ndm_family != AF_INET6) ||
	    (info->ndm_flags & NTF_PROXY))
		return 0;
	found.family = info->ndm_family;
	err = message_attributes(message, sizeof(*info), parse_neighbour_attribute, &found);
	if (err)
		return err;
	if (info->ndm_ifindex <= 0 || !found.has_address)
		return -EBADMSG;
	neighbour->ifindex = info->ndm_ifindex;
	if (message->nlmsg_type == RTM_NEWNEIGH) {
		neighbour->usable = found.has_mac && (info->ndm_state & STATES_USABLE);
		neighbour->unresolved = info->ndm_state & STATES_UNRESOLVED;
		neighbour->failed = info->ndm_state & NUD_FAILED;
		neighbour->fixed = info->ndm_state & STATES_FIXED;
	}
	if (!neighbour->usable)
		memset(neighbour->mac, 0, sizeof(neighbour->mac));
	return 1;
}
