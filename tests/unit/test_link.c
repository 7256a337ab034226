// SPDX-License-Identifier: BSD-2-Clause
/* Interfaces, as a real kernel describes them: lo, which every namespace has, and missing ones. */
#include "watchdog.h"
#include "fds.h"

#include <errno.h>
#include <net/if_arp.h>

#include "links/link.h"

static void test_loopback(void **state)
{
	struct link link;

	memset(&link, 0xa5, sizeof(link));
	assert_int_equal(link_query("lo", &link), 0);
	assert_string_equal(link.name, "lo");
	assert_int_equal(link.ifindex, (int)if_nametoindex("lo"));
	assert_int_equal(link.type, ARPHRD_LOOPBACK);
	assert_true(link.mtu >= 68);
	assert_int_equal(link.rx_queues, 1);
	assert_false(ethtool_feature_is(link.offloads.active, ETHTOOL_RX_VLAN));
	assert_memory_equal(link.mac, "\0\0\0\0\0\0", MAC_LENGTH);
	assert_int_equal(link.xdp_features, 0);
}

static void test_missing(void **state)
{
	struct link link;

	assert_int_equal(link_query("no-such-if", &link), -ENODEV);
	assert_int_equal(link_query("fifteen-letters", &link), -ENODEV);
	assert_true(link_query("", &link) < 0);
}

static void test_ports(void **state)
{
	struct link list[2];
	unsigned int count = 9;

	assert_int_equal(link_query_ports((int)if_nametoindex("lo"), list, 2, &count), 0);
	assert_int_equal(count, 0);
}

static void test_no_descriptor_is_left_open(void **state)
{
	unsigned int before = count_fds();
	unsigned int count;
	struct link link;

	for (int i = 0; i < 10; i++) {
		assert_int_equal(link_query_ports(1, &link, 1, &count), 0);
		assert_int_equal(link_query("lo", &link), 0);
		assert_int_equal(link_query("no-such-if", &link), -ENODEV);
	}
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_no_descriptor_is_left_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
