// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel path carries, with which headers, and what keeps it from that. */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>

#include "kernel_path_env.c"

/* ---- headers ---- */

static void test_headers(void **state)
{
	const struct forward_output *out = forwards[0].outputs;

	start(true);
	assert_int_equal(in_map.target, KEY_FORWARD);
	assert_int_equal(watched, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(out[i].ifindex, i + 1);
		assert_int_equal(out[i].mtu, 1500);
		assert_memory_equal(&out[i].header.destination, &outputs[i].to, 16);
		assert_memory_equal(&out[i].header.source, &hops[1].source, 16);
		assert_int_equal(ntohs(out[i].header.port), 6000);
		assert_int_equal(ntohs(out[i].header.source_port), 40000);
		assert_int_equal(out[i].header.ttl, 7);
		assert_int_equal(out[i].header.tos, 40);
		assert_memory_equal(out[i].header.mac_from, links[i + 1].mac, MAC_LENGTH);
	}
	assert_int_equal(out[0].header.mac_to[0], 1);
	assert_int_equal(out[1].header.mac_to[0], 0xaa);
	assert_string_equal(read_now().rule.path, "kernel");
	assert_null(read_now().rule.path_reason);
	assert_null(kernel_path_reason(kernel));
	/* The second output's address turns out to be a broadcast address. */
	hops[HOST].kind = NEXT_HOP_BROADCAST;
	kernel_path_update(kernel);
	assert_memory_equal(out[1].header.mac_to, "\xff\xff\xff\xff\xff\xff", MAC_LENGTH);
	/* A change of anything is followed by the next update. */
	links[1].mac[0] = 4;
	addr_parse("10.0.0.9", &hops[GROUP].source);
	kernel_path_update(kernel);
	assert_int_equal(out[0].header.mac_from[0], 4);
	assert_memory_equal(&out[0].header.source, &hops[GROUP].source, 16);
}

/* `from`, and what packets keep. */
static void test_kept_headers(void **state)
{
	const struct forward_output *out = forwards[0].outputs;

	outputs[0].from_kept = true;
	outputs[0].ttl = RULE_TTL_DECREMENTED;
	outputs[0].dscp = RULE_DSCP_KEPT;
	outputs[1].ttl = RULE_TTL_KEPT;
	addr_parse("10.0.0.77", &outputs[1].from);
	/* Neither needs an address that the kernel chooses. */
	memset(&hops[GROUP].source, 0, sizeof(hops[GROUP].source));
	memset(&hops[HOST].source, 0, sizeof(hops[HOST].source));
	start(true);
	assert_int_equal(in_map.target, KEY_FORWARD);
	assert_null(read_now().rule.path_reason);
	assert_int_equal(out[0].ifindex, 1);
	assert_int_equal(out[0].header.flags, XMC_KEEP_SOURCE | XMC_DECREMENT_TTL | XMC_KEEP_TOS);
	assert_int_equal(out[1].ifindex, 2);
	assert_int_equal(out[1].header.flags, XMC_KEEP_TTL);
	assert_int_equal(out[1].header.tos, 40);
	assert_memory_equal(&out[1].header.source, &outputs[1].from, 16);
	assert_int_equal(ntohs(out[1].header.source_port), 40000);
	/* What has expired is withheld, and not lost. */
	forwards[0].rule.received = 10;
	forwards[0].sent[0] = (struct xmc_tally){.sent = 7, .ttl_expired = 3};
	forwards[0].sent[1] = (struct xmc_tally){.sent = 10};
	kernel_path_settle(kernel);
	assert_int_equal(read_now().outputs[0].withheld[WITHHELD_TTL_EXPIRED], 3);
	assert_int_equal(read_now().outputs[0].not_copied, 0);
	assert_int_equal(read_now().outputs[0].submitted, 7);
	assert_int_equal(totals.withheld, 3);
	assert_int_equal(totals.sent, 17);
}

/* ---- what is in the way ---- */

static void no_address(void)
{
	memset(&hops[GROUP].source, 0, sizeof(hops[GROUP].source));
}

static void down(void)
{
	links[1].up = false;
}

static void no_carrier(void)
{
	links[1].carrier = false;
}

static void missing(void)
{
	links[1].ifindex = 0;
}

static void unreachable(void)
{
	hops[GROUP] = (struct next_hop){.kind = NEXT_HOP_UNREACHABLE, .error = -ENETUNREACH};
}

static void prohibited(void)
{
	hops[HOST] = (struct next_hop){.kind = NEXT_HOP_UNREACHABLE, .error = -EACCES};
}

static void unresolved(void)
{
	resolved = false;
}

static void no_query(void)
{
	query_error = -ENOBUFS;
}

static void local(void)
{
	hops[HOST].kind = NEXT_HOP_LOCAL;
}

static void tunnel(void)
{
	hops[HOST].kind = NEXT_HOP_ENCAPSULATED;
}

static void no_transmit(void)
{
	links[2].xdp_features = LINK_XDP_BASIC;
}

static void refused(void)
{
	refuses = true;
}

static void no_ethernet(void)
{
	links[2].type = ARPHRD_NONE;
}

static void small_mtu(void)
{
	links[2].mtu = 1499;
}

static void limited(void)
{
	outputs[1].rate_pps = 5;
}

static void other_family(void)
{
	addr_parse("ff3e::1", &outputs[0].to);
}

static void skb(void)
{
	side.skb = true;
}

static void no_right(void)
{
	cannot_forward = "CAP_PERFMON is missing";
}

static void maps_full(void)
{
	forward_error = -E2BIG;
}

static const struct {
	void (*happens)(void);
	int error; /* of the first output, or of the second if `second`, or a negative enum
		      withheld; 0: it stays */
	bool second;
	const char *reason;
} obstacles[] = {
	{no_address, -WITHHELD_NO_SOURCE, false,
	 "output interface eth1 has no address to send from"},
	{down, ENETDOWN, false, "output interface eth1 is down"},
	{no_carrier, -WITHHELD_NO_CARRIER, false, "output interface eth1 has no carrier"},
	{missing, ENODEV, false, "output interface eth1 does not exist"},
	{unreachable, ENETUNREACH, false, "no route: Network is unreachable"},
	{prohibited, EACCES, true, "no route: Permission denied"},
	{unresolved, -WITHHELD_UNREACHABLE, true, "the MAC address of 10.0.0.2 is not known"},
	{no_query, ENOBUFS, false,
	 "the state of the output cannot be queried: No buffer space available"},
	{local, 0, true, "the destination is an address of this host"},
	{tunnel, 0, true, "the route puts packets into a tunnel"},
	{no_transmit, 0, true,
	 "output interface eth2 cannot transmit redirected packets: see docs/kernel-path.md"},
	{refused, 0, false,
	 "output interface eth1 has refused redirected packets: see docs/kernel-path.md"},
	{no_ethernet, 0, true, "output interface eth2 is no Ethernet interface"},
	{small_mtu, 0, true,
	 "the MTU of output interface eth2, 1499, is below that of the input, 1500"},
	{limited, 0, true, "rate limits need the user path"},
	{other_family, 0, false, "a change of the address family needs the user path"},
	{skb, 0, false, "in skb mode the kernel path supports one output"},
	{no_right, 0, false, "CAP_PERFMON is missing"},
	{maps_full, 0, false, "the XDP maps of the input are full"},
};

/* The rule is where it has to be while this is in the way. */
static void expect_obstacle(size_t i, bool strict)
{
	bool lasting = !obstacles[i].error;
	struct reading reading = read_now();

	assert_string_equal(reading.rule.path_reason, obstacles[i].reason);
	if (!strict) {
		assert_int_equal(in_map.target, KEY_USER);
		assert_string_equal(reading.rule.path, "user");
		assert_null(reading.outputs[0].reason);
		assert_null(kernel_path_reason(kernel));
	} else if (lasting) {
		assert_int_equal(in_map.target, KEY_NONE);
		assert_string_equal(kernel_path_reason(kernel), obstacles[i].reason);
	} else {
		/* The other output goes on. */
		assert_int_equal(in_map.target, KEY_FORWARD);
		assert_int_equal(in_map.forward->outputs[obstacles[i].second].ifindex, 0);
		assert_string_equal(reading.outputs[obstacles[i].second].reason,
				    obstacles[i].reason);
		if (obstacles[i].happens != no_query) {
			assert_int_not_equal(in_map.forward->outputs[!obstacles[i].second].ifindex,
					     0);
			assert_null(kernel_path_reason(kernel));
		}
	}
}

/* Each obstacle at the start, and later; and without it the kernel path carries the rule. */
static void test_obstacles(void **state)
{
	for (size_t i = 0; i < 2 * sizeof(obstacles) / sizeof(obstacles[0]); i++) {
		size_t which = i / 2;
		bool strict = i % 2;

		set_up(NULL);
		obstacles[which].happens();
		start(strict);
		expect_obstacle(which, strict);
		tear_down(NULL);

		set_up(NULL);
		start(strict);
		assert_int_equal(in_map.target, KEY_FORWARD);
		obstacles[which].happens();
		kernel_path_update(kernel);
		expect_obstacle(which, strict);
		tear_down(NULL);

		set_up(NULL);
		obstacles[which].happens();
		start(strict);
		clear_the_way();
		kernel_path_update(kernel);
		assert_int_equal(in_map.target, KEY_FORWARD);
		assert_null(read_now().rule.path_reason);
		tear_down(NULL);
	}
	set_up(NULL);
}

/* ---- neighbours ---- */

static void test_neighbours(void **state)
{
	struct neighbour neighbour = {.ifindex = 2, .usable = true};
	uint64_t now_ns = 1000 * NS_PER_SECOND;

	start(true);
	neighbour.address = outputs[1].to;
	memcpy(neighbour.mac, neighbour_mac, MAC_LENGTH);
	assert_false(kernel_path_concerns(kernel, &neighbour));
	neighbour.mac[0]++;
	assert_true(kernel_path_concerns(kernel, &neighbour));
	neighbour.ifindex = 1;
	assert_false(kernel_path_concerns(kernel, &neighbour));
	neighbour.ifindex = 2;
	neighbour.usable = false;
	assert_true(kernel_path_concerns(kernel, &neighbour));
	/* It is used every 15 seconds, and then its route is looked up again. */
	assert_true(kernel_path_has_hosts(kernel));
	assert_true(kernel_path_refresh(kernel, now_ns));
	assert_int_equal(used, 1);
	assert_false(kernel_path_refresh(kernel, now_ns + 14 * NS_PER_SECOND));
	assert_int_equal(used, 1);
	assert_true(kernel_path_refresh(kernel, now_ns + 15 * NS_PER_SECOND));
	assert_int_equal(used, 2);
	/* It has another address: at the next opportunity, so that the kernel verifies it. */
	neighbour_mac[0]++;
	kernel_path_update(kernel);
	kernel_path_refresh(kernel, now_ns + 15 * NS_PER_SECOND);
	assert_int_equal(used, 3);
	kernel_path_refresh(kernel, now_ns + 15 * NS_PER_SECOND);
	assert_int_equal(used, 3);
	/* Unresolved: at once, and each time. */
	resolved = false;
	kernel_path_update(kernel);
	assert_int_equal(used, 4);
	assert_true(kernel_path_refresh(kernel, now_ns + 16 * NS_PER_SECOND));
	assert_int_equal(used, 5);
	assert_true(kernel_path_refresh(kernel, now_ns + 17 * NS_PER_SECOND));
	resolved = true;
	kernel_path_update(kernel);
	assert_false(kernel_path_refresh(kernel, now_ns + 18 * NS_PER_SECOND));
}

/* What changed forwards have left in full maps is removed before another one is refused. */
static void test_room(void **state)
{
	forward_error = -EIO;
	retired = 1;
	start(false);
	assert_int_equal(in_map.target, KEY_USER);
	assert_int_equal(waits, 0);
	for (int i = 0; i < 2; i++) {
		forward_error = i ? -ENOSPC : -E2BIG;
		retired = 0;
		kernel_path_update(kernel);
		assert_int_equal(in_map.target, KEY_USER);
		assert_int_equal(waits, i);
		retired = 3;
		kernel_path_update(kernel);
		assert_int_equal(in_map.target, KEY_FORWARD);
		assert_int_equal(waits, i + 1);
		forward_error = -EIO;
		kernel_path_update(kernel);
	}
}

/* The same for the forward of a rule on the user path that has a lease. */
static void test_room_of_lease(void **state)
{
	forward_error = -E2BIG;
	retired = 1;
	start_as(RULE_PATH_USER, 5);
	assert_int_equal(in_map.target, KEY_USER);
	assert_ptr_equal(in_map.forward, &forwards[0]);
	assert_int_equal(waits, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept_headers, set_up, tear_down),
		cmocka_unit_test_setup(test_obstacles, set_up),
		cmocka_unit_test_setup_teardown(test_neighbours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_of_lease, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
