/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/next_hop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "links/message.h"

/* Holds each of the requests below. */
#define REQUEST_SIZE 128

static struct nlmsghdr *begin(void *buffer, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

static void put_address(struct nlmsghdr *request, uint16_t type, const struct xmc_addr *address)
{
	mnl_attr_put(request, type, message_address_length(address),
		     message_address_bytes(address));
}

/* `flags`: RTM_F_…. The answer has not been parsed. */
static int ask_route(struct netlink *netlink, const struct xmc_addr *to,
		     const struct xmc_addr *from, int oif, uint8_t dscp, unsigned int flags,
		     const struct nlmsghdr **answer)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = begin(buffer, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->rtm_flags = flags;
	info->rtm_family = (unsigned char)addr_family(to);
	info->rtm_dst_len = (unsigned char)(8 * message_address_length(to));
	info->rtm_tos = (unsigned char)(dscp << 2);
	put_address(request, RTA_DST, to);
	if (from) {
		info->rtm_src_len = info->rtm_dst_len;
		put_address(request, RTA_SRC, from);
	}
	if (oif)
		mnl_attr_put_u32(request, RTA_OIF, (uint32_t)oif);
	return netlink_ask(netlink, request, RTM_NEWROUTE, answer);
}

bool next_hop_is_one_of_several(struct netlink *netlink, const struct xmc_addr *to,
				const struct xmc_addr *from, int oif, uint8_t dscp)
{
	const struct nlmsghdr *answer;

	return !ask_route(netlink, to, from, oif, dscp, RTM_F_FIB_MATCH, &answer) &&
	       next_hop_parse_several(answer);
}

int next_hop_find(struct netlink *netlink, const struct xmc_addr *to, const struct xmc_addr *from,
		  int oif, uint8_t dscp, struct next_hop *hop)
{
	const struct nlmsghdr *answer;
	int err = ask_route(netlink, to, from, oif, dscp, 0, &answer);

	err = err ? next_hop_refuse(err, hop) : next_hop_parse(answer, to, hop);
	/* The answer says what the kernel has chosen, which is nothing then. */
	if (!err && from && hop->kind != NEXT_HOP_UNREACHABLE)
		hop->source = *from;
	return err;
}

int own_address_find(struct netlink *netlink, const struct xmc_addr *address, int oif)
{
	struct next_hop hop;
	int err = next_hop_find(netlink, address, NULL, addr_is_link_local(address) ? oif : 0, 0,
				&hop);

	return err || hop.kind == NEXT_HOP_LOCAL ? err : -EADDRNOTAVAIL;
}

static struct nlmsghdr *begin_neighbour(void *buffer, uint16_t type, uint16_t flags, int ifindex,
					const struct xmc_addr *via, uint8_t neighbour_flags)
{
	struct nlmsghdr *request = begin(buffer, type, flags);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ndm_family = (unsigned char)addr_family(via);
	info->ndm_ifindex = ifindex;
	info->ndm_flags = neighbour_flags;
	put_address(request, NDA_DST, via);
	return request;
}

int neighbour_query(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		    struct neighbour *neighbour)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request = begin_neighbour(buffer, RTM_GETNEIGH, 0, ifindex, via, 0);
	const struct nlmsghdr *answer;
	int err = netlink_ask(netlink, request, RTM_NEWNEIGH, &answer);

	if (err)
		return err;
	err = neighbour_parse(answer, neighbour);
	if (err < 0)
		return err;
	return err && neighbour->ifindex == ifindex && addr_equal(&neighbour->address, via)
		       ? 0
		       : -EPROTO;
}

int neighbour_find(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		   uint8_t mac[MAC_LENGTH])
{
	struct neighbour neighbour;
	int err = neighbour_query(netlink, ifindex, via, &neighbour);

	if (err)
		return err == -ENOENT ? -EAGAIN : err;
	if (!neighbour.usable)
		return neighbour.fixed ? -EOPNOTSUPP : -EAGAIN;
	memcpy(mac, neighbour.mac, MAC_LENGTH);
	return 0;
}

int neighbour_use(struct netlink *netlink, int ifindex, const struct xmc_addr *via)
{
	alignas(4) char buffer[REQUEST_SIZE];
	struct nlmsghdr *request;
	struct neighbour neighbour;
	const struct nlmsghdr *answer;

	/* Since Linux 5.16 NTF_USE would turn a permanent entry into an ordinary one. */
	if (!neighbour_query(netlink, ifindex, via, &neighbour) && neighbour.fixed)
		return 0;
	request = begin_neighbour(buffer, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, ifindex, via,
				  NTF_USE);
	return netlink_ask(netlink, request, 0, &answer);
}

void group_mac(const struct xmc_addr *group, uint8_t mac[MAC_LENGTH])
{
	if (addr_is_ipv4(group)) {
		const uint8_t bytes[] = {
			0x01, 0x00, 0x5e, group->b[13] & 0x7f, group->b[14], group->b[15],
		};

		memcpy(mac, bytes, sizeof(bytes));
		return;
	}
	mac[0] = mac[1] = 0x33;
	memcpy(mac + 2, &group->b[12], 4);
}
