// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on the messages that a watch reads: any bytes, as one recv() could return them. The
 * parsers end, stay within the bytes, and find in each message what a second, plain reading of the
 * same bytes finds (rtnetlink(7); family "netdev" of generic netlink).
 */
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "links/link_parse.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Walk over attributes. True: *value, of *length bytes, is the next one of this type. The list ends
 * at the first that does not fit. */
static bool next_attribute(const uint8_t **data, size_t *size, unsigned int type,
			   const uint8_t **value, size_t *length)
{
	while (*size >= 4) {
		const uint8_t *at = *data;
		size_t whole = read16(at), padded = (whole + 3) / 4 * 4;

		if (whole < 4 || whole > *size)
			return false;
		*data += padded < *size ? padded : *size;
		*size -= padded < *size ? padded : *size;
		*value = at + 4;
		*length = whole - 4;
		if ((read16(at + 2) & NLA_TYPE_MASK) == type)
			return true;
	}
	return false;
}

/* The last one that is a name counts. */
static void check_name(const char *parsed, const uint8_t *data, size_t size)
{
	char name[IF_NAMESIZE] = "";
	const uint8_t *value;
	size_t length;

	while (next_attribute(&data, &size, IFLA_IFNAME, &value, &length)) {
		if (length && length <= sizeof(name) && !value[length - 1])
			memcpy(name, value, length);
	}
	must(strcmp(parsed, name) == 0);
}

/* The last one of this type counts; 0 if it has another length than a number. */
static uint32_t number(const uint8_t *data, size_t size, unsigned int type, uint32_t otherwise)
{
	const uint8_t *value;
	size_t length;

	while (next_attribute(&data, &size, type, &value, &length))
		otherwise = length == 4 ? read32(value) : 0;
	return otherwise;
}

static uint32_t program(const uint8_t *data, size_t size)
{
	const uint8_t *value;
	uint32_t id = 0;
	size_t length;

	while (next_attribute(&data, &size, IFLA_XDP, &value, &length))
		id = length ? number(value, length, IFLA_XDP_PROG_ID, id) : id;
	return id;
}

/* The last one of the length of an Ethernet address counts. */
static void check_mac(const uint8_t mac[MAC_LENGTH], const uint8_t *data, size_t size)
{
	uint8_t expected[MAC_LENGTH] = {0};
	const uint8_t *value;
	size_t length;

	while (next_attribute(&data, &size, IFLA_ADDRESS, &value, &length)) {
		if (length == MAC_LENGTH)
			memcpy(expected, value, MAC_LENGTH);
	}
	must(memcmp(mac, expected, MAC_LENGTH) == 0);
}

static void check_link(const struct link_event *event, const uint8_t *message, size_t length)
{
	must(length >= 16 + sizeof(struct ifinfomsg));
	must(event->link.ifindex > 0 && read32(message + 20) == (uint32_t)event->link.ifindex);
	must(event->link.up == (read32(message + 24) & 1));
	must(event->link.carrier == (read32(message + 24) >> 16 & 1));
	message += 16 + sizeof(struct ifinfomsg);
	length -= 16 + sizeof(struct ifinfomsg);
	check_name(event->link.name, message, length);
	check_mac(event->link.mac, message, length);
	must(event->link.mtu == number(message, length, IFLA_MTU, 0));
	must(event->link.rx_queues == number(message, length, IFLA_NUM_RX_QUEUES, 0));
	must(event->link.xdp_program == program(message, length));
}

/* Fixed-size header of 12 bytes: family, …, ifindex at 4, state at 8. */
static void check_neighbour(const struct neighbour *neighbour, unsigned int type,
			    const uint8_t *message, size_t length)
{
	const uint8_t *attributes = message + 16 + sizeof(struct ndmsg), *value, *address = NULL;
	size_t size = length - 16 - sizeof(struct ndmsg), address_length = 4, found;
	const uint8_t *mac = NULL, *at = attributes;
	size_t left = size;
	unsigned int state;

	must(type == RTM_NEWNEIGH || type == RTM_DELNEIGH);
	must(length >= 16 + sizeof(struct ndmsg));
	must(message[16] == AF_INET || message[16] == AF_INET6);
	must(neighbour->ifindex > 0 && read32(message + 20) == (uint32_t)neighbour->ifindex);
	if (message[16] == AF_INET6)
		address_length = 16;
	while (next_attribute(&at, &left, NDA_DST, &value, &found)) {
		must(found == address_length);
		address = value;
	}
	must(address &&
	     memcmp(&neighbour->address.b[16 - address_length], address, address_length) == 0);
	at = attributes;
	left = size;
	while (next_attribute(&at, &left, NDA_LLADDR, &value, &found))
		mac = found == MAC_LENGTH ? value : NULL;
	state = type == RTM_NEWNEIGH ? read16(message + 24) : 0;
	must(neighbour->fixed == !!(state & (NUD_PERMANENT | NUD_NOARP)));
	must(neighbour->usable ==
	     (mac && (state & ~(unsigned int)(NUD_INCOMPLETE | NUD_FAILED) & 0xff)));
	must(memcmp(neighbour->mac, neighbour->usable ? mac : (const uint8_t[MAC_LENGTH]){0},
		    MAC_LENGTH) == 0);
}

static void check_event(const struct link_event *event, const uint8_t *message, size_t length)
{
	unsigned int type = read16(message + 4);

	switch (event->kind) {
	case LINK_EVENT_OTHER:
		break;
	case LINK_EVENT_CHANGED:
	case LINK_EVENT_GONE:
		must(type == (event->kind == LINK_EVENT_GONE ? RTM_DELLINK : RTM_NEWLINK));
		check_link(event, message, length);
		break;
	case LINK_EVENT_ADDRESS:
		must(type == RTM_NEWADDR || type == RTM_DELADDR);
		must(length >= 16 + sizeof(struct ifaddrmsg) && event->link.ifindex >= 0);
		must(!event->link.ifindex || read32(message + 20) == (uint32_t)event->link.ifindex);
		break;
	case LINK_EVENT_ROUTE:
		must(event->link.ifindex == 0);
		if (type == RTM_NEWROUTE || type == RTM_DELROUTE)
			must(length >= 16 + sizeof(struct rtmsg));
		else
			must(type == RTM_NEWRULE || type == RTM_DELRULE || type == RTM_NEWNEXTHOP ||
			     type == RTM_DELNEXTHOP);
		break;
	case LINK_EVENT_NEIGHBOUR:
		check_neighbour(&event->neighbour, type, message, length);
		break;
	case LINK_EVENT_ERROR:
		must(type == NLMSG_ERROR && length >= 16 + sizeof(struct nlmsgerr));
		must(event->error <= 0 && event->error >= -4095);
		must(read32(message + 16) == (uint32_t)event->error);
		break;
	case LINK_EVENT_OVERRUN:
		must(type == NLMSG_OVERRUN);
		break;
	default:
		abort();
	}
}

/* The messages of generic netlink that concern us have this type. */
static const struct features_family family = {.id = 0x1c, .group = 5};

static void check_features(const struct link_event *event, const uint8_t *message, size_t length)
{
	const uint8_t *value, *features = NULL, *at = message + 20;
	size_t left, found;

	if (event->kind == LINK_EVENT_ERROR || event->kind == LINK_EVENT_OVERRUN)
		return;
	must(event->kind == LINK_EVENT_OTHER || event->kind == LINK_EVENT_FEATURES);
	if (event->kind == LINK_EVENT_OTHER)
		return;
	must(read16(message + 4) == family.id && length >= 20 && event->link.features_known);
	left = length - 20;
	must(event->link.ifindex > 0 &&
	     number(at, left, NETDEV_A_DEV_IFINDEX, 0) == (uint32_t)event->link.ifindex);
	while (next_attribute(&at, &left, NETDEV_A_DEV_XDP_FEATURES, &value, &found)) {
		must(found == sizeof(event->link.xdp_features));
		features = value;
	}
	must(features && memcmp(features, &event->link.xdp_features, 8) == 0);
}

static void read_all(const uint8_t *data, size_t size, bool generic)
{
	/* As malloc() aligns it: what recv() writes to is aligned, too. */
	uint8_t *copy = malloc(size);
	struct link_event event;
	const void *next = copy;
	size_t left = size;
	int got;

	must(copy || !size);
	if (size)
		memcpy(copy, data, size);
	for (;;) {
		const uint8_t *message = next;
		size_t before = left;

		got = generic ? link_parse_features(&next, &left, &family, &event)
			      : link_parse(&next, &left, &event);
		if (got != 1)
			break;
		must(before >= 16 && left < before && read32(message) >= 16);
		must(read32(message) <= before);
		must((const uint8_t *)next == message + (before - left));
		must(before - left >= read32(message) && before - left < read32(message) + 4UL);
		must(!event.link.offloads.known);
		if (generic)
			check_features(&event, message, read32(message));
		else
			check_event(&event, message, read32(message));
	}
	must(got == 0 || got == -EBADMSG);
	must(left == 0);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_all(data, size, false);
	read_all(data, size, true);
	return 0;
}
