// SPDX-License-Identifier: BSD-2-Clause
/* Next hops and neighbours, as a real kernel answers. */
#include <cap-ng.h>
#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

#include "watchdog.h"
#include "link_bed.h"

#include "address.h"
#include "base/sandbox.h"
#include "links/features.h"
#include "links/link.h"
#include "links/next_hop.h"
#include "links/watch.h"

#define OTHER_MAC "02:00:00:00:00:03"

static struct netlink *netlink;

/* Beyond what the kernel needs to resolve a neighbour, or to give up (3 s). */
#define WAIT_ATTEMPTS 600
#define WAIT_MS	      50

static struct next_hop find(const char *to, const char *oif)
{
	struct xmc_addr destination = address(to);
	struct next_hop hop;

	memset(&hop, 0xa5, sizeof(hop));
	assert_int_equal(next_hop_find(netlink, &destination, NULL,
				       oif ? (int)if_nametoindex(oif) : 0, 0, &hop),
			 0);
	return hop;
}

static void assert_address(const struct xmc_addr *is, const char *expected)
{
	char text[ADDR_TEXT_SIZE];

	assert_string_equal(addr_format(is, text), expected);
}

/* A packet that leaves: its kind, its source (NULL: no address) and the neighbour. */
static void expect(const char *to, const char *oif, enum next_hop_kind kind, const char *leaves_by,
		   const char *source, const char *via)
{
	struct next_hop hop = find(to, oif);

	assert_int_equal(hop.kind, kind);
	assert_int_equal(hop.error, 0);
	assert_int_equal(hop.ifindex, (int)if_nametoindex(leaves_by));
	if (source)
		assert_address(&hop.source, source);
	else
		assert_true(addr_is_any(&hop.source));
	assert_address(&hop.via, via);
}

static void expect_unreachable(const char *to, const char *oif, int error)
{
	struct next_hop hop = find(to, oif);

	assert_int_equal(hop.kind, NEXT_HOP_UNREACHABLE);
	assert_int_equal(hop.error, error);
	assert_int_equal(hop.ifindex, 0);
	assert_true(addr_is_any(&hop.source));
}

/* ---- routes ---- */

static void test_on_link(void **state)
{
	expect("10.1.0.2", NULL, NEXT_HOP_HOST, "out0", "10.1.0.1", "10.1.0.2");
	expect("10.1.0.2", "out0", NEXT_HOP_HOST, "out0", "10.1.0.1", "10.1.0.2");
	expect("fd01::2", NULL, NEXT_HOP_HOST, "out0", "fd01::1", "fd01::2");
	expect("fe80::2", "out0", NEXT_HOP_HOST, "out0", "fe80::1", "fe80::2");
}

static void test_gateway(void **state)
{
	bed_run("ip route add 10.20.0.0/16 via 10.1.0.2");
	bed_run("ip route add fd20::/32 via fd01::2");
	bed_run("ip route add fd21::/32 via fe80::2 dev out0");
	bed_run("ip route add 10.21.0.0/16 via inet6 fe80::2 dev out0");
	bed_run("ip route add 10.22.0.0/16 via 10.1.0.2 src 10.1.0.9");
	expect("10.20.1.1", NULL, NEXT_HOP_HOST, "out0", "10.1.0.1", "10.1.0.2");
	expect("fd20::1", NULL, NEXT_HOP_HOST, "out0", "fd01::1", "fd01::2");
	expect("fd21::1", "out0", NEXT_HOP_HOST, "out0", "fd01::1", "fe80::2");
	expect("10.21.1.1", NULL, NEXT_HOP_HOST, "out0", "10.1.0.1", "fe80::2");
	expect("10.22.1.1", NULL, NEXT_HOP_HOST, "out0", "10.1.0.9", "10.1.0.2");
}

static bool is_one_of_several(const char *to)
{
	struct xmc_addr addr = address(to);

	return next_hop_is_one_of_several(netlink, &addr, NULL, 0, 0);
}

static void test_several(void **state)
{
	bed_run("ip route add 10.80.0.0/16 nexthop via 10.1.0.2 dev out0 nexthop via 10.1.0.3 dev "
		"out0");
	bed_run("ip route add 10.81.0.0/16 via 10.1.0.2");
	bed_run("ip route add fd80::/32 nexthop via fd01::2 dev out0 nexthop via fd01::3 dev out0");
	bed_run("ip route add fd81::/32 via fd01::2");
	bed_run("ip nexthop add id 80 via 10.1.0.2 dev out0");
	bed_run("ip nexthop add id 81 via 10.1.0.3 dev out0");
	bed_run("ip nexthop add id 82 group 80/81");
	bed_run("ip route add 10.82.0.0/16 nhid 82");
	assert_true(is_one_of_several("10.80.0.1"));
	assert_false(is_one_of_several("10.81.0.1"));
	assert_true(is_one_of_several("fd80::1"));
	assert_false(is_one_of_several("fd81::1"));
	assert_true(is_one_of_several("10.82.0.1"));
	assert_false(is_one_of_several("10.99.0.1")); /* no route */
}

static void test_groups(void **state)
{
	expect("239.1.1.1", "out0", NEXT_HOP_GROUP, "out0", "10.1.0.1", "239.1.1.1");
	expect("ff3e::1", "out0", NEXT_HOP_GROUP, "out0", "fd01::1", "ff3e::1");
	expect("ff02::1:2", "out0", NEXT_HOP_GROUP, "out0", "fe80::1", "ff02::1:2");
	/* An ordinary route, with and without a gateway. */
	bed_run("ip route add 239.7.0.0/16 dev out0");
	bed_run("ip route add 239.8.0.0/16 via 10.1.0.2");
	expect("239.7.1.1", NULL, NEXT_HOP_GROUP, "out0", "10.1.0.1", "239.7.1.1");
	expect("239.8.1.1", "out0", NEXT_HOP_HOST, "out0", "10.1.0.1", "10.1.0.2");
}

/* Wait until a new interface can carry IPv6: the kernel notices its carrier a moment later. */
static void wait_for_ipv6(const char *oif)
{
	for (int i = 0; i < WAIT_ATTEMPTS; i++) {
		if (find("ff3e::1", oif).kind == NEXT_HOP_GROUP)
			return;
		poll(NULL, 0, WAIT_MS);
	}
	fail_msg("no route for groups of IPv6 by %s", oif);
}

/* No address on the interface; IPv4 then takes that of another one, unless there is none. */
static void test_no_address(void **state)
{
	bed_run("ip link set bare1 up");
	wait_for_ipv6("bare0");
	expect("ff3e::1", "bare0", NEXT_HOP_GROUP, "bare0", NULL, "ff3e::1");
	expect("239.1.1.1", "bare0", NEXT_HOP_GROUP, "bare0", "10.1.0.1", "239.1.1.1");
	bed_run("ip -4 address flush dev out0");
	expect("239.1.1.1", "bare0", NEXT_HOP_GROUP, "bare0", NULL, "239.1.1.1");
	expect("239.1.1.1", "out0", NEXT_HOP_GROUP, "out0", NULL, "239.1.1.1");
	expect("10.1.0.2", "out0", NEXT_HOP_HOST, "out0", NULL, "10.1.0.2");
	expect_unreachable("10.1.0.2", NULL, -ENETUNREACH);
}

static void test_of_this_host(void **state)
{
	expect("10.1.0.1", NULL, NEXT_HOP_LOCAL, "lo", "10.1.0.1", "10.1.0.1");
	expect("127.0.0.1", NULL, NEXT_HOP_LOCAL, "lo", "127.0.0.1", "127.0.0.1");
	assert_int_equal(find("fd01::1", NULL).kind, NEXT_HOP_LOCAL);
	assert_int_equal(find("::1", NULL).kind, NEXT_HOP_LOCAL);
}

static void test_broadcast(void **state)
{
	expect("10.1.0.255", NULL, NEXT_HOP_BROADCAST, "out0", "10.1.0.1", "10.1.0.255");
	expect("255.255.255.255", "out0", NEXT_HOP_BROADCAST, "out0", "10.1.0.1",
	       "255.255.255.255");
}

static void test_unreachable(void **state)
{
	struct xmc_addr to = address("10.1.0.2");
	struct next_hop hop;

	bed_run("ip route add unreachable 10.30.0.0/16");
	bed_run("ip route add prohibit 10.31.0.0/16");
	bed_run("ip route add blackhole 10.32.0.0/16");
	bed_run("ip route add unreachable fd30::/32");
	bed_run("ip route add prohibit fd31::/32");
	bed_run("ip route add blackhole fd32::/32");
	expect_unreachable("10.99.0.1", NULL, -ENETUNREACH);
	expect_unreachable("10.30.0.1", NULL, -EHOSTUNREACH);
	expect_unreachable("10.31.0.1", NULL, -EACCES);
	expect_unreachable("10.32.0.1", NULL, -EINVAL);
	expect_unreachable("fd99::1", NULL, -ENETUNREACH);
	expect_unreachable("fd30::1", NULL, -EHOSTUNREACH);
	expect_unreachable("fd31::1", NULL, -EACCES);
	expect_unreachable("fd32::1", NULL, -EINVAL);
	expect_unreachable("fd99::1", "out0", -ENETUNREACH);
	/* With an interface, as for a socket that is bound to it: assumed to be on its link. */
	expect("10.99.0.1", "out0", NEXT_HOP_HOST, "out0", "10.1.0.1", "10.99.0.1");
	assert_int_equal(next_hop_find(netlink, &to, NULL, 12345, 0, &hop), -ENODEV);
	/* An interface that is down. */
	bed_run("ip link set bare0 down");
	expect_unreachable("239.1.1.1", "bare0", -ENETUNREACH);
	expect_unreachable("ff3e::1", "bare0", -ENETUNREACH);
	bed_run("ip link set bare0 up");
}

/* One of the two, and always the same one. With an interface it may be the other one: Linux 6.1
 * then takes the first of that interface. */
static void test_multipath(void **state)
{
	static const char *const interfaces[] = {NULL, "out0"};

	bed_run("ip route add 10.40.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.0.3");
	for (size_t i = 0; i < sizeof(interfaces) / sizeof(*interfaces); i++) {
		struct next_hop hop = find("10.40.0.1", interfaces[i]);

		assert_int_equal(hop.kind, NEXT_HOP_HOST);
		assert_true(hop.via.b[15] == 2 || hop.via.b[15] == 3);
		expect("10.40.0.1", interfaces[i], NEXT_HOP_HOST, "out0", "10.1.0.1",
		       hop.via.b[15] == 2 ? "10.1.0.2" : "10.1.0.3");
	}
}

static void test_dscp(void **state)
{
	struct xmc_addr to = address("10.50.0.1");
	struct next_hop hop;

	bed_run("ip route add 10.50.0.0/16 via 10.1.0.2");
	bed_run("ip route add 10.50.0.0/16 tos 0x10 via 10.1.0.3");
	assert_int_equal(next_hop_find(netlink, &to, NULL, 0, 0, &hop), 0);
	assert_address(&hop.via, "10.1.0.2");
	assert_int_equal(next_hop_find(netlink, &to, NULL, 0, 4, &hop), 0);
	assert_address(&hop.via, "10.1.0.3");
}

/* A rule may select the route by the source; the source stays. */
static void test_source(void **state)
{
	struct xmc_addr to = address("10.51.0.1"), other = address("10.1.0.9");
	struct xmc_addr foreign = address("10.99.0.9");
	struct next_hop hop;

	bed_run("ip route add 10.51.0.0/16 via 10.1.0.2");
	bed_run("ip route add 10.51.0.0/16 via 10.1.0.3 table 100");
	bed_run("ip rule add from 10.1.0.9 table 100");
	assert_int_equal(next_hop_find(netlink, &to, NULL, 0, 0, &hop), 0);
	assert_address(&hop.via, "10.1.0.2");
	assert_int_equal(next_hop_find(netlink, &to, &other, 0, 0, &hop), 0);
	assert_address(&hop.via, "10.1.0.3");
	assert_address(&hop.source, "10.1.0.9");
	assert_int_equal(next_hop_find(netlink, &to, &foreign, 0, 0, &hop), 0);
	assert_int_equal(hop.kind, NEXT_HOP_UNREACHABLE);
	bed_run("ip rule del from 10.1.0.9 table 100");
}

static void test_own_address(void **state)
{
	static const struct {
		const char *address;
		const char *oif;
		int result;
	} cases[] = {
		{"10.1.0.1", NULL, 0},
		{"10.1.0.9", "bare0", 0}, /* of another interface */
		{"10.1.0.2", NULL, -EADDRNOTAVAIL},
		{"10.1.0.255", NULL, -EADDRNOTAVAIL},
		{"10.99.0.1", NULL, -EADDRNOTAVAIL},
		{"fd01::1", NULL, 0},
		{"fd01::2", NULL, -EADDRNOTAVAIL},
		{"fd99::2", NULL, -EADDRNOTAVAIL},
		{"fe80::1", "out0", 0},
		{"fe80::1", "bare0", -EADDRNOTAVAIL},
		{"fe80::2", "out0", -EADDRNOTAVAIL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xmc_addr own = address(cases[i].address);
		int oif = cases[i].oif ? (int)if_nametoindex(cases[i].oif) : 0;

		if (own_address_find(netlink, &own, oif) != cases[i].result)
			fail_msg("%s on %s", cases[i].address, cases[i].oif);
	}
}

static void test_encapsulated(void **state)
{
	if (system("ip route add 10.60.0.0/16 encap ip id 7 dst 10.1.0.2 dev out0 2>/dev/null"))
		skip_for("this kernel has no encapsulating routes (CONFIG_LWTUNNEL)");
	assert_int_equal(find("10.60.0.1", NULL).kind, NEXT_HOP_ENCAPSULATED);
}

/* ---- neighbours ---- */

/* Call neighbour_find() until it has this result. */
static void wait_for(const char *via, int result, uint8_t mac[MAC_LENGTH])
{
	struct xmc_addr addr = address(via);
	int err = 1;

	for (int i = 0; i < WAIT_ATTEMPTS; i++) {
		err = neighbour_find(netlink, (int)if_nametoindex("out0"), &addr, mac);
		if (err == result)
			return;
		poll(NULL, 0, WAIT_MS);
	}
	fail_msg("neighbour_find() of %s: %d instead of %d", via, err, result);
}

static void use(const char *via)
{
	struct xmc_addr addr = address(via);

	assert_int_equal(neighbour_use(netlink, (int)if_nametoindex("out0"), &addr), 0);
}

static const char *mac_text(const uint8_t mac[MAC_LENGTH], char text[3 * MAC_LENGTH])
{
	snprintf(text, 3 * MAC_LENGTH, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return text;
}

static void assert_mac(const uint8_t mac[MAC_LENGTH], const char *expected)
{
	char text[3 * MAC_LENGTH];

	assert_string_equal(mac_text(mac, text), expected);
}

static void test_resolve(void **state)
{
	static const char *const neighbours[] = {"10.1.0.2", "fd01::2", "fe80::2"};
	uint8_t mac[MAC_LENGTH];

	for (size_t i = 0; i < sizeof(neighbours) / sizeof(*neighbours); i++) {
		wait_for(neighbours[i], -EAGAIN, mac);
		use(neighbours[i]);
		wait_for(neighbours[i], 0, mac);
		assert_mac(mac, PEER_MAC);
		/* In use already. */
		use(neighbours[i]);
		wait_for(neighbours[i], 0, mac);
	}
}

/* Nobody answers: not resolved, also after the kernel has given up, and it can be tried again. */
static void test_fail(void **state)
{
	uint8_t mac[MAC_LENGTH];

	use("10.1.0.77");
	wait_for("10.1.0.77", -EAGAIN, mac);
	bed_run("ip neigh change 10.1.0.77 dev out0 nud failed");
	wait_for("10.1.0.77", -EAGAIN, mac);
	bed_run_at_peer("ip address add 10.1.0.77/24 dev peer0");
	use("10.1.0.77");
	wait_for("10.1.0.77", 0, mac);
	assert_mac(mac, PEER_MAC);
}

static void wait_for_mac(const char *via, const char *expected)
{
	uint8_t mac[MAC_LENGTH] = {0};
	char text[3 * MAC_LENGTH];

	for (int i = 0; i < WAIT_ATTEMPTS; i++) {
		wait_for(via, 0, mac);
		if (strcmp(mac_text(mac, text), expected) == 0)
			return;
		poll(NULL, 0, WAIT_MS);
	}
	fail_msg("%s has %s, not %s", via, mac_text(mac, text), expected);
}

/* A neighbour gets another MAC address, and is heard with it. */
static void test_changed_mac(void **state)
{
	uint8_t mac[MAC_LENGTH];

	use("10.1.0.2");
	wait_for_mac("10.1.0.2", PEER_MAC);
	bed_run_at_peer("ip link set peer0 address " OTHER_MAC);
	bed_run_at_peer("ping -q -c 1 -W 20 10.1.0.1 >/dev/null");
	wait_for_mac("10.1.0.2", OTHER_MAC);
	bed_run_at_peer("ip link set peer0 address " PEER_MAC);
	bed_run_at_peer("ping -q -c 1 -W 20 10.1.0.1 >/dev/null");
	wait_for_mac("10.1.0.2", PEER_MAC);
	bed_run("ip neigh del 10.1.0.2 dev out0");
	wait_for("10.1.0.2", -EAGAIN, mac);
}

/* What an administrator has set stays, in all words that ip-neighbour(8) has for it. */
static void test_permanent(void **state)
{
	static const char check[] = "ip neigh show 10.1.0.6 dev out0 | grep -q PERMANENT";
	uint8_t mac[MAC_LENGTH];

	bed_run("ip neigh add 10.1.0.6 lladdr " OTHER_MAC " dev out0 nud permanent");
	bed_run(check);
	for (int i = 0; i < 3; i++)
		use("10.1.0.6");
	wait_for("10.1.0.6", 0, mac);
	assert_mac(mac, OTHER_MAC);
	bed_run(check);
}

static void test_no_neighbours(void **state)
{
	struct xmc_addr via = address("10.1.0.2");
	uint8_t mac[MAC_LENGTH];

	assert_int_equal(neighbour_find(netlink, 12345, &via, mac), -ENODEV);
	assert_int_equal(neighbour_use(netlink, 12345, &via), -ENODEV);
}

/* ---- rights ---- */

static void ignore(void *context, const struct link_event *event)
{
}

/* Everything that the daemon's main thread asks, confined as it is, with this capability (-1: none)
 * alone. Returns the result of neighbour_use(), or a positive line number. */
static int ask_confined(int capability)
{
	struct xmc_addr via = address("10.1.0.2");
	int out0 = (int)if_nametoindex("out0");
	uint8_t mac[MAC_LENGTH];
	struct link_watch *watch;
	struct netlink *confined;
	struct next_hop hop;
	struct link link;

	capng_clear(CAPNG_SELECT_CAPS);
	if (capability >= 0)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			     (unsigned int)capability);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return __LINE__;
	if (sandbox_start(true) || sandbox_enter(SANDBOX_MAIN))
		return __LINE__;
	if (link_watch_open(&watch) || link_watch_neighbours(watch, true) ||
	    link_watch_read(watch, ignore, NULL))
		return __LINE__;
	if (link_query("out0", &link) || link.features_known != !!features_family())
		return __LINE__;
	if (netlink_open(&confined, NETLINK_ROUTE) ||
	    next_hop_find(confined, &via, NULL, out0, 0, &hop) || hop.kind != NEXT_HOP_HOST ||
	    neighbour_find(confined, out0, &via, mac))
		return __LINE__;
	return neighbour_use(confined, out0, &via);
}

static void test_rights(void **state)
{
	static const struct {
		int capability, result;
	} cases[] = {{CAP_NET_ADMIN, 0}, {-1, -EPERM}};
	uint8_t mac[MAC_LENGTH];

	use("10.1.0.2");
	wait_for("10.1.0.2", 0, mac);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (!child) {
			int result = ask_confined(cases[i].capability);

			if (result > 0)
				fprintf(stderr, "line %d: %s\n", result, strerror(errno));
			_exit(result == cases[i].result ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

static void test_group_mac(void **state)
{
	static const struct {
		const char *group, *mac;
	} groups[] = {
		{"239.1.2.3", "01:00:5e:01:02:03"},	    {"239.129.2.3", "01:00:5e:01:02:03"},
		{"224.255.255.255", "01:00:5e:7f:ff:ff"},   {"ff3e::1", "33:33:00:00:00:01"},
		{"ff02::1:ffab:cdef", "33:33:ff:ab:cd:ef"},
	};
	uint8_t mac[MAC_LENGTH];

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		struct xmc_addr group = address(groups[i].group);

		group_mac(&group, mac);
		assert_mac(mac, groups[i].mac);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_link),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_of_this_host),
		cmocka_unit_test(test_broadcast),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_multipath),
		cmocka_unit_test(test_dscp),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_own_address),
		cmocka_unit_test(test_encapsulated),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_changed_mac),
		cmocka_unit_test(test_permanent),
		cmocka_unit_test(test_no_neighbours),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_group_mac),
		cmocka_unit_test(test_no_address), /* removes addresses */
	};

	int failed;

	if (!bed_open())
		return EXIT_SKIPPED;
	assert_int_equal(netlink_open(&netlink, NETLINK_ROUTE), 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	netlink_close(netlink);
	bed_close();
	return failed;
}
