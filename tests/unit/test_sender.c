/* SPDX-License-Identifier: BSD-2-Clause */
/* What a sender socket reads out of packets: whole, cut at every byte, and of other kinds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "membership/sender_socket.h"

/* 10.2.0.9 to 239.2.2.2:6000, and fe80::9 to ff3e::2 at port 6000. */
static const unsigned char ipv4[28] = {0x45, 0, 0, 28,	0, 0, 0x40, 0, 8, 17,	0,    0, 10,
				       2,    0, 9, 239, 2, 2, 2,    0, 7, 0x17, 0x70, 0, 8};
static const unsigned char ipv6[48] = {
	0x60,	     [5] = 8,  [6] = 17, [8] = 0xfe,  [9] = 0x80,  [23] = 9, [24] = 0xff,
	[25] = 0x3e, [39] = 2, [41] = 7, [42] = 0x17, [43] = 0x70, [45] = 8};

struct packet {
	struct xmc_addr source, group;
	uint16_t port;
};

/* With the bytes at the end of an allocation, so that a sanitizer sees each read behind them. */
static bool parse(const unsigned char *bytes, size_t length, struct packet *packet)
{
	unsigned char *copy = malloc(length + 1);
	bool read;

	assert_non_null(copy);
	memcpy(copy + 1, bytes, length);
	read = sender_parse(copy + 1, length, &packet->source, &packet->group, &packet->port);
	free(copy);
	return read;
}

static void expect(const struct packet *packet, const char *source, const char *group)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(&packet->source, text), source);
	assert_string_equal(addr_format(&packet->group, text), group);
	assert_int_equal(packet->port, 6000);
}

static void test_whole(void **state)
{
	struct packet packet;

	assert_true(parse(ipv4, sizeof(ipv4), &packet));
	expect(&packet, "10.2.0.9", "239.2.2.2");
	assert_true(parse(ipv6, sizeof(ipv6), &packet));
	expect(&packet, "fe80::9", "ff3e::2");
}

static void test_cut(void **state)
{
	struct packet packet;

	for (size_t i = 0; i < 24; i++)
		assert_false(parse(ipv4, i, &packet));
	for (size_t i = 0; i < 44; i++)
		assert_false(parse(ipv6, i, &packet));
}

static void test_others(void **state)
{
	static const struct {
		size_t at;
		unsigned char byte;
	} changes[] = {{0, 0x44}, {0, 0x4f}, {0, 0x35}, {9, 6}, {6, 0x01}, {7, 1}};
	unsigned char bytes[sizeof(ipv4)];
	struct packet packet;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(bytes, ipv4, sizeof(bytes));
		bytes[changes[i].at] = changes[i].byte;
		assert_false(parse(bytes, sizeof(bytes), &packet));
	}
	/* The first fragment has the ports. */
	memcpy(bytes, ipv4, sizeof(bytes));
	bytes[6] = 0x20;
	assert_true(parse(bytes, sizeof(bytes), &packet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
