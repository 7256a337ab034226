// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on answers of the kernel to questions about routes, neighbours and the family "netdev":
 * any bytes, as one recv() could return them. An answer is found only if it has the sequence
 * number, the port and the type that were asked for, and what the parsers find in it is what a
 * second, plain reading of the same bytes finds (rtnetlink(7), genetlink.rst).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "links/device_stats_parse.h"
#include "links/features_parse.h"
#include "links/message.h"
#include "links/next_hop_parse.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct nlmsghdr request = {.nlmsg_seq = 1, .nlmsg_pid = 2};

/* The last attribute of this type at `offset` of a message, or NULL. The list ends at the first
 * that does not fit. */
static const uint8_t *find(const uint8_t *message, size_t offset, unsigned int type, size_t *length)
{
	const uint8_t *found = NULL;
	size_t end = read32(message);

	while (offset + 4 <= end) {
		size_t whole = read16(message + offset);

		if (whole < 4 || whole > end - offset)
			break;
		if ((read16(message + offset + 2) & NLA_TYPE_MASK) == type) {
			found = message + offset + 4;
			*length = whole - 4;
		}
		offset += (whole + 3) / 4 * 4;
	}
	return found;
}

/* ---- routes ---- */

/* The address of the last attribute of this type; all zero: there is none. */
static struct xmc_addr find_address(const uint8_t *message, unsigned int type)
{
	size_t length, expected = message[16] == AF_INET ? 4 : 16;
	const uint8_t *found = find(message, 16 + sizeof(struct rtmsg), type, &length);
	struct xmc_addr address = {0};

	if (!found)
		return address;
	must(length == expected);
	memcpy(&address.b[16 - expected], found, expected);
	if (expected == 4)
		address.w[2] = htonl(0xffff);
	return address;
}

/* An IPv4 route may have an IPv6 gateway: the family, then the address. Of both attributes the last
 * counts, so a route with both is not checked. */
static void check_gateway(const uint8_t *message, const struct xmc_addr *to,
			  const struct next_hop *hop)
{
	struct xmc_addr gateway = find_address(message, RTA_GATEWAY), expected = *to;
	size_t length;
	const uint8_t *via = find(message, 16 + sizeof(struct rtmsg), RTA_VIA, &length);

	if (via) {
		must(length == 18 && read16(via) == AF_INET6);
		memcpy(expected.b, via + 2, 16);
	}
	if (find(message, 16 + sizeof(struct rtmsg), RTA_GATEWAY, &length)) {
		if (via)
			return;
		expected = gateway;
	}
	must(addr_equal(&hop->via, &expected));
}

static void check_hop(const uint8_t *message, const struct xmc_addr *to, const struct next_hop *hop)
{
	struct xmc_addr address = find_address(message, RTA_DST);
	size_t length, offset = 16 + sizeof(struct rtmsg);
	bool encapsulated = find(message, offset, RTA_ENCAP, &length) ||
			    find(message, offset, RTA_ENCAP_TYPE, &length);
	bool gateway = find(message, offset, RTA_GATEWAY, &length) ||
		       find(message, offset, RTA_VIA, &length);
	unsigned int type = message[16 + 7];
	const uint8_t *oif;

	must(read32(message) >= offset && message[16] == addr_family(to));
	must(addr_equal(&address, to));
	must((hop->kind == NEXT_HOP_UNREACHABLE) == (hop->error < 0));
	if (hop->kind == NEXT_HOP_UNREACHABLE) {
		must(type == RTN_UNREACHABLE || type == RTN_PROHIBIT || type == RTN_BLACKHOLE);
		must(!hop->ifindex && addr_is_any(&hop->source) && addr_is_any(&hop->via));
		return;
	}
	oif = find(message, offset, RTA_OIF, &length);
	must(oif && length == 4 && hop->ifindex > 0 && read32(oif) == (uint32_t)hop->ifindex);
	address = find_address(message, RTA_PREFSRC);
	must(addr_equal(&hop->source, &address));
	check_gateway(message, to, hop);
	must((hop->kind == NEXT_HOP_ENCAPSULATED) == encapsulated);
	if (hop->kind == NEXT_HOP_LOCAL)
		must(type == RTN_LOCAL || type == RTN_ANYCAST);
	else if (hop->kind == NEXT_HOP_BROADCAST)
		must(type == RTN_BROADCAST);
	else if (hop->kind != NEXT_HOP_ENCAPSULATED)
		must((type == RTN_UNICAST || type == RTN_MULTICAST) &&
		     (hop->kind == NEXT_HOP_GROUP) == (addr_is_multicast(to) && !gateway));
}

static void read_route(const struct nlmsghdr *answer)
{
	static const char *const destinations[] = {"10.20.1.1", "239.1.1.1", "fd20::1", "ff3e::1"};

	for (size_t i = 0; i < sizeof(destinations) / sizeof(*destinations); i++) {
		struct xmc_addr to;
		struct next_hop hop;
		int err;

		must(addr_parse(destinations[i], &to));
		err = next_hop_parse(answer, &to, &hop);
		must(!err || err == -EPROTO || err == -EBADMSG);
		if (!err)
			check_hop((const uint8_t *)answer, &to, &hop);
	}
}

/* ---- other answers ---- */

/* tests/fuzz/fuzz_netlink.c checks what it finds. */
static void read_neighbour(const struct nlmsghdr *answer)
{
	struct neighbour neighbour;
	int result = neighbour_parse(answer, &neighbour);

	must(result == 1 || result == 0 || result == -EBADMSG);
}

static void read_family(const struct nlmsghdr *answer)
{
	const uint8_t *message = (const uint8_t *)answer, *id;
	struct features_family family;
	int err = features_parse_family(answer, &family);
	size_t length;

	must(!err || err == -EPROTO || err == -EBADMSG);
	if (err) {
		must(!family.id && !family.group);
		return;
	}
	must(message[16] == CTRL_CMD_NEWFAMILY && family.id >= GENL_MIN_ID);
	id = find(message, 16 + GENL_HDRLEN, CTRL_ATTR_FAMILY_ID, &length);
	must(id && length == 2 && read16(id) == family.id);
	if (family.group)
		must(find(message, 16 + GENL_HDRLEN, CTRL_ATTR_MCAST_GROUPS, &length));
}

/* ---- counters of devices ---- */

static void read_stats(const struct nlmsghdr *answer)
{
	const uint8_t *message = (const uint8_t *)answer, *found;
	struct device_stats stats = {};
	struct rtnl_link_stats64 counts;
	size_t length;

	if (device_stats_parse(answer, 1, &stats))
		return;
	must(read32(message + 16 + offsetof(struct if_stats_msg, ifindex)) == 1);
	found = find(message, 16 + sizeof(struct if_stats_msg), IFLA_STATS_LINK_64, &length);
	must(found && length >= 8 * sizeof(uint64_t));
	memcpy(&counts, found, 8 * sizeof(uint64_t));
	must(stats.tx_packets == counts.tx_packets && stats.tx_errors == counts.tx_errors);
	must(stats.tx_dropped == counts.tx_dropped && !stats.queue_drops);
}

static void read_queue(const struct nlmsghdr *answer)
{
	const uint8_t *message = (const uint8_t *)answer;
	struct device_stats stats = {};
	size_t length;

	if (device_stats_parse_queue(answer, 1, &stats))
		return;
	must(read32(message + 16 + offsetof(struct tcmsg, tcm_ifindex)) == 1);
	must(find(message, 16 + sizeof(struct tcmsg), TCA_STATS2, &length));
	must(!stats.tx_packets && !stats.tx_errors && !stats.tx_dropped);
}

/* Find and read the answer of this type; type 0: the acknowledgement. */
static void ask(const uint8_t *data, size_t size, uint16_t type,
		void (*read)(const struct nlmsghdr *answer))
{
	const struct nlmsghdr *answer = NULL;
	int result = message_answer(data, size, &request, type, &answer);

	must(result <= 1 && result >= -4095);
	if (result != 1)
		return;
	must((const uint8_t *)answer >= data && answer->nlmsg_len >= sizeof(*answer));
	must((const uint8_t *)answer + answer->nlmsg_len <= data + size);
	must(answer->nlmsg_seq == request.nlmsg_seq && answer->nlmsg_pid == request.nlmsg_pid);
	must(answer->nlmsg_type == (type ? type : NLMSG_ERROR));
	if (read)
		read(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As malloc() aligns it: what recv() writes to is aligned, too. */
	uint8_t *copy = malloc(size);

	must(copy || !size);
	if (size)
		memcpy(copy, data, size);
	ask(copy, size, RTM_NEWROUTE, read_route);
	ask(copy, size, RTM_NEWNEIGH, read_neighbour);
	ask(copy, size, GENL_ID_CTRL, read_family);
	ask(copy, size, RTM_NEWSTATS, read_stats);
	ask(copy, size, RTM_NEWQDISC, read_queue);
	ask(copy, size, 0, NULL);
	free(copy);
	return 0;
}
