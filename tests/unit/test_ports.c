// SPDX-License-Identifier: BSD-2-Clause
/* On which devices, and for how many RX queues, an intake has sockets. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "relay/ports.h"

static struct link make_link(const char *kind, int ifindex, unsigned int rx_queues)
{
	struct link link = {.ifindex = ifindex, .rx_queues = rx_queues};

	snprintf(link.name, sizeof(link.name), "eth%d", ifindex);
	snprintf(link.kind, sizeof(link.kind), "%s", kind);
	return link;
}

/* The members eth10, eth11, … with 1, 2, … RX queues. */
static void make_members(struct link *members, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		members[i] = make_link("", 10 + (int)i, i + 1);
		members[i].in_bond = true;
	}
}

static const struct iface_config all_queues, two_queues = {.queues = 2};

static void test_itself(void **state)
{
	const struct link link = make_link("", 7, 4);
	struct ports ports;

	for (int mode = 0; mode < 2; mode++) {
		ports_choose(&link, NULL, 0, mode ? IFACE_MODE_SKB : IFACE_MODE_NATIVE, &all_queues,
			     &ports);
		assert_false(ports.members);
		assert_false(ports.at_least);
		assert_int_equal(ports.count, 1);
		assert_int_equal(ports.list[0].ifindex, 7);
		assert_string_equal(ports.list[0].name, "eth7");
		assert_int_equal(ports.list[0].queues, 4);
		assert_int_equal(ports_room(&ports), 4);
	}
	ports_choose(&link, NULL, 0, IFACE_MODE_NATIVE, &two_queues, &ports);
	assert_int_equal(ports.list[0].queues, 2);
	assert_int_equal(ports.list[0].rx_queues, 4);
	assert_int_equal(ports_room(&ports), 2);
}

static void test_members(void **state)
{
	struct link bond = make_link("bond", 7, 16), members[3];
	struct ports ports;

	make_members(members, 3);
	members[1].bond_backup = true;
	members[2].features_known = true;
	ports_choose(&bond, members, 3, IFACE_MODE_NATIVE, &all_queues, &ports);
	assert_true(ports.members);
	assert_int_equal(ports.count, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(ports.list[i].ifindex, 10 + i);
		assert_int_equal(ports.list[i].queues, i + 1);
		assert_int_equal(ports.list[i].inactive, i == 1);
		assert_int_equal(ports.list[i].copy, i == 2);
	}
	assert_int_equal(ports_room(&ports), 9); /* 1 + 2 + 3, and 3 for another member */
	assert_ptr_equal(ports_by_index(&ports, 11), &ports.list[1]);
	assert_null(ports_by_index(&ports, 7));
	bond.bond_delivers_all = true;
	ports_choose(&bond, members, 3, IFACE_MODE_NATIVE, &two_queues, &ports);
	assert_false(ports.list[1].inactive);
	assert_int_equal(ports.list[2].queues, 2);
	assert_int_equal(ports.list[2].rx_queues, 3);
}

/* In skb mode packets have the queue numbers of the members, of which a bond always shows 16. */
static void test_skb(void **state)
{
	const struct link bond = make_link("bond", 7, 16), team = make_link("team", 7, 16);
	struct link members[3];
	struct ports ports;

	make_members(members, 3);
	ports_choose(&bond, members, 3, IFACE_MODE_SKB, &all_queues, &ports);
	assert_false(ports.members);
	assert_true(ports.at_least);
	assert_int_equal(ports.count, 1);
	assert_int_equal(ports.list[0].ifindex, 7);
	assert_int_equal(ports.list[0].queues, 3);
	/* Nobody runs the program of a team on its ports. */
	ports_choose(&team, members, 2, IFACE_MODE_NATIVE, &all_queues, &ports);
	assert_false(ports.members);
	assert_int_equal(ports.list[0].queues, 2);
	members[0].rx_queues = 32;
	ports_choose(&bond, members, 3, IFACE_MODE_SKB, &all_queues, &ports);
	assert_int_equal(ports.list[0].queues, 16);
}

static void test_no_members(void **state)
{
	const struct link bond = make_link("bond", 7, 16);
	struct ports ports;

	ports_choose(&bond, NULL, 0, IFACE_MODE_NATIVE, &all_queues, &ports);
	assert_true(ports.members);
	assert_int_equal(ports.count, 0);
	assert_int_equal(ports_room(&ports), 8);
}

/* More than there is room for. */
static void test_many(void **state)
{
	const struct link bond = make_link("bond", 7, 16);
	struct link members[XMC_MAX_MEMBERS + 2];
	struct ports ports;

	make_members(members, XMC_MAX_MEMBERS + 2);
	members[0].rx_queues = 2 * XMC_MAX_QUEUES;
	ports_choose(&bond, members, XMC_MAX_MEMBERS + 2, IFACE_MODE_NATIVE, &all_queues, &ports);
	assert_int_equal(ports.count, XMC_MAX_MEMBERS);
	assert_int_equal(ports.left_out, 2);
	assert_int_equal(ports.list[0].queues, XMC_MAX_QUEUES);
	assert_int_equal(ports.list[0].rx_queues, 2 * XMC_MAX_QUEUES);
	for (unsigned int i = 0; i < XMC_MAX_MEMBERS; i++)
		members[i].rx_queues = XMC_MAX_QUEUES;
	ports_choose(&bond, members, XMC_MAX_MEMBERS, IFACE_MODE_NATIVE, &all_queues, &ports);
	assert_int_equal(ports_room(&ports), XMC_SOCKET_SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_itself), cmocka_unit_test(test_members),
		cmocka_unit_test(test_skb),    cmocka_unit_test(test_no_members),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
