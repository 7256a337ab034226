/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "expect.h"

#include "address.h"

static void test_parse_and_format(void **state)
{
	static const char *const same[] = {"0.0.0.0", "10.0.0.1", "239.1.1.1",	  "255.255.255.255",
					   "::1",     "ff3e::1",  "2001:db8::1:2"};
	char text[ADDR_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct xmc_addr addr = address(same[i]);

		assert_string_equal(addr_format(&addr, text), same[i]);
	}
}

static void test_layout(void **state)
{
	struct xmc_addr addr = address("1.2.3.4");
	static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 1, 2, 3, 4};

	assert_memory_equal(addr.b, mapped, 16);
	addr = address("ff02::1");
	assert_int_equal(addr.b[0], 0xff);
	assert_int_equal(addr.b[15], 1);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",	      " ",	  "1.2.3",    "1.2.3.4.5",	"256.1.1.1", "01.2.3.4",
		"1.2.3.4 ",   " 1.2.3.4", "1.2.3.-4", "::ffff:1.2.3.4", "::g",	     "[::1]",
		"fe80::1%lo", "1.2.3.4:", "host",     "0x7f000001",	"1::2::3",
	};
	struct xmc_addr addr;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (addr_parse(bad[i], &addr))
			fail_msg("<%s> was taken for an address", bad[i]);
	}
}

static void test_classes(void **state)
{
	struct xmc_addr any = {0}, addr;

	assert_true(addr_is_any(&any));
	addr = address("0.0.0.0");
	assert_false(addr_is_any(&addr));
	addr = address("::");
	assert_true(addr_is_any(&addr));

	addr = address("223.255.255.255");
	assert_false(addr_is_multicast(&addr));
	addr = address("224.0.0.0");
	assert_true(addr_is_multicast(&addr));
	assert_true(addr_is_ipv4(&addr));
	assert_int_equal(addr_family(&addr), AF_INET);
	addr = address("239.255.255.255");
	assert_true(addr_is_multicast(&addr));
	addr = address("240.0.0.0");
	assert_false(addr_is_multicast(&addr));
	addr = address("ff3e::1");
	assert_true(addr_is_multicast(&addr));
	assert_false(addr_is_ipv4(&addr));
	assert_int_equal(addr_family(&addr), AF_INET6);
	addr = address("fe80::1");
	assert_false(addr_is_multicast(&addr));
}

static void test_equal(void **state)
{
	struct xmc_addr a = address("1.2.3.4"), b = address("1.2.3.4"), c = address("1.2.3.5");

	assert_true(addr_equal(&a, &b));
	assert_false(addr_equal(&a, &c));
}

static void test_endpoint(void **state)
{
	struct xmc_addr ipv4 = address("239.1.1.1"), ipv6 = address("ff3e::1");
	struct xmc_addr longest = address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	char text[ENDPOINT_TEXT_SIZE];

	assert_string_equal(endpoint_format(&ipv4, 5000, NULL, text), "239.1.1.1:5000");
	assert_string_equal(endpoint_format(&ipv4, 5000, "", text), "239.1.1.1:5000");
	assert_string_equal(endpoint_format(&ipv4, 1, "eth0.100", text), "239.1.1.1:1@eth0.100");
	assert_string_equal(endpoint_format(&ipv4, 0, "eth0", text), "239.1.1.1@eth0");
	assert_string_equal(endpoint_format(&ipv6, 0, NULL, text), "[ff3e::1]");
	assert_string_equal(endpoint_format(&ipv6, 65535, "br-lan", text),
			    "[ff3e::1]:65535@br-lan");
	assert_string_equal(endpoint_format(&longest, 65535, "123456789012345", text),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535@123456789012345");
}

static void test_sockaddr(void **state)
{
	struct xmc_addr ipv4 = address("10.1.2.3"), ipv6 = address("2001:db8::7");
	struct sockaddr_storage storage;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&storage;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&storage;

	assert_int_equal(addr_to_sockaddr(&ipv4, 5000, &storage), sizeof(*in));
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohs(in->sin_port), 5000);
	assert_int_equal(ntohl(in->sin_addr.s_addr), 0x0a010203);

	assert_int_equal(addr_to_sockaddr(&ipv6, 5000, &storage), sizeof(*in6));
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(in6->sin6_port), 5000);
	assert_int_equal(in6->sin6_scope_id, 0);
	assert_memory_equal(&in6->sin6_addr, ipv6.b, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_endpoint),
		cmocka_unit_test(test_sockaddr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
