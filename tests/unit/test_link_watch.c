// SPDX-License-Identifier: BSD-2-Clause
/* What a watch reports of interfaces, addresses, routes, neighbours and features, and what not. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdalign.h>
#include <sys/socket.h>

#include "watchdog.h"
#include "fds.h"
#include "link_bed.h"

#include "base/addr.h"
#include "links/link.h"
#include "links/watch.h"

/* The event that a test waits for. */
struct wanted {
	enum link_event_kind kind;
	int ifindex;
	const char *address; /* of a neighbour; NULL: any */
	bool usable;
	struct link_event found;
	unsigned int count;
	unsigned int neighbours; /* of any address */
};

static void on_event(void *context, const struct link_event *event)
{
	struct wanted *wanted = context;
	bool neighbour = event->kind == LINK_EVENT_NEIGHBOUR;
	char text[ADDR_TEXT_SIZE];

	wanted->neighbours += neighbour;
	if (event->kind != wanted->kind ||
	    (neighbour ? event->neighbour.ifindex : event->link.ifindex) != wanted->ifindex)
		return;
	if (neighbour &&
	    (strcmp(addr_format(&event->neighbour.address, text), wanted->address) != 0 ||
	     event->neighbour.usable != wanted->usable))
		return;
	wanted->found = *event;
	wanted->count++;
}

/* Read until the event has been seen; the watchdog ends a test that waits for ever. */
static void wait_for(struct link_watch *watch, struct wanted *wanted)
{
	struct pollfd readable = {.fd = link_watch_fd(watch), .events = POLLIN};

	while (!wanted->count) {
		assert_true(poll(&readable, 1, -1) > 0 || errno == EINTR);
		assert_int_equal(link_watch_read(watch, on_event, wanted), 0);
	}
}

/* Read what is there. */
static void drain(struct link_watch *watch, struct wanted *wanted)
{
	struct pollfd readable = {.fd = link_watch_fd(watch), .events = POLLIN};

	while (poll(&readable, 1, 0) > 0)
		assert_int_equal(link_watch_read(watch, on_event, wanted), 0);
}

static int open_watch(void **state)
{
	watchdog_start("link watch");
	return link_watch_open((struct link_watch **)state);
}

static int close_watch(void **state)
{
	link_watch_close(*state);
	watchdog_stop();
	return 0;
}

static void test_links_addresses_routes(void **state)
{
	static const char *const routes[] = {
		"ip route add 10.33.0.0/16 via 10.1.0.2",
		"ip route add fd33::/32 via fd01::2",
		"ip route del 10.33.0.0/16",
		"ip rule add to 10.33.0.0/16 table 33",
		"ip -6 rule add to fd33::/32 table 33",
		"ip nexthop add id 33 via 10.1.0.2 dev out0",
	};
	int out0 = (int)if_nametoindex("out0");
	struct wanted changed = {.kind = LINK_EVENT_CHANGED, .ifindex = out0};
	struct wanted address = {.kind = LINK_EVENT_ADDRESS, .ifindex = out0};
	struct wanted route = {.kind = LINK_EVENT_ROUTE};
	struct link_watch *watch = *state;

	bed_run("ip link set out0 mtu 1400");
	wait_for(watch, &changed);
	assert_int_equal(changed.found.link.mtu, 1400);
	assert_true(changed.found.link.up);
	bed_run("ip address add 10.1.0.33/24 dev out0");
	wait_for(watch, &address);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		drain(watch, &route);
		route.count = 0;
		bed_run(routes[i]);
		wait_for(watch, &route);
	}
}

static void test_carrier_and_mac(void **state)
{
	struct wanted changed = {.kind = LINK_EVENT_CHANGED,
				 .ifindex = (int)if_nametoindex("bare0")};
	struct link_watch *watch = *state;
	struct link link;

	assert_int_equal(link_query("bare0", &link), 0);
	assert_true(link.up);
	assert_false(link.carrier);
	bed_run("ip link set bare1 up");
	while (!changed.found.link.carrier) {
		changed.count = 0;
		wait_for(watch, &changed);
	}
	assert_int_equal(link_query("bare0", &link), 0);
	assert_true(link.carrier);
	bed_run("ip link set bare0 address " OUT_MAC);
	assert_int_equal(link_query("bare0", &link), 0);
	assert_memory_equal(link.mac, "\x02\0\0\0\0\1", MAC_LENGTH);
}

static void test_neighbours(void **state)
{
	int out0 = (int)if_nametoindex("out0");
	struct wanted usable = {LINK_EVENT_NEIGHBOUR, out0, "10.1.0.7", .usable = true};
	struct wanted unusable = {LINK_EVENT_NEIGHBOUR, out0, "10.1.0.7", .usable = false};
	struct wanted ipv6 = {LINK_EVENT_NEIGHBOUR, out0, "fd01::7", .usable = true};
	struct wanted address = {.kind = LINK_EVENT_ADDRESS, .ifindex = out0};
	struct link_watch *watch = *state;

	/* Off at first. The address ends the wait: what came before has been read then. */
	bed_run("ip neigh add 10.1.0.8 lladdr " PEER_MAC " dev out0");
	bed_run("ip address add 10.1.0.34/24 dev out0");
	wait_for(watch, &address);
	assert_int_equal(address.neighbours, 0);

	assert_int_equal(link_watch_neighbours(watch, true), 0);
	assert_int_equal(link_watch_neighbours(watch, true), 0);
	bed_run("ip neigh add 10.1.0.7 lladdr " PEER_MAC " dev out0 nud stale");
	wait_for(watch, &usable);
	assert_memory_equal(usable.found.neighbour.mac, "\x02\0\0\0\0\2", MAC_LENGTH);
	usable.count = 0;
	bed_run("ip neigh change 10.1.0.7 lladdr " OUT_MAC " dev out0 nud stale");
	wait_for(watch, &usable);
	assert_memory_equal(usable.found.neighbour.mac, "\x02\0\0\0\0\1", MAC_LENGTH);
	bed_run("ip neigh del 10.1.0.7 dev out0");
	wait_for(watch, &unusable);
	bed_run("ip neigh add fd01::7 lladdr " PEER_MAC " dev out0");
	wait_for(watch, &ipv6);
	assert_true(ipv6.found.neighbour.fixed);

	assert_int_equal(link_watch_neighbours(watch, false), 0);
	drain(watch, &usable);
	bed_run("ip neigh add 10.1.0.10 lladdr " PEER_MAC " dev out0");
	address = (struct wanted){.kind = LINK_EVENT_ADDRESS, .ifindex = out0};
	bed_run("ip address add 10.1.0.35/24 dev out0");
	wait_for(watch, &address);
	assert_int_equal(address.neighbours, 0);
}

/* A veth device can transmit redirected frames once the other end has GRO. */
static void test_features(void **state)
{
	struct wanted features = {.kind = LINK_EVENT_FEATURES,
				  .ifindex = (int)if_nametoindex("out0")};
	struct link_watch *watch = *state;
	struct link link;

	assert_int_equal(link_query("out0", &link), 0);
	if (!link.features_known)
		skip_for("this kernel does not report XDP features (Linux 6.3)");
	assert_true(link.xdp_features & LINK_XDP_BASIC);
	assert_false(link.xdp_features & LINK_XDP_NDO_XMIT);
	bed_run_at_peer("ethtool -K peer0 gro on");
	while (!(features.found.link.xdp_features & LINK_XDP_NDO_XMIT)) {
		features.count = 0;
		wait_for(watch, &features);
	}
	assert_true(features.found.link.features_known);
	assert_int_equal(link_query("out0", &link), 0);
	assert_true(link.xdp_features & LINK_XDP_NDO_XMIT);
	bed_run_at_peer("ethtool -K peer0 gro off");
	while (features.found.link.xdp_features & LINK_XDP_NDO_XMIT) {
		features.count = 0;
		wait_for(watch, &features);
	}
	assert_int_equal(link_query("lo", &link), 0);
	assert_true(link.features_known);
	assert_int_equal(link.xdp_features, 0);
}

/* A privileged process may send messages to the watch's socket as well; only the kernel's count.
 * The kernel has given the number of this process to its first netlink socket. */
static void test_forged(void **state)
{
	struct wanted address = {.kind = LINK_EVENT_ADDRESS,
				 .ifindex = (int)if_nametoindex("out0")};
	const struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = (uint32_t)getpid()};
	struct mnl_socket *other = mnl_socket_open(NETLINK_ROUTE);
	alignas(4) char buffer[128] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	struct link_watch *watch = *state;

	assert_non_null(other);
	message->nlmsg_type = RTM_NEWNEIGH;
	info->ndm_family = AF_INET;
	info->ndm_ifindex = address.ifindex;
	info->ndm_state = NUD_STALE;
	mnl_attr_put(message, NDA_DST, 4, "\x0a\1\0\2");
	assert_int_equal(sendto(mnl_socket_get_fd(other), buffer, message->nlmsg_len, 0,
				(const struct sockaddr *)&to, sizeof(to)),
			 message->nlmsg_len);
	assert_int_equal(poll(&(struct pollfd){.fd = link_watch_fd(watch), .events = POLLIN}, 1, 0),
			 1);
	bed_run("ip address add 10.1.0.37/24 dev out0");
	wait_for(watch, &address);
	assert_int_equal(address.neighbours, 0);
	mnl_socket_close(other);
}

/* More than the socket holds: reported, and then it goes on. */
static void test_overrun(void **state)
{
	struct wanted address = {.kind = LINK_EVENT_ADDRESS,
				 .ifindex = (int)if_nametoindex("out0")};
	struct link_watch *watch = *state;
	int result = 0;

	bed_run("for i in $(seq 20000); do echo route add 10.70.$((i / 256)).$((i % 256)) "
		"via 10.1.0.2; done | ip -batch -");
	while (poll(&(struct pollfd){.fd = link_watch_fd(watch), .events = POLLIN}, 1, 0) > 0) {
		int err = link_watch_read(watch, on_event, &address);

		assert_true(err == 0 || err == -ENOBUFS);
		result = err ? err : result;
	}
	assert_int_equal(result, -ENOBUFS);
	bed_run("ip address add 10.1.0.36/24 dev out0");
	wait_for(watch, &address);
}

static void test_no_descriptor_is_left_open(void **state)
{
	unsigned int before = count_fds();
	struct link_watch *watch;

	for (int i = 0; i < 10; i++) {
		assert_int_equal(link_watch_open(&watch), 0);
		link_watch_close(watch);
	}
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_links_addresses_routes, open_watch,
						close_watch),
		cmocka_unit_test_setup_teardown(test_carrier_and_mac, open_watch, close_watch),
		cmocka_unit_test_setup_teardown(test_neighbours, open_watch, close_watch),
		cmocka_unit_test_setup_teardown(test_features, open_watch, close_watch),
		cmocka_unit_test_setup_teardown(test_forged, open_watch, close_watch),
		cmocka_unit_test_setup_teardown(test_overrun, open_watch, close_watch),
		cmocka_unit_test(test_no_descriptor_is_left_open),
	};
	int failed;

	if (!bed_open())
		return EXIT_SKIPPED;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	bed_close();
	return failed;
}
