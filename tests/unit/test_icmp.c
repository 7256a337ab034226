// SPDX-License-Identifier: BSD-2-Clause
/* ICMP errors: which are understood, and what of them; damaged and truncated ones. */
#include "watchdog.h"

#include <string.h>

#include "base/addr.h"
#include "links/icmp_parse.h"

/* IPv4 header, ICMP port unreachable, inner IPv4 header, inner UDP header. */
static const uint8_t ipv4[] = {
	0x45, 0,    0,	  56,	0, 0,  0,  0, 64, 1,
	0,    0,    10,	  0,	0, 9,  10, 0, 0,  1, /* 10.0.0.9 to .1 */
	3,    3,    0,	  0,	0, 0,  0,  0,	     /* refused */
	0x45, 0,    0,	  100,	0, 0,  0,  0, 63, 17,
	0,    0,    10,	  0,	0, 1,  10, 0, 0,  2, /* .1 to .2 */
	0x9c, 0x40, 0x17, 0x70, 0, 80, 0,  0,	     /* 40000 to 6000 */
};

#define IPV4_INNER 28

/* ICMPv6 port unreachable, inner IPv6 header, inner UDP header. */
static const uint8_t ipv6[] = {
	1, 4, 0, 0, 0, 0, 0, 0, 0x60, 0, 0,    0,    0,	   80,	 17, 63, 0xfd, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0,    0,    1,	   0xfd, 0,  0,	 0,    0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0,    2, 0x9c, 0x40, 0x17, 0x70, 0,  80, 0,    0,
};

static void expect_datagram(const struct icmp_error *error, const char *source, const char *to)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(&error->source, text), source);
	assert_string_equal(addr_format(&error->destination, text), to);
	assert_int_equal(error->source_port, 40000);
	assert_int_equal(error->destination_port, 6000);
}

/* What becomes of this message with other bytes at one place; -1: it is not understood. */
static int kind_of_ipv4(size_t at, uint8_t byte)
{
	uint8_t data[sizeof(ipv4)];
	struct icmp_error error;

	memcpy(data, ipv4, sizeof(data));
	data[at] = byte;
	return icmp_parse_ipv4(data, sizeof(data), &error) ? (int)error.kind : -1;
}

static void test_ipv4(void **state)
{
	static const int kinds[] = {
		ICMP_SAYS_UNREACHABLE, ICMP_SAYS_UNREACHABLE, ICMP_SAYS_REFUSED,
		ICMP_SAYS_REFUSED,     ICMP_SAYS_TOO_LARGE,   ICMP_SAYS_UNREACHABLE,
		ICMP_SAYS_UNREACHABLE, ICMP_SAYS_UNREACHABLE, ICMP_SAYS_UNREACHABLE,
		ICMP_SAYS_PROHIBITED,  ICMP_SAYS_PROHIBITED,  ICMP_SAYS_UNREACHABLE,
		ICMP_SAYS_UNREACHABLE, ICMP_SAYS_PROHIBITED,  ICMP_SAYS_UNREACHABLE,
		ICMP_SAYS_UNREACHABLE,
	};
	struct icmp_error error;

	assert_int_equal(icmp_parse_ipv4(ipv4, sizeof(ipv4), &error), 1);
	expect_datagram(&error, "10.0.0.1", "10.0.0.2");
	for (int code = 0; code < 256; code++)
		assert_int_equal(kind_of_ipv4(21, (uint8_t)code), code < 16 ? kinds[code] : -1);
	for (int type = 0; type < 256; type++)
		assert_int_equal(kind_of_ipv4(20, (uint8_t)type),
				 type == 3 ? ICMP_SAYS_REFUSED : -1);
}

static void test_ipv4_expired(void **state)
{
	uint8_t data[sizeof(ipv4)];
	struct icmp_error error;

	memcpy(data, ipv4, sizeof(data));
	data[20] = 11;
	data[21] = 0;
	assert_int_equal(icmp_parse_ipv4(data, sizeof(data), &error), 1);
	assert_int_equal(error.kind, ICMP_SAYS_EXPIRED);
	data[21] = 1; /* a fragment was missing */
	assert_int_equal(icmp_parse_ipv4(data, sizeof(data), &error), 0);
}

/* Any change of what is checked, and any missing byte. */
static void test_ipv4_others(void **state)
{
	struct icmp_error error;

	assert_int_equal(kind_of_ipv4(0, 0x65), -1);	      /* no IPv4 */
	assert_int_equal(kind_of_ipv4(0, 0x44), -1);	      /* a header too short */
	assert_int_equal(kind_of_ipv4(0, 0x4f), -1);	      /* too long */
	assert_int_equal(kind_of_ipv4(9, 17), -1);	      /* no ICMP */
	assert_int_equal(kind_of_ipv4(19, 2), -1);	      /* to another host than the source */
	assert_int_equal(kind_of_ipv4(IPV4_INNER, 0x65), -1); /* about no IPv4 */
	assert_int_equal(kind_of_ipv4(IPV4_INNER + 6, 0x1f), -1); /* about a later fragment */
	assert_int_equal(kind_of_ipv4(IPV4_INNER + 9, 6), -1);	  /* about TCP */
	assert_int_equal(kind_of_ipv4(IPV4_INNER + 15, 7), -1);	  /* about another host */
	for (size_t i = 0; i < sizeof(ipv4) - 4; i++)
		assert_int_equal(icmp_parse_ipv4(ipv4, i, &error), 0);
}

static int parse_ipv6(const uint8_t *data, size_t length, struct icmp_error *error)
{
	struct xmc_addr to;

	assert_true(addr_parse("fd00::1", &to));
	return icmp_parse_ipv6(data, length, &to, error);
}

/* As kind_of_ipv4(). */
static int kind_of_ipv6(uint8_t type, uint8_t code)
{
	uint8_t data[sizeof(ipv6)];
	struct icmp_error error;

	memcpy(data, ipv6, sizeof(data));
	data[0] = type;
	data[1] = code;
	return parse_ipv6(data, sizeof(data), &error) ? (int)error.kind : -1;
}

static void test_ipv6(void **state)
{
	static const int kinds[] = {
		ICMP_SAYS_UNREACHABLE, ICMP_SAYS_PROHIBITED, ICMP_SAYS_UNREACHABLE,
		ICMP_SAYS_UNREACHABLE, ICMP_SAYS_REFUSED,    ICMP_SAYS_PROHIBITED,
		ICMP_SAYS_PROHIBITED,
	};
	struct icmp_error error;

	assert_int_equal(parse_ipv6(ipv6, sizeof(ipv6), &error), 1);
	expect_datagram(&error, "fd00::1", "fd00::2");
	for (int code = 0; code < 256; code++)
		assert_int_equal(kind_of_ipv6(1, (uint8_t)code), code < 7 ? kinds[code] : -1);
	for (int type = 4; type < 256; type++)
		assert_int_equal(kind_of_ipv6((uint8_t)type, 0), -1);
	assert_int_equal(kind_of_ipv6(2, 0), ICMP_SAYS_TOO_LARGE);
	assert_int_equal(kind_of_ipv6(3, 0), ICMP_SAYS_EXPIRED);
	assert_int_equal(kind_of_ipv6(3, 1), -1);
}

static void test_ipv6_fragment(void **state)
{
	uint8_t data[sizeof(ipv6) + 8];
	struct icmp_error error;

	memcpy(data, ipv6, 48);
	memcpy(data + 48, (const uint8_t[]){17, 0, 0, 1, 0, 0, 0, 9}, 8);
	memcpy(data + 56, ipv6 + 48, sizeof(ipv6) - 48);
	data[8 + 6] = 44;
	assert_int_equal(parse_ipv6(data, sizeof(data), &error), 1);
	expect_datagram(&error, "fd00::1", "fd00::2");
	data[51] = 9; /* not the first */
	assert_int_equal(parse_ipv6(data, sizeof(data), &error), 0);
	data[51] = 1;
	data[48] = 6; /* of TCP */
	assert_int_equal(parse_ipv6(data, sizeof(data), &error), 0);
	for (size_t i = 0; i < 60; i++)
		assert_int_equal(parse_ipv6(data, i, &error), 0);
}

static void test_ipv6_others(void **state)
{
	uint8_t data[sizeof(ipv6)];
	struct icmp_error error;

	for (size_t i = 0; i < sizeof(ipv6) - 4; i++)
		assert_int_equal(parse_ipv6(ipv6, i, &error), 0);
	memcpy(data, ipv6, sizeof(data));
	data[8 + 23] = 2; /* about another host */
	assert_int_equal(parse_ipv6(data, sizeof(data), &error), 0);
	/* IPv4 in the form in which we keep it: it must not match an output's address. */
	memcpy(data, ipv6, sizeof(data));
	memset(data + 8 + 24, 0, 10);
	memset(data + 8 + 34, 0xff, 2);
	assert_int_equal(parse_ipv6(data, sizeof(data), &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),	      cmocka_unit_test(test_ipv4_expired),
		cmocka_unit_test(test_ipv4_others),   cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_ipv6_fragment), cmocka_unit_test(test_ipv6_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
