// SPDX-License-Identifier: BSD-2-Clause
/* Does what an output hands to the kernel leave the host? With a fake network. */
#include "watchdog.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "links/next_hop.h"
#include "relay/reach.h"

/* ---- the fake network ---- */

static struct link device;	 /* the only one, index 3 */
static struct next_hop hop;	 /* of all destinations */
static int hop_error;		 /* of the look-up */
static struct neighbour entry;	 /* what the kernel knows about the next hop */
static int entry_error;		 /* of the query */
static int use_error;		 /* of the request to resolve it */
static bool answers;		 /* it answers at once */
static bool several;		 /* the route has several next hops */
static unsigned int used, asked; /* requests to resolve it, and look-ups of routes */

struct netlink *redirects_netlink(struct redirects *redirects)
{
	return NULL;
}

int redirects_find(struct redirects *redirects, const char *name, struct link *link)
{
	*link = device;
	return strcmp(name, device.name) == 0 ? 0 : -ENODEV;
}

int redirects_find_index(struct redirects *redirects, int ifindex, struct link *link)
{
	*link = device;
	return ifindex == device.ifindex ? 0 : -ENODEV;
}

int next_hop_find(struct netlink *netlink, const struct xmc_addr *to, const struct xmc_addr *from,
		  int oif, uint8_t dscp, struct next_hop *found)
{
	asked++;
	*found = hop;
	return hop_error;
}

bool next_hop_is_one_of_several(struct netlink *netlink, const struct xmc_addr *to,
				const struct xmc_addr *from, int oif, uint8_t dscp)
{
	return several;
}

int own_address_find(struct netlink *netlink, const struct xmc_addr *address, int oif)
{
	return 0;
}

int neighbour_query(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		    struct neighbour *neighbour)
{
	*neighbour = entry;
	return entry_error;
}

int neighbour_use(struct netlink *netlink, int ifindex, const struct xmc_addr *via)
{
	used++;
	if (use_error)
		return use_error;
	entry_error = 0;
	entry.usable = answers;
	entry.unresolved = !answers;
	entry.failed = false;
	return 0;
}

/* ---- the tests ---- */

static struct rule_output output;
static struct reach reach;

static int set_up(void **state)
{
	device = (struct link){.name = "eth1", .ifindex = 3, .type = ARPHRD_ETHER};
	device.up = device.carrier = true;
	hop = (struct next_hop){.kind = NEXT_HOP_HOST, .ifindex = 3};
	assert_true(addr_parse("10.0.0.1", &hop.source));
	assert_true(addr_parse("10.0.0.9", &hop.via));
	entry = (struct neighbour){.ifindex = 3, .address = hop.via, .usable = true};
	hop_error = entry_error = use_error = 0;
	answers = several = false;
	used = asked = 0;
	output = (struct rule_output){.port = 6000};
	assert_true(addr_parse("10.9.9.9", &output.to));
	reach = (struct reach){};
	return 0;
}

static void expect(enum withheld withheld, const char *reason)
{
	reach_update(&reach, NULL, &output);
	assert_int_equal(reach.withheld, withheld);
	assert_string_equal(reach.reason, reason);
}

static void fails(void)
{
	entry.usable = false;
	entry.unresolved = entry.failed = true;
}

static void test_resolved(void **state)
{
	expect(WITHHELD_NOTHING, "");
	assert_true(reach.is_host && reach.resolved);
	assert_int_equal(reach.device, 3);
	assert_int_equal(used, 0);
}

/* Unknown: it is resolved before the first packet, and nothing is sent until it answers. */
static void test_unknown(void **state)
{
	entry_error = -ENOENT;
	expect(WITHHELD_UNREACHABLE, "");
	assert_int_equal(used, 1);
	entry_error = -ENOENT;
	answers = true;
	expect(WITHHELD_NOTHING, "");
	assert_int_equal(used, 2);
}

static void test_failed(void **state)
{
	fails();
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
	/* Others with the same next hop must see it as well. */
	assert_int_equal(used, 0);
	/* It is tried again, and the reason stays until it answers. */
	assert_false(reach_refresh(&reach, NULL, NS_PER_SECOND));
	assert_int_equal(used, 1);
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
	entry.unresolved = false;
	entry.usable = true;
	expect(WITHHELD_NOTHING, "");
	assert_false(reach.failed);
}

/* Another next hop has not failed yet. */
static void test_new_next_hop(void **state)
{
	fails();
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
	assert_true(addr_parse("fe80::9", &hop.via));
	entry.failed = false;
	expect(WITHHELD_UNREACHABLE, "");
	entry.failed = true;
	expect(WITHHELD_UNREACHABLE, "fe80::9 does not answer neighbour discovery");
}

/* Whenever it is not certain that a packet would be lost, packets are sent. */
static void test_uncertain(void **state)
{
	fails();
	several = true;
	expect(WITHHELD_NOTHING, "");
	several = false;
	entry_error = -ENOBUFS;
	expect(WITHHELD_NOTHING, "");
	entry_error = -ENOENT;
	use_error = -EPERM;
	expect(WITHHELD_NOTHING, "");
	entry_error = 0;
	device.type = ARPHRD_NONE;
	expect(WITHHELD_NOTHING, "");
	device.type = ARPHRD_ETHER;
	hop_error = -ENOBUFS;
	expect(WITHHELD_NOTHING, "");
	hop_error = 0;
	for (enum next_hop_kind kind = NEXT_HOP_UNREACHABLE; kind <= NEXT_HOP_ENCAPSULATED;
	     kind++) {
		hop.kind = kind;
		if (kind != NEXT_HOP_HOST)
			expect(WITHHELD_NOTHING, "");
	}
}

/* Nobody but packets can resolve it then, until the kernel can be asked again. */
static void test_unasked(void **state)
{
	fails();
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
	use_error = -EPERM;
	reach_refresh(&reach, NULL, NS_PER_SECOND);
	expect(WITHHELD_NOTHING, "");
	use_error = 0;
	reach_refresh(&reach, NULL, 2 * NS_PER_SECOND);
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
}

static void test_no_carrier(void **state)
{
	device.carrier = false;
	expect(WITHHELD_NO_CARRIER, "output interface eth1 has no carrier");
	/* The kernel refuses these. */
	device.up = false;
	expect(WITHHELD_NOTHING, "");
}

static void test_no_source(void **state)
{
	memset(&hop.source, 0, sizeof(hop.source));
	expect(WITHHELD_NO_SOURCE, "output interface eth1 has no address to send from");
	/* The kernel refuses those of IPv6. */
	assert_true(addr_parse("fd00::2", &output.to));
	expect(WITHHELD_NOTHING, "");
}

/* A group by a named interface needs no look-up. */
static void test_group(void **state)
{
	assert_true(addr_parse("239.1.1.1", &output.to));
	strcpy(output.iface, "eth1");
	expect(WITHHELD_NOTHING, "");
	assert_int_equal(asked, 0);
}

static void test_concerns(void **state)
{
	struct neighbour change;

	expect(WITHHELD_NOTHING, "");
	change = entry;
	assert_false(reach_concerns(&reach, &change));
	change.usable = false;
	assert_true(reach_concerns(&reach, &change));
	change.ifindex = 4;
	assert_false(reach_concerns(&reach, &change));
	change.ifindex = 3;
	change.address.b[15]++;
	assert_false(reach_concerns(&reach, &change));
	fails();
	expect(WITHHELD_UNREACHABLE, "10.0.0.9 does not answer ARP");
	/* It has failed again. */
	assert_false(reach_concerns(&reach, &entry));
}

/* A neighbour that only we use is kept. */
static void test_refresh(void **state)
{
	expect(WITHHELD_NOTHING, "");
	assert_true(reach_refresh(&reach, NULL, 20 * NS_PER_SECOND));
	assert_false(reach_refresh(&reach, NULL, 21 * NS_PER_SECOND));
	assert_true(reach_refresh(&reach, NULL, 36 * NS_PER_SECOND));
	assert_int_equal(used, 2);
	hop.kind = NEXT_HOP_GROUP;
	expect(WITHHELD_NOTHING, "");
	assert_false(reach_refresh(&reach, NULL, 90 * NS_PER_SECOND));
}

#define TEST(function) cmocka_unit_test_setup(function, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_resolved),	 TEST(test_unknown),   TEST(test_failed),
		TEST(test_new_next_hop), TEST(test_uncertain), TEST(test_unasked),
		TEST(test_no_carrier),	 TEST(test_no_source), TEST(test_group),
		TEST(test_concerns),	 TEST(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
