// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on what the kernel says of interfaces: any bytes, as what one recv() gave. The parser
 * ends, stays within the bytes, and tells of each message what a second, plain reading of the same
 * bytes finds (rtnetlink(7)).
 */
#include <errno.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "links/link_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(), which NDEBUG takes away. */
static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint32_t read32(const uint8_t *data)
{
	uint32_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

static uint16_t read16(const uint8_t *data)
{
	uint16_t value;

	memcpy(&value, data, sizeof(value));
	return value;
}

/* Walk over attributes. True: *value, of *length, is the next one of this type. The list ends where
 * one does not fit. */
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

/* The last one that is a name. */
static void check_name(const char *told, const uint8_t *data, size_t size)
{
	char name[IF_NAMESIZE] = "";
	const uint8_t *value;
	size_t length;

	while (next_attribute(&data, &size, IFLA_IFNAME, &value, &length)) {
		if (length && length <= sizeof(name) && !value[length - 1])
			memcpy(name, value, length);
	}
	must(strcmp(told, name) == 0);
}

/* The last one of this type; 0 if that is not of a number. */
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

static void check_link(const struct link_event *event, const uint8_t *message, size_t length)
{
	must(length >= 16 + sizeof(struct ifinfomsg));
	must(event->link.ifindex > 0 && read32(message + 20) == (uint32_t)event->link.ifindex);
	must(event->link.up == (read32(message + 24) & 1));
	message += 16 + sizeof(struct ifinfomsg);
	length -= 16 + sizeof(struct ifinfomsg);
	check_name(event->link.name, message, length);
	must(event->link.mtu == number(message, length, IFLA_MTU, 0));
	must(event->link.rx_queues == number(message, length, IFLA_NUM_RX_QUEUES, 0));
	must(event->link.xdp_program == program(message, length));
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
		must(type == RTM_NEWROUTE || type == RTM_DELROUTE);
		must(length >= 16 + sizeof(struct rtmsg) && event->link.ifindex == 0);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link_event event;
	/* As malloc() aligns it: what recv() writes to is aligned, too. */
	uint8_t *copy = malloc(size);
	const void *next = copy;
	size_t left = size;
	int got;

	must(copy || !size);
	if (size)
		memcpy(copy, data, size);
	for (;;) {
		const uint8_t *message = next;
		size_t before = left;

		got = link_parse(&next, &left, &event);
		if (got != 1)
			break;
		must(before >= 16 && left < before && read32(message) >= 16);
		must(read32(message) <= before);
		must((const uint8_t *)next == message + (before - left));
		must(before - left >= read32(message) && before - left < read32(message) + 4UL);
		must(!event.link.vlan_offload);
		check_event(&event, message, read32(message));
	}
	must(got == 0 || got == -EBADMSG);
	must(left == 0);
	free(copy);
	return 0;
}
