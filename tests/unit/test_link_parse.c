/* SPDX-License-Identifier: BSD-2-Clause */
/* rtnetlink messages as the kernel sends them, and malformed ones. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "links/link_parse.h"

/* IFF_LOWER_UP of linux/if.h, which cannot be included beside net/if.h. */
#define LOWER_UP 0x10000

static struct nlmsghdr *begin(void *buffer, uint16_t type, int family, int ifindex)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	nlh->nlmsg_type = type;
	info->ifi_family = (unsigned char)family;
	info->ifi_index = ifindex;
	info->ifi_type = ARPHRD_NONE;
	info->ifi_flags = IFF_UP | LOWER_UP;
	return nlh;
}

static struct nlmsghdr *put_link(void *buffer)
{
	struct nlmsghdr *nlh = begin(buffer, RTM_NEWLINK, AF_UNSPEC, 7);
	struct nlattr *xdp;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, "fifteen-letters");
	mnl_attr_put(nlh, IFLA_ADDRESS, MAC_LENGTH, "\x02\0\0\0\0\1");
	mnl_attr_put_u32(nlh, IFLA_MTU, 1500);
	mnl_attr_put_u32(nlh, IFLA_NUM_RX_QUEUES, 4);
	xdp = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u8(nlh, IFLA_XDP_ATTACHED, 1);
	mnl_attr_put_u32(nlh, IFLA_XDP_PROG_ID, 99);
	mnl_attr_nest_end(nlh, xdp);
	return nlh;
}

/* In memory of exactly this size, so that a sanitizer detects reading one byte more. */
static int parse_copy(const void *message, size_t length, struct link_event *event)
{
	void *copy = malloc(length ? length : 1);
	const void *data = copy;
	int result;

	assert_non_null(copy);
	memcpy(copy, message, length);
	result = link_parse(&data, &length, event);
	free(copy);
	return result;
}

static void all_of_a_link(void **state)
{
	alignas(4) char buffer[1024] = {0};
	struct nlmsghdr *nlh = put_link(buffer);
	struct link_event event;

	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_CHANGED);
	assert_string_equal(event.link.name, "fifteen-letters");
	assert_int_equal(event.link.ifindex, 7);
	assert_int_equal(event.link.type, ARPHRD_NONE);
	assert_int_equal(event.link.mtu, 1500);
	assert_int_equal(event.link.rx_queues, 4);
	assert_int_equal(event.link.xdp_program, 99);
	assert_true(event.link.up);
	assert_true(event.link.carrier);
	assert_memory_equal(event.link.mac, "\x02\0\0\0\0\1", MAC_LENGTH);
	assert_false(event.link.features_known);
	nlh->nlmsg_type = RTM_DELLINK;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_GONE);
}

static void put_bond(struct nlmsghdr *nlh, uint8_t mode, uint8_t delivers_all)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bond");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_BOND_MODE, mode);
	mnl_attr_put_u8(nlh, IFLA_BOND_ALL_SLAVES_ACTIVE, delivers_all);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void put_member(struct nlmsghdr *nlh, const char *kind, uint8_t state)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "veth");
	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, kind);
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(nlh, IFLA_BOND_SLAVE_STATE, state);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void bonds(void **state)
{
	alignas(4) char buffer[1024] = {0};
	struct nlmsghdr *nlh = put_link(buffer);
	struct link_event event;

	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_string_equal(event.link.kind, "");
	assert_int_equal(event.link.master, 0);
	assert_false(event.link.in_bond);
	put_bond(nlh, LINK_BOND_8023AD, 1);
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_string_equal(event.link.kind, LINK_KIND_BOND);
	assert_int_equal(event.link.bond_mode, LINK_BOND_8023AD);
	assert_true(event.link.bond_delivers_all);
	assert_false(event.link.in_bond);
}

static void bond_members(void **state)
{
	static const char *const kinds[] = {"bond", "bridge"};

	for (unsigned int i = 0; i < 2; i++) {
		for (uint8_t backup = 0; backup < 2; backup++) {
			alignas(4) char buffer[1024] = {0};
			struct nlmsghdr *nlh = put_link(buffer);
			struct link_event event;

			mnl_attr_put_u32(nlh, IFLA_MASTER, 12);
			put_member(nlh, kinds[i], backup);
			assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
			assert_string_equal(event.link.kind, "veth");
			assert_int_equal(event.link.master, 12);
			assert_int_equal(event.link.in_bond, i == 0);
			assert_int_equal(event.link.bond_backup, i == 0 && backup);
		}
	}
}

static void put_vlan(struct nlmsghdr *nlh, uint16_t id, uint16_t protocol)
{
	struct nlattr *info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons(protocol));
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, id);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

static void vlans(void **state)
{
	static const struct {
		uint16_t id, protocol;
		bool is_8021ad;
	} cases[] = {{100, 0x8100, false}, {4094, 0x88a8, true}, {0, 0x8100, false}};

	for (unsigned int i = 0; i < 3; i++) {
		alignas(4) char buffer[1024] = {0};
		struct nlmsghdr *nlh = put_link(buffer);
		struct link_event event;

		mnl_attr_put_u32(nlh, IFLA_LINK, 5);
		put_vlan(nlh, cases[i].id, cases[i].protocol);
		assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
		assert_string_equal(event.link.kind, LINK_KIND_VLAN);
		assert_int_equal(event.link.lower, 5);
		assert_int_equal(event.link.vlan_id, cases[i].id);
		assert_int_equal(event.link.vlan_8021ad, cases[i].is_8021ad);
		/* Of another kind these attributes mean something else. */
		memset(buffer, 0, sizeof(buffer));
		nlh = put_link(buffer);
		put_member(nlh, "vlan", 1);
		put_bond(nlh, 1, 0);
		assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
		assert_int_equal(event.link.vlan_id, 0);
	}
}

/* An index of another network namespace means nothing here, in whichever order it comes. */
static void lower_links(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		alignas(4) char buffer[1024] = {0};
		struct nlmsghdr *nlh = put_link(buffer);
		struct link_event event;

		if (i == 1)
			mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
		mnl_attr_put_u32(nlh, IFLA_LINK, 5);
		if (i == 2)
			mnl_attr_put_u32(nlh, IFLA_LINK_NETNSID, 0);
		assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
		assert_int_equal(event.link.lower, i == 0 ? 5 : 0);
	}
}

/* Two messages in one read, then the end. */
static void several(void **state)
{
	alignas(4) char buffer[2048] = {0};
	struct nlmsghdr *first = put_link(buffer);
	struct nlmsghdr *second =
		begin(buffer + MNL_ALIGN(first->nlmsg_len), RTM_DELLINK, AF_UNSPEC, 8);
	size_t length = MNL_ALIGN(first->nlmsg_len) + second->nlmsg_len;
	const void *data = buffer;
	struct link_event event;

	assert_int_equal(link_parse(&data, &length, &event), 1);
	assert_int_equal(event.link.ifindex, 7);
	assert_int_equal(link_parse(&data, &length, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_GONE);
	assert_int_equal(event.link.ifindex, 8);
	assert_int_equal(link_parse(&data, &length, &event), 0);
}

/* When an interface leaves a bridge, RTM_DELLINK is sent as well, and the interface stays. */
static void not_ours(void **state)
{
	alignas(4) char buffer[256] = {0};
	struct nlmsghdr *nlh = begin(buffer, RTM_DELLINK, AF_BRIDGE, 7);
	struct link_event event;

	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OTHER);
	nlh = begin(buffer, RTM_NEWNEIGH, AF_UNSPEC, 7);
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OTHER);
	nlh = begin(buffer, RTM_NEWLINK, AF_UNSPEC, -7);
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OTHER);
}

static void addresses_routes_errors(void **state)
{
	alignas(4) char buffer[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *address = mnl_nlmsg_put_extra_header(nlh, sizeof(*address));
	struct nlmsgerr *error;
	struct rtmsg *route;
	struct link_event event;

	nlh->nlmsg_type = RTM_DELADDR;
	address->ifa_index = 3;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_ADDRESS);
	assert_int_equal(event.link.ifindex, 3);

	nlh = mnl_nlmsg_put_header(buffer);
	route = mnl_nlmsg_put_extra_header(nlh, sizeof(*route));
	nlh->nlmsg_type = RTM_NEWROUTE;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_ROUTE);
	route->rtm_flags = RTM_F_CLONED;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OTHER);

	nlh = mnl_nlmsg_put_header(buffer);
	error = mnl_nlmsg_put_extra_header(nlh, sizeof(*error));
	nlh->nlmsg_type = NLMSG_ERROR;
	error->error = -ENODEV;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_ERROR);
	assert_int_equal(event.error, -ENODEV);
	error->error = 5; /* not an errno */
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), -EBADMSG);
}

static void neighbours(void **state)
{
	alignas(4) char buffer[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	struct link_event event;

	nlh->nlmsg_type = RTM_NEWNEIGH;
	info->ndm_family = AF_INET;
	info->ndm_ifindex = 3;
	info->ndm_state = NUD_STALE;
	/* Without an address it is about nothing. */
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), -EBADMSG);
	mnl_attr_put(nlh, NDA_DST, 4, "\x0a\1\0\2");
	mnl_attr_put(nlh, NDA_LLADDR, MAC_LENGTH, "\x02\0\0\0\0\2");
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_NEIGHBOUR);
	assert_int_equal(event.neighbour.ifindex, 3);
	assert_true(event.neighbour.usable);
	assert_memory_equal(event.neighbour.mac, "\x02\0\0\0\0\2", MAC_LENGTH);
	assert_int_equal(event.link.ifindex, 0);
	nlh->nlmsg_type = RTM_DELNEIGH;
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_NEIGHBOUR);
	assert_false(event.neighbour.usable);
}

static void features(void **state)
{
	static const struct features_family family = {.id = 0x1d};
	alignas(4) char buffer[256] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
	struct link_event event;
	const void *data = buffer;
	size_t length;

	nlh->nlmsg_type = family.id;
	info->cmd = NETDEV_CMD_DEV_CHANGE_NTF;
	mnl_attr_put_u32(nlh, NETDEV_A_DEV_IFINDEX, 3);
	mnl_attr_put_u64(nlh, NETDEV_A_DEV_XDP_FEATURES, LINK_XDP_NDO_XMIT);
	length = nlh->nlmsg_len;
	assert_int_equal(link_parse_features(&data, &length, &family, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_FEATURES);
	assert_int_equal(event.link.ifindex, 3);
	assert_true(event.link.features_known);
	assert_int_equal(event.link.xdp_features, LINK_XDP_NDO_XMIT);
	assert_int_equal(link_parse_features(&data, &length, &family, &event), 0);
	/* In rtnetlink the same number is another message. */
	nlh->nlmsg_type = RTM_NEWLINK;
	data = buffer;
	length = nlh->nlmsg_len;
	assert_int_equal(link_parse_features(&data, &length, &family, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OTHER);
	nlh->nlmsg_type = NLMSG_OVERRUN;
	data = buffer;
	length = nlh->nlmsg_len;
	assert_int_equal(link_parse_features(&data, &length, &family, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_OVERRUN);
	nlh->nlmsg_type = family.id;
	nlh->nlmsg_len -= 4;
	data = buffer;
	length = nlh->nlmsg_len;
	assert_int_equal(link_parse_features(&data, &length, &family, &event), -EBADMSG);
	assert_int_equal(length, 0);
}

/* Truncated anywhere it is refused; with its length adjusted, it is read as far as it goes. */
static void truncated(void **state)
{
	alignas(4) char buffer[1024] = {0};
	struct nlmsghdr *nlh = put_link(buffer);
	uint32_t whole = nlh->nlmsg_len;
	struct link_event event;

	for (uint32_t length = 0; length < whole; length++) {
		nlh->nlmsg_len = whole;
		assert_int_equal(parse_copy(nlh, length, &event), length ? -EBADMSG : 0);
		nlh->nlmsg_len = length;
		if (length >= sizeof(*nlh) + sizeof(struct ifinfomsg))
			assert_int_equal(parse_copy(nlh, length, &event), 1);
		else
			assert_true(parse_copy(nlh, length, &event) <= 0);
	}
}

/* Names that fit a rule. Longer names, and those without an end, are left out. */
static void alternative_names(void **state)
{
	alignas(4) char buffer[2048] = {0};
	struct nlmsghdr *nlh = begin(buffer, RTM_NEWLINK, AF_UNSPEC, 7);
	struct nlattr *list;
	struct link_event event;
	char name[IF_NAMESIZE];

	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	list = mnl_attr_nest_start(nlh, IFLA_PROP_LIST);
	mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, "enp0s31f6-and-more");
	mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, "wan");
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "other");
	mnl_attr_put(nlh, IFLA_ALT_IFNAME, 3, "lan");
	for (int i = 0; i < LINK_ALTERNATIVES - 1; i++) {
		snprintf(name, sizeof(name), "name-of-it-%d", i);
		mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, name);
	}
	/* The list is full, and this name is too long to count: */
	mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, "enp0s31f6-and-more");
	mnl_attr_nest_end(nlh, list);
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_string_equal(event.link.name, "eth0");
	assert_string_equal(event.link.alternatives[0], "wan");
	assert_string_equal(event.link.alternatives[1], "name-of-it-0");
	assert_true(link_may_be_called(&event.link, "eth0"));
	assert_true(link_may_be_called(&event.link, "wan"));
	snprintf(name, sizeof(name), "name-of-it-%d", LINK_ALTERNATIVES - 2);
	assert_true(link_may_be_called(&event.link, name));
	assert_false(event.link.more_names);
	assert_false(link_may_be_called(&event.link, "other"));
	assert_false(link_may_be_called(&event.link, "lan"));
	assert_false(link_may_be_called(&event.link, ""));
	for (size_t length = 0; length < nlh->nlmsg_len; length++)
		assert_true(parse_copy(nlh, length, &event) <= 0);
}

/* An interface with more names than are kept may have any name. */
static void many_names(void **state)
{
	alignas(4) char buffer[2048] = {0};
	struct nlmsghdr *nlh = begin(buffer, RTM_NEWLINK, AF_UNSPEC, 7);
	struct nlattr *list = mnl_attr_nest_start(nlh, IFLA_PROP_LIST);
	struct link_event event;
	char name[IF_NAMESIZE];

	for (int i = 0; i < LINK_ALTERNATIVES + 2; i++) {
		snprintf(name, sizeof(name), "name-of-it-%d", i);
		mnl_attr_put_strz(nlh, IFLA_ALT_IFNAME, name);
	}
	mnl_attr_nest_end(nlh, list);
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_true(event.link.more_names);
	assert_true(link_may_be_called(&event.link, name));
}

/* Attributes of a wrong length, and a name without an end, are ignored. */
static void lying_attributes(void **state)
{
	alignas(4) char buffer[1024] = {0};
	struct nlmsghdr *nlh = begin(buffer, RTM_NEWLINK, AF_UNSPEC, 7);
	struct link_event event;

	mnl_attr_put(nlh, IFLA_IFNAME, 4, "eth0");
	mnl_attr_put_u16(nlh, IFLA_MTU, 1500);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "a-name-that-is-too-long-for-linux");
	mnl_attr_put_u64(nlh, IFLA_NUM_RX_QUEUES, 4);
	mnl_attr_put_u16(nlh, IFLA_XDP, 4);
	mnl_attr_put(nlh, IFLA_ADDRESS, 4, "\x0a\0\0\1"); /* as of an IPv4 tunnel */
	assert_int_equal(parse_copy(nlh, nlh->nlmsg_len, &event), 1);
	assert_int_equal(event.kind, LINK_EVENT_CHANGED);
	assert_string_equal(event.link.name, "");
	assert_int_equal(event.link.mtu, 0);
	assert_int_equal(event.link.rx_queues, 0);
	assert_int_equal(event.link.xdp_program, 0);
	assert_memory_equal(event.link.mac, "\0\0\0\0\0\0", MAC_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_link),
		cmocka_unit_test(several),
		cmocka_unit_test(bonds),
		cmocka_unit_test(bond_members),
		cmocka_unit_test(lower_links),
		cmocka_unit_test(vlans),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(addresses_routes_errors),
		cmocka_unit_test(truncated),
		cmocka_unit_test(lying_attributes),
		cmocka_unit_test(alternative_names),
		cmocka_unit_test(many_names),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
