// SPDX-License-Identifier: BSD-2-Clause
/* Answers of the kernel about routes, neighbours and the family "netdev": as it sends them, and
 * malformed ones. Each is parsed in memory of exactly its size, for sanitizers. */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <sys/socket.h>

#include "watchdog.h"

#include "address.h"
#include "links/features_parse.h"
#include "links/message.h"
#include "links/next_hop_parse.h"

#define TO "10.20.1.1"

static alignas(4) char buffer[1024];
static const struct nlmsghdr request = {.nlmsg_seq = 7, .nlmsg_pid = 99};

/* Start the answer to `request` in `buffer`. */
static struct nlmsghdr *begin(uint16_t type)
{
	struct nlmsghdr *message;

	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = type;
	message->nlmsg_seq = request.nlmsg_seq;
	message->nlmsg_pid = request.nlmsg_pid;
	return message;
}

static void put_address(struct nlmsghdr *message, uint16_t type, const char *text)
{
	struct xmc_addr addr = address(text);

	mnl_attr_put(message, type, message_address_length(&addr), message_address_bytes(&addr));
}

static void assert_address(const struct xmc_addr *is, const char *expected)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(is, text), expected);
}

/* A copy that ends where the message ends; the caller frees it. */
static struct nlmsghdr *copy_of(const struct nlmsghdr *message, size_t length)
{
	struct nlmsghdr *copy = malloc(length ? length : 1);

	assert_non_null(copy);
	memcpy(copy, message, length);
	return copy;
}

/* ---- finding an answer ---- */

/* The result of message_answer() for the first `length` bytes of the message. */
static int answer(const struct nlmsghdr *message, size_t length, uint16_t type)
{
	struct nlmsghdr *copy = copy_of(message, length);
	const struct nlmsghdr *found;
	int result = message_answer(copy, length, &request, type, &found);

	if (result == 1)
		assert_ptr_equal(found, copy);
	free(copy);
	return result;
}

static void test_whose_answer(void **state)
{
	struct nlmsghdr *message = begin(RTM_NEWROUTE);

	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWROUTE), 1);
	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWNEIGH), -EPROTO);
	assert_int_equal(answer(message, message->nlmsg_len, 0), -EPROTO);
	message->nlmsg_seq++;
	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWROUTE), 0);
	message->nlmsg_seq--;
	message->nlmsg_pid++;
	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWROUTE), 0);
	assert_int_equal(answer(message, 0, RTM_NEWROUTE), 0);
}

static void test_errors(void **state)
{
	struct nlmsghdr *message = begin(NLMSG_ERROR);
	struct nlmsgerr *error = mnl_nlmsg_put_extra_header(message, sizeof(*error));

	assert_int_equal(answer(message, message->nlmsg_len, 0), 1);
	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWROUTE), -EPROTO);
	error->error = -ENETUNREACH;
	assert_int_equal(answer(message, message->nlmsg_len, 0), -ENETUNREACH);
	assert_int_equal(answer(message, message->nlmsg_len, RTM_NEWROUTE), -ENETUNREACH);
	error->error = 1;
	assert_int_equal(answer(message, message->nlmsg_len, 0), -EBADMSG);
	error->error = -4096;
	assert_int_equal(answer(message, message->nlmsg_len, 0), -EBADMSG);
	error->error = -EPERM;
	message->nlmsg_len -= 4;
	assert_int_equal(answer(message, message->nlmsg_len, 0), -EBADMSG);
}

/* Answers to earlier requests come first. */
static void test_stale_answers(void **state)
{
	struct nlmsghdr *first = begin(RTM_NEWROUTE);
	const struct nlmsghdr *found;
	struct nlmsghdr *second = (struct nlmsghdr *)(buffer + first->nlmsg_len);

	*second = *first;
	first->nlmsg_seq--;
	assert_int_equal(message_answer(buffer, first->nlmsg_len + second->nlmsg_len, &request,
					RTM_NEWROUTE, &found),
			 1);
	assert_ptr_equal(found, second);
}

static void test_lengths(void **state)
{
	static const uint32_t lengths[] = {0, 15, 17, 0x7fffffff, 0x80000000, 0xffffffff};
	struct nlmsghdr *message = begin(RTM_NEWROUTE);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		message->nlmsg_len = lengths[i];
		assert_int_equal(answer(message, sizeof(*message), RTM_NEWROUTE), -EBADMSG);
	}
	message->nlmsg_len = sizeof(*message);
	for (size_t length = 1; length < sizeof(*message); length++)
		assert_int_equal(answer(message, length, RTM_NEWROUTE), -EBADMSG);
}

/* ---- routes ---- */

static struct nlmsghdr *begin_route(unsigned char type, const char *to)
{
	struct nlmsghdr *message = begin(RTM_NEWROUTE);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct xmc_addr addr = address(to);

	info->rtm_family = (unsigned char)addr_family(&addr);
	info->rtm_type = type;
	put_address(message, RTA_DST, to);
	return message;
}

static struct nlmsghdr *put_route(unsigned char type, const char *to)
{
	struct nlmsghdr *message = begin_route(type, to);

	mnl_attr_put_u32(message, RTA_OIF, 3);
	put_address(message, RTA_PREFSRC, strchr(to, ':') ? "fd01::1" : "10.1.0.1");
	return message;
}

static int parse_route(const struct nlmsghdr *message, const char *to, struct next_hop *hop)
{
	struct nlmsghdr *copy = copy_of(message, message->nlmsg_len);
	struct xmc_addr destination = address(to);
	int err = next_hop_parse(copy, &destination, hop);

	free(copy);
	return err;
}

static void test_routes(void **state)
{
	static const struct {
		const char *to;
		unsigned char type;
		int err;
		enum next_hop_kind kind;
		int error;
	} cases[] = {
		{TO, RTN_UNICAST, 0, NEXT_HOP_HOST, 0},
		{"239.1.1.1", RTN_MULTICAST, 0, NEXT_HOP_GROUP, 0},
		{"239.1.1.1", RTN_UNICAST, 0, NEXT_HOP_GROUP, 0},
		{"ff3e::1", RTN_MULTICAST, 0, NEXT_HOP_GROUP, 0},
		{"fd20::1", RTN_UNICAST, 0, NEXT_HOP_HOST, 0},
		{TO, RTN_LOCAL, 0, NEXT_HOP_LOCAL, 0},
		{"fd20::1", RTN_ANYCAST, 0, NEXT_HOP_LOCAL, 0},
		{TO, RTN_BROADCAST, 0, NEXT_HOP_BROADCAST, 0},
		{TO, RTN_UNREACHABLE, 0, NEXT_HOP_UNREACHABLE, -EHOSTUNREACH},
		{TO, RTN_PROHIBIT, 0, NEXT_HOP_UNREACHABLE, -EACCES},
		{"fd20::1", RTN_BLACKHOLE, 0, NEXT_HOP_UNREACHABLE, -EINVAL},
		{TO, RTN_UNSPEC, -EPROTO, 0, 0},
		{TO, RTN_THROW, -EPROTO, 0, 0},
		{TO, RTN_NAT, -EPROTO, 0, 0},
		{TO, 0xff, -EPROTO, 0, 0},
	};
	struct next_hop hop;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
			parse_route(put_route(cases[i].type, cases[i].to), cases[i].to, &hop),
			cases[i].err);
		if (cases[i].err)
			continue;
		assert_int_equal(hop.kind, cases[i].kind);
		assert_int_equal(hop.error, cases[i].error);
		assert_int_equal(hop.ifindex, cases[i].error ? 0 : 3);
		if (!cases[i].error)
			assert_address(&hop.via, cases[i].to);
	}
}

static void put_via(struct nlmsghdr *message, uint16_t family, size_t length)
{
	uint8_t bytes[2 + 17] = {0};

	memcpy(bytes, &family, sizeof(family));
	inet_pton(AF_INET6, "fe80::2", bytes + 2);
	mnl_attr_put(message, RTA_VIA, 2 + length, bytes);
}

static void test_gateways(void **state)
{
	struct nlmsghdr *message = put_route(RTN_UNICAST, TO);
	struct next_hop hop;

	put_address(message, RTA_GATEWAY, "10.1.0.2");
	assert_int_equal(parse_route(message, TO, &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_HOST);
	assert_address(&hop.via, "10.1.0.2");
	assert_address(&hop.source, "10.1.0.1");
	message = put_route(RTN_MULTICAST, "239.1.1.1");
	put_address(message, RTA_GATEWAY, "10.1.0.2");
	assert_int_equal(parse_route(message, "239.1.1.1", &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_HOST);
	assert_address(&hop.via, "10.1.0.2");
	message = put_route(RTN_UNICAST, TO);
	put_via(message, AF_INET6, 16);
	assert_int_equal(parse_route(message, TO, &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_HOST);
	assert_address(&hop.via, "fe80::2");
	message = put_route(RTN_UNICAST, "fd20::1");
	put_address(message, RTA_GATEWAY, "fe80::2");
	assert_int_equal(parse_route(message, "fd20::1", &hop), 0);
	assert_address(&hop.via, "fe80::2");
}

static void test_no_source(void **state)
{
	struct nlmsghdr *message = begin_route(RTN_MULTICAST, "239.1.1.1");
	struct next_hop hop;

	mnl_attr_put_u32(message, RTA_OIF, 3);
	assert_int_equal(parse_route(message, "239.1.1.1", &hop), 0);
	assert_true(addr_is_any(&hop.source));
}

static void test_encapsulated(void **state)
{
	struct nlmsghdr *message = put_route(RTN_UNICAST, TO);
	struct next_hop hop;

	mnl_attr_put_u16(message, RTA_ENCAP_TYPE, 2);
	assert_int_equal(parse_route(message, TO, &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_ENCAPSULATED);
}

static void assert_route_refused(const struct nlmsghdr *message, int err)
{
	struct next_hop hop;

	assert_int_equal(parse_route(message, TO, &hop), err);
}

static void test_malformed_routes(void **state)
{
	struct nlmsghdr *message = put_route(RTN_UNICAST, "10.20.1.2");
	struct next_hop hop;
	uint32_t whole;

	assert_route_refused(message, -EPROTO); /* another destination */
	message = put_route(RTN_UNICAST, "fd20::1");
	assert_route_refused(message, -EPROTO); /* another family */
	message = put_route(RTN_UNICAST, TO);
	message->nlmsg_type = RTM_DELROUTE;
	assert_route_refused(message, -EPROTO);
	message = begin_route(RTN_UNICAST, TO);
	assert_route_refused(message, -EPROTO); /* no interface */
	mnl_attr_put_u32(message, RTA_OIF, 0x80000001);
	assert_route_refused(message, -EPROTO);
	mnl_attr_put_u64(message, RTA_OIF, 3);
	assert_route_refused(message, -EBADMSG);
	message = put_route(RTN_UNICAST, TO);
	mnl_attr_put_u16(message, RTA_GATEWAY, 0);
	assert_route_refused(message, -EBADMSG);
	message = put_route(RTN_UNICAST, TO);
	put_address(message, RTA_GATEWAY, "fe80::2"); /* belongs into RTA_VIA */
	assert_route_refused(message, -EBADMSG);
	message = put_route(RTN_UNICAST, TO);
	put_address(message, RTA_PREFSRC, "fd01::1");
	assert_route_refused(message, -EBADMSG);
	for (size_t length = 0; length < 18; length++) {
		message = put_route(RTN_UNICAST, TO);
		put_via(message, AF_INET6, length);
		assert_int_equal(parse_route(message, TO, &hop), length == 16 ? 0 : -EBADMSG);
	}
	message = put_route(RTN_UNICAST, TO);
	put_via(message, AF_INET, 16);
	assert_route_refused(message, -EBADMSG);
	/* Truncated anywhere: refused, or without what is missing. */
	message = put_route(RTN_UNICAST, TO);
	whole = message->nlmsg_len;
	for (uint32_t length = sizeof(*message); length < whole; length++) {
		message->nlmsg_len = length;
		assert_true(parse_route(message, TO, &hop) || addr_is_any(&hop.source));
	}
}

static void test_refusals(void **state)
{
	struct next_hop hop;

	assert_int_equal(next_hop_refuse(-ENETUNREACH, &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_UNREACHABLE);
	assert_int_equal(hop.error, -ENETUNREACH);
	assert_int_equal(next_hop_refuse(-ENODEV, &hop), -ENODEV);
	assert_int_equal(next_hop_refuse(-ENOBUFS, &hop), -ENOBUFS);
}

/* ---- neighbours ---- */

static struct nlmsghdr *begin_neighbour(uint16_t type, int family, uint16_t states, uint8_t flags)
{
	struct nlmsghdr *message = begin(type);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->ndm_family = (unsigned char)family;
	info->ndm_ifindex = 3;
	info->ndm_state = states;
	info->ndm_flags = flags;
	return message;
}

static struct nlmsghdr *put_neighbour(uint16_t type, uint16_t states)
{
	struct nlmsghdr *message = begin_neighbour(type, AF_INET, states, 0);

	put_address(message, NDA_DST, "10.1.0.2");
	mnl_attr_put(message, NDA_LLADDR, MAC_LENGTH, "\x02\0\0\0\0\2");
	return message;
}

static int parse_neighbour(const struct nlmsghdr *message, struct neighbour *neighbour)
{
	struct nlmsghdr *copy = copy_of(message, message->nlmsg_len);
	int result = neighbour_parse(copy, neighbour);

	free(copy);
	return result;
}

static void test_states(void **state)
{
	static const struct {
		uint16_t states;
		bool usable, fixed;
	} cases[] = {
		{NUD_NONE, false, false},     {NUD_INCOMPLETE, false, false},
		{NUD_REACHABLE, true, false}, {NUD_STALE, true, false},
		{NUD_DELAY, true, false},     {NUD_PROBE, true, false},
		{NUD_FAILED, false, false},   {NUD_NOARP, true, true},
		{NUD_PERMANENT, true, true},
	};
	static const uint8_t none[MAC_LENGTH];
	struct neighbour neighbour;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
			parse_neighbour(put_neighbour(RTM_NEWNEIGH, cases[i].states), &neighbour),
			1);
		assert_int_equal(neighbour.ifindex, 3);
		assert_address(&neighbour.address, "10.1.0.2");
		assert_int_equal(neighbour.usable, cases[i].usable);
		assert_int_equal(neighbour.fixed, cases[i].fixed);
		assert_memory_equal(neighbour.mac,
				    cases[i].usable ? (const uint8_t *)"\x02\0\0\0\0\2" : none,
				    MAC_LENGTH);
	}
	assert_int_equal(parse_neighbour(put_neighbour(RTM_DELNEIGH, NUD_PERMANENT), &neighbour),
			 1);
	assert_false(neighbour.usable);
	assert_false(neighbour.fixed);
}

static void test_other_neighbours(void **state)
{
	struct nlmsghdr *message = begin_neighbour(RTM_NEWNEIGH, AF_INET6, NUD_STALE, NTF_ROUTER);
	struct neighbour neighbour;

	put_address(message, NDA_DST, "fe80::2");
	mnl_attr_put(message, NDA_LLADDR, 20, "as long as that of InfiniBand");
	assert_int_equal(parse_neighbour(message, &neighbour), 1);
	assert_address(&neighbour.address, "fe80::2");
	assert_false(neighbour.usable);
	message = begin_neighbour(RTM_NEWNEIGH, AF_INET, NUD_PERMANENT, NTF_PROXY);
	assert_int_equal(parse_neighbour(message, &neighbour), 0);
	message = begin_neighbour(RTM_NEWNEIGH, AF_BRIDGE, NUD_REACHABLE, 0);
	assert_int_equal(parse_neighbour(message, &neighbour), 0);
}

static void test_malformed_neighbours(void **state)
{
	struct nlmsghdr *message = begin_neighbour(RTM_NEWNEIGH, AF_INET, NUD_STALE, 0);
	struct neighbour neighbour;
	uint32_t whole;

	assert_int_equal(parse_neighbour(message, &neighbour), -EBADMSG);
	put_address(message, NDA_DST, "fd01::2");
	assert_int_equal(parse_neighbour(message, &neighbour), -EBADMSG);
	message = put_neighbour(RTM_NEWNEIGH, NUD_STALE);
	((struct ndmsg *)mnl_nlmsg_get_payload(message))->ndm_ifindex = -3;
	assert_int_equal(parse_neighbour(message, &neighbour), -EBADMSG);
	message = put_neighbour(RTM_NEWNEIGH, NUD_STALE);
	whole = message->nlmsg_len;
	for (uint32_t length = sizeof(*message); length < whole - 2; length++) {
		message->nlmsg_len = length;
		assert_true(parse_neighbour(message, &neighbour) < 0 || !neighbour.usable);
	}
}

/* ---- features ---- */

static struct nlmsghdr *begin_generic(uint16_t type, uint8_t command)
{
	struct nlmsghdr *message = begin(type);
	struct genlmsghdr *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	info->cmd = command;
	return message;
}

static void put_group(struct nlmsghdr *message, uint16_t index, const char *name, uint32_t id)
{
	struct nlattr *group = mnl_attr_nest_start(message, index);

	mnl_attr_put_strz(message, CTRL_ATTR_MCAST_GRP_NAME, name);
	mnl_attr_put_u32(message, CTRL_ATTR_MCAST_GRP_ID, id);
	mnl_attr_nest_end(message, group);
}

static struct nlmsghdr *put_family(uint16_t id)
{
	struct nlmsghdr *message = begin_generic(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
	struct nlattr *groups;

	mnl_attr_put_strz(message, CTRL_ATTR_FAMILY_NAME, FEATURES_FAMILY);
	mnl_attr_put_u16(message, CTRL_ATTR_FAMILY_ID, id);
	groups = mnl_attr_nest_start(message, CTRL_ATTR_MCAST_GROUPS);
	put_group(message, 1, "mgmt", 5);
	put_group(message, 2, "page-pool", 6);
	mnl_attr_nest_end(message, groups);
	return message;
}

static int parse_family(const struct nlmsghdr *message, struct features_family *family)
{
	struct nlmsghdr *copy = copy_of(message, message->nlmsg_len);
	int err = features_parse_family(copy, family);

	free(copy);
	return err;
}

static void test_family(void **state)
{
	struct nlmsghdr *message = put_family(0x1d);
	struct features_family family;
	uint32_t whole = message->nlmsg_len;

	assert_int_equal(parse_family(message, &family), 0);
	assert_int_equal(family.id, 0x1d);
	assert_int_equal(family.group, 5);
	for (uint32_t length = sizeof(*message); length < whole - 4; length++) {
		message->nlmsg_len = length;
		assert_true(parse_family(message, &family) < 0 || !family.group);
	}
	assert_int_equal(parse_family(put_family(GENL_MIN_ID - 1), &family), -EBADMSG);
	message = begin_generic(GENL_ID_CTRL, CTRL_CMD_DELFAMILY);
	assert_int_equal(parse_family(message, &family), -EPROTO);
	message = begin_generic(0x1d, CTRL_CMD_NEWFAMILY);
	assert_int_equal(parse_family(message, &family), -EPROTO);
	message = begin_generic(GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
	mnl_attr_put_u32(message, CTRL_ATTR_FAMILY_ID, 0x1d);
	assert_int_equal(parse_family(message, &family), -EBADMSG);
	message = put_family(0x1d);
	mnl_attr_put_u16(message, CTRL_ATTR_MCAST_GROUPS, 4);
	assert_int_equal(parse_family(message, &family), -EBADMSG);
	assert_int_equal(family.id, 0);
}

static int parse_features(const struct nlmsghdr *message, int *ifindex, uint64_t *features)
{
	static const struct features_family family = {.id = 0x1d};
	struct nlmsghdr *copy = copy_of(message, message->nlmsg_len);
	int result = features_parse(copy, &family, ifindex, features);

	free(copy);
	return result;
}

static struct nlmsghdr *put_features(uint8_t command)
{
	struct nlmsghdr *message = begin_generic(0x1d, command);

	mnl_attr_put_u32(message, NETDEV_A_DEV_IFINDEX, 3);
	mnl_attr_put_u64(message, NETDEV_A_DEV_XDP_FEATURES, 1ULL << 40 | LINK_XDP_NDO_XMIT);
	return message;
}

static void test_features(void **state)
{
	static const uint8_t commands[] = {NETDEV_CMD_DEV_GET, NETDEV_CMD_DEV_ADD_NTF,
					   NETDEV_CMD_DEV_CHANGE_NTF};
	struct nlmsghdr *message;
	uint64_t features;
	uint32_t whole;
	int ifindex;

	for (size_t i = 0; i < sizeof(commands); i++) {
		assert_int_equal(parse_features(put_features(commands[i]), &ifindex, &features), 1);
		assert_int_equal(ifindex, 3);
		assert_true(features == (1ULL << 40 | LINK_XDP_NDO_XMIT));
	}
	assert_int_equal(parse_features(put_features(3), &ifindex, &features), 0);
	message = put_features(NETDEV_CMD_DEV_GET);
	whole = message->nlmsg_len;
	for (uint32_t length = sizeof(*message); length < whole; length++) {
		message->nlmsg_len = length;
		assert_int_equal(parse_features(message, &ifindex, &features), -EBADMSG);
	}
	message = put_features(NETDEV_CMD_DEV_GET);
	message->nlmsg_type = 0x1e;
	assert_int_equal(parse_features(message, &ifindex, &features), 0);
	message = put_features(NETDEV_CMD_DEV_GET);
	mnl_attr_put_u32(message, NETDEV_A_DEV_XDP_FEATURES, 0);
	assert_int_equal(parse_features(message, &ifindex, &features), -EBADMSG);
	message = put_features(NETDEV_CMD_DEV_GET);
	mnl_attr_put_u32(message, NETDEV_A_DEV_IFINDEX, 0xffffffff);
	assert_int_equal(parse_features(message, &ifindex, &features), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose_answer),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_stale_answers),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_gateways),
		cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_encapsulated),
		cmocka_unit_test(test_malformed_routes),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_other_neighbours),
		cmocka_unit_test(test_malformed_neighbours),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
