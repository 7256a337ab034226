// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel path carries, with which headers, and how its packets are accounted for, on a
 * network and a steering program that the tests make up. */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <time.h>

#include "dataplane/output_socket.h"
#include "links/next_hop.h"
#include "relay/kernel_path.h"
#include "steering/forward.h"

#define MAX 8

/* ---- a network ---- */

static struct link links[MAX]; /* by index, from 1 on; ifindex 0: does not exist */
static int query_error;
static struct next_hop hops[MAX]; /* of the host or group whose last byte this is */
static bool resolved;
static uint8_t neighbour_mac[MAC_LENGTH];
static unsigned int used; /* calls of neighbour_use() */
static bool refuses;
static unsigned int watched;

struct netlink *redirects_netlink(struct redirects *redirects)
{
	return NULL;
}

int redirects_find_index(struct redirects *redirects, int ifindex, struct link *link)
{
	if (query_error)
		return query_error;
	*link = links[ifindex];
	return link->ifindex ? 0 : -ENODEV;
}

int redirects_find(struct redirects *redirects, const char *name, struct link *link)
{
	for (int i = 1; i < MAX; i++) {
		if (links[i].ifindex && strcmp(links[i].name, name) == 0)
			return redirects_find_index(redirects, i, link);
	}
	return -ENODEV;
}

int redirects_watch(struct redirects *redirects, int from, int to, bool skb)
{
	watched++;
	return 0;
}

bool redirects_refuse(const struct redirects *redirects, int from, int to)
{
	return refuses;
}

int next_hop_find(struct netlink *netlink, const struct xmc_addr *to, const struct xmc_addr *from,
		  int oif, uint8_t dscp, struct next_hop *hop)
{
	*hop = hops[to->b[15]];
	return 0;
}

bool next_hop_is_one_of_several(struct netlink *netlink, const struct xmc_addr *to,
				const struct xmc_addr *from, int oif, uint8_t dscp)
{
	return false;
}

int own_address_find(struct netlink *netlink, const struct xmc_addr *address, int oif)
{
	return 0;
}

int neighbour_find(struct netlink *netlink, int ifindex, const struct xmc_addr *via,
		   uint8_t mac[MAC_LENGTH])
{
	memcpy(mac, neighbour_mac, MAC_LENGTH);
	return resolved ? 0 : -EAGAIN;
}

int neighbour_use(struct netlink *netlink, int ifindex, const struct xmc_addr *via)
{
	used++;
	return 0;
}

void group_mac(const struct xmc_addr *group, uint8_t mac[MAC_LENGTH])
{
	memset(mac, group->b[15], MAC_LENGTH);
}

int output_socket_port(struct output_socket *socket, uint16_t *port)
{
	*port = 40000;
	return 0;
}

/* ---- a steering program ---- */

struct forward {
	bool open;
	bool user; /* forward_set_user() was the last call */
	uint16_t lease;
	unsigned int nr_outputs;
	struct forward_output outputs[MAX];
	struct xmc_tally rule;
	struct xmc_tally sent[MAX];
};

static struct forward forwards[MAX];
/* Packets that are received while a forward is set, and sent later. */
static unsigned int on_its_way;
static const char *cannot_forward;
static int forward_error;
static struct key_value in_map; /* of the only key; KEY_NONE: it is not there */

bool steer_can_forward(const struct steer *steer, const char **why)
{
	*why = cannot_forward;
	return !cannot_forward;
}

struct forwards *steer_forwards(struct steer *steer)
{
	return NULL;
}

bool forwards_have_retired(const struct forwards *all)
{
	return false;
}

int steer_wait(struct steer *steer)
{
	return 0;
}

int steer_add_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward)
{
	assert_int_equal(in_map.target, KEY_NONE);
	in_map = (struct key_value){forward ? KEY_FORWARD : KEY_USER, forward};
	return 0;
}

int steer_set_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward)
{
	assert_int_not_equal(in_map.target, KEY_NONE);
	in_map = (struct key_value){forward ? KEY_FORWARD : KEY_USER, forward};
	return 0;
}

int steer_remove_rule(struct steer *steer, const struct xmc_rule_key *key)
{
	assert_int_not_equal(in_map.target, KEY_NONE);
	in_map = (struct key_value){.target = KEY_NONE};
	return 0;
}

int forward_open(struct forward **out, struct forwards *all, unsigned int nr_outputs,
		 uint16_t lease)
{
	unsigned int i = 0;

	while (forwards[i].open)
		i++;
	forwards[i] = (struct forward){.open = true, .nr_outputs = nr_outputs, .lease = lease};
	*out = &forwards[i];
	return 0;
}

int forward_set(struct forward *forward, const struct forward_output *outputs)
{
	if (!forward_error)
		memcpy(forward->outputs, outputs, forward->nr_outputs * sizeof(*outputs));
	forward->rule.received += on_its_way;
	forward->user &= forward_error != 0;
	return forward_error;
}

int forward_set_user(struct forward *forward)
{
	forward->user = true;
	return forward_error;
}

uint32_t forward_slot(const struct forward *forward)
{
	return 0;
}

void forward_read_rule(const struct forward *forward, struct xmc_tally *sum)
{
	*sum = forward->rule;
}

void forward_read_output(const struct forward *forward, unsigned int i, struct xmc_tally *sum)
{
	*sum = forward->sent[i];
}

void forward_close(struct forward *forward)
{
	forward->open = false;
}

/* ---- the rule under test ---- */

static struct rule_output outputs[2];
static struct rule rule = {.name = "r", .port = 5000, .nr_outputs = 2, .outputs = outputs};
static struct output sockets[2];
static struct stream stream = {.outputs = sockets, .nr_outputs = 2};
static struct kernel_path *kernel;
static struct total_counts totals;
static struct kernel_side side, other_side;

#define GROUP 1 /* the first output: 239.0.0.1 by link 1 */
#define HOST  2 /* the second one: 10.0.0.2 by link 2 */

/* Nothing is in the way. */
static void clear_the_way(void)
{
	memset(links, 0, sizeof(links));
	for (int i = 1; i <= 2; i++) {
		links[i] = (struct link){.ifindex = i,
					 .type = ARPHRD_ETHER,
					 .mtu = 1500,
					 .up = true,
					 .carrier = true,
					 .features_known = true,
					 .xdp_features = LINK_XDP_NDO_XMIT,
					 .mac = {[5] = i}};
		snprintf(links[i].name, sizeof(links[i].name), "eth%d", i);
		/* Only output_socket_port() uses it. */
		sockets[i - 1].socket = (struct output_socket *)&sockets[i - 1];
		hops[i] = (struct next_hop){.kind = i == GROUP ? NEXT_HOP_GROUP : NEXT_HOP_HOST,
					    .ifindex = i};
		addr_parse("10.0.0.1", &hops[i].source);
		outputs[i - 1] = (struct rule_output){.port = 6000, .ttl = 7, .dscp = 10};
		snprintf(outputs[i - 1].iface, sizeof(outputs[i - 1].iface), "eth%d", i);
	}
	addr_parse("239.1.1.1", &rule.group);
	addr_parse("239.0.0.1", &outputs[0].to);
	addr_parse("10.0.0.2", &outputs[1].to);
	hops[HOST].via = outputs[1].to;
	rule.nr_outputs = 2;
	resolved = true;
	refuses = false;
	query_error = forward_error = 0;
	cannot_forward = NULL;
	memset(neighbour_mac, 0xaa, sizeof(neighbour_mac));
	side = (struct kernel_side){.totals = &totals, .ifindex = 7, .mtu = 1500};
}

static int set_up(void **state)
{
	clear_the_way();
	memset(forwards, 0, sizeof(forwards));
	memset(&totals, 0, sizeof(totals));
	used = watched = 0;
	in_map = (struct key_value){.target = KEY_NONE};
	other_side = side;
	return 0;
}

static int tear_down(void **state)
{
	kernel_path_leave(kernel, &side, 0);
	kernel_path_leave(kernel, &other_side, 0);
	kernel_path_free(kernel);
	kernel = NULL;
	for (int i = 0; i < MAX; i++)
		assert_false(forwards[i].open);
	return 0;
}

/* The rule joins the line-up, and its key is added to the XDP map. */
static void start_as(enum rule_path wanted, uint16_t lease)
{
	assert_int_equal(kernel_path_new(&kernel, &rule, &stream, wanted, lease), 0);
	kernel_path_join(kernel, &side, 0);
	in_map = kernel_path_value(kernel, &side, 0);
}

static void start(bool strict)
{
	start_as(strict ? RULE_PATH_KERNEL : RULE_PATH_AUTO, 0);
}

struct reading {
	struct rule_counts rule;
	struct output_counts outputs[2];
};

static struct reading read_now(void)
{
	struct reading reading = {.rule.path = "user"};

	kernel_path_read(kernel, &reading.rule, reading.outputs);
	return reading;
}

/* As long as a packet could be on its way. */
static void let_settle(void)
{
	const struct timespec time = {.tv_nsec = 110 * 1000 * 1000};

	nanosleep(&time, NULL);
}

static uint64_t errors(const struct reading *reading, unsigned int i, int error)
{
	return reading->outputs[i].errors[send_error_slot(error)];
}

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

/* ---- counters ---- */

static void receive(struct forward *forward, uint64_t packets, uint64_t first, uint64_t second)
{
	forward->rule.received += packets;
	forward->rule.received_bytes += 10 * packets;
	forward->sent[0].sent += first;
	forward->sent[0].sent_bytes += 10 * first;
	forward->sent[1].sent += second;
	forward->sent[1].sent_bytes += 10 * second;
}

/* Packets on their way count nowhere; those that the kernel has not copied do later, once. */
static void test_not_copied(void **state)
{
	struct reading reading;

	start(true);
	read_now();
	receive(in_map.forward, 100, 100, 90);
	reading = read_now();
	assert_int_equal(reading.rule.received, 100);
	assert_int_equal(reading.rule.received_bytes, 1000);
	assert_int_equal(reading.outputs[1].sent, 90);
	assert_int_equal(reading.outputs[1].submitted, 90);
	assert_int_equal(reading.outputs[1].not_copied, 0);
	let_settle();
	reading = read_now(); /* 100 had been received by then */
	let_settle();
	reading = read_now();
	assert_int_equal(reading.outputs[0].not_copied, 0);
	assert_int_equal(reading.outputs[1].not_copied, 10);
	assert_int_equal(reading.outputs[1].submitted, 90);
	receive(in_map.forward, 1, 1, 1);
	assert_int_equal(read_now().outputs[1].not_copied, 10);
	assert_int_equal(read_now().outputs[1].submitted, 91);
	assert_int_equal(totals.sent, 101 + 91);
	assert_int_equal(totals.submitted, 101 + 91);
}

static void test_errors(void **state)
{
	struct reading reading;

	start(true);
	receive(in_map.forward, 10, 10, 10);
	unresolved();
	kernel_path_update(kernel);
	receive(in_map.forward, 5, 5, 0);
	/* Usable again: what it has missed until now belongs to its error, but not a packet that is
	 * just on its way. */
	resolved = true;
	on_its_way = 1;
	kernel_path_update(kernel);
	on_its_way = 0;
	receive(in_map.forward, 0, 1, 1);
	in_map.forward->rule.received += 3;
	in_map.forward->rule.too_large += 3;
	let_settle();
	read_now();
	let_settle();
	reading = read_now();
	assert_int_equal(reading.outputs[0].sent, 16);
	assert_int_equal(reading.outputs[1].sent, 11);
	assert_int_equal(reading.outputs[1].withheld[WITHHELD_UNREACHABLE], 5);
	assert_int_equal(errors(&reading, 0, EMSGSIZE), 3);
	assert_int_equal(errors(&reading, 1, EMSGSIZE), 3);
	assert_int_equal(reading.outputs[0].submitted, reading.rule.received);
	assert_int_equal(reading.outputs[1].submitted, reading.rule.received - 5);
	assert_int_equal(totals.send_errors, 3 + 3);
	assert_int_equal(totals.withheld, 5);
	assert_int_equal(totals.submitted, 2 * 19 - 5);
	let_settle();
	read_now();
	let_settle();
	assert_int_equal(read_now().outputs[0].not_copied + read_now().outputs[1].not_copied, 0);
}

/* At the end all is known at once. */
static void test_settle(void **state)
{
	start(true);
	unresolved();
	kernel_path_update(kernel);
	receive(in_map.forward, 7, 6, 0);
	kernel_path_settle(kernel);
	assert_int_equal(totals.sent, 6);
	assert_int_equal(totals.withheld, 7);
	assert_int_equal(read_now().outputs[0].not_copied, 1);
}

/* ---- intakes ---- */

/* A rule that moves to another intake has a forward in both, and keeps its counters. */
static void test_move(void **state)
{
	struct forward *first, *second;
	struct reading reading;

	start(true);
	first = in_map.forward;
	receive(first, 4, 4, 4);
	kernel_path_join(kernel, &other_side, 0);
	second = kernel_path_value(kernel, &other_side, 0).forward;
	assert_ptr_not_equal(first, second);
	assert_true(kernel_path_has_forward(kernel, &side, 0));
	receive(second, 2, 2, 2);
	assert_int_equal(read_now().rule.received, 6);
	kernel_path_leave(kernel, &side, 0);
	assert_false(first->open);
	assert_false(kernel_path_has_forward(kernel, &side, 0));
	kernel_path_join(kernel, &other_side, 0); /* it has joined already */
	assert_ptr_equal(kernel_path_value(kernel, &other_side, 0).forward, second);
	kernel_path_leave(kernel, &other_side, 0);
	reading = read_now();
	assert_int_equal(reading.rule.received, 6);
	assert_int_equal(reading.outputs[1].sent, 6);
	assert_int_equal(reading.outputs[1].sent_bytes, 60);
	/* The intake comes up again. */
	kernel_path_join(kernel, &side, 0);
	receive(kernel_path_value(kernel, &side, 0).forward, 1, 1, 1);
	assert_int_equal(read_now().rule.received, 7);
	assert_int_equal(totals.sent, 14);
}

/* A rule that moves to another VLAN of an intake has a forward for each, with keys of their own. */
static void test_move_to_vlan(void **state)
{
	struct forward *first, *second;

	start(true);
	first = in_map.forward;
	receive(first, 4, 4, 4);
	kernel_path_join(kernel, &side, 0x1064);
	second = kernel_path_value(kernel, &side, 0x1064).forward;
	assert_non_null(second);
	assert_ptr_not_equal(first, second);
	assert_ptr_equal(kernel_path_value(kernel, &side, 0).forward, first);
	receive(second, 2, 2, 2);
	kernel_path_leave(kernel, &side, 0);
	assert_false(first->open);
	assert_true(second->open);
	assert_false(kernel_path_has_forward(kernel, &side, 0));
	assert_true(kernel_path_has_forward(kernel, &side, 0x1064));
	assert_int_equal(read_now().rule.received, 6);
	/* What an external program, or one in skb mode, cannot do with tags. */
	side.external = true;
	assert_non_null(kernel_examine_rule(&side, &rule, 0x1064));
	assert_null(kernel_examine_rule(&side, &rule, 0));
	side.external = false;
	side.skb = true;
	assert_non_null(kernel_examine_rule(&side, &rule, 0x1064));
	side.skb = false;
	assert_null(kernel_examine_rule(&side, &rule, 0x1064));
	kernel_path_leave(kernel, &side, 0x1064);
	assert_int_equal(read_now().rule.received, 6);
}

/* A rule without a kernel path. */
static void test_none(void **state)
{
	struct neighbour neighbour = {0};
	struct reading reading = {.rule.path = "user"};

	assert_int_equal(kernel_path_value(NULL, &side, 0).target, KEY_USER);
	assert_false(kernel_path_has_forward(NULL, &side, 0));
	assert_false(kernel_path_is_used(NULL));
	assert_false(kernel_path_concerns(NULL, &neighbour));
	assert_false(kernel_path_refresh(NULL, 0));
	assert_false(kernel_path_has_hosts(NULL));
	assert_null(kernel_path_reason(NULL));
	kernel_path_join(NULL, &side, 0);
	kernel_path_update(NULL);
	kernel_path_settle(NULL);
	kernel_path_leave(NULL, &side, 0);
	kernel_path_set_rule(NULL, &rule);
	kernel_path_read(NULL, &reading.rule, reading.outputs);
	assert_string_equal(reading.rule.path, "user");
	kernel_path_free(NULL);
}

/* On the user path the forward of a rule with a lease counts what is dropped as standby. */
static void test_lease_on_user_path(void **state)
{
	struct reading reading;

	start_as(RULE_PATH_USER, 5);
	assert_int_equal(in_map.target, KEY_USER);
	assert_ptr_equal(in_map.forward, &forwards[0]);
	assert_true(forwards[0].user);
	assert_int_equal(forwards[0].lease, 5);
	assert_false(kernel_path_is_used(kernel));
	forwards[0].rule = (struct xmc_tally){.received = 7, .received_bytes = 70, .standby = 7};
	let_settle();
	read_now();
	let_settle();
	reading = read_now();
	assert_string_equal(reading.rule.path, "user");
	assert_null(reading.rule.path_reason);
	assert_int_equal(reading.rule.received, 7);
	assert_int_equal(reading.rule.standby, 7);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(reading.outputs[i].withheld[WITHHELD_STANDBY], 7);
		assert_int_equal(reading.outputs[i].not_copied, 0);
		assert_int_equal(reading.outputs[i].submitted, 0);
	}
}

/* The same forward goes with it from path to path. */
static void test_lease_changes_path(void **state)
{
	start_as(RULE_PATH_AUTO, 5);
	assert_int_equal(in_map.target, KEY_FORWARD);
	assert_false(forwards[0].user);
	links[HOST].up = false;
	kernel_path_update(kernel);
	assert_int_equal(kernel_path_value(kernel, &side, 0).target, KEY_USER);
	assert_true(forwards[0].user);
	links[HOST].up = true;
	kernel_path_update(kernel);
	assert_int_equal(kernel_path_value(kernel, &side, 0).target, KEY_FORWARD);
	assert_false(forwards[0].user);
	assert_false(forwards[1].open);
}

/* Without a program that looks at leases, the rule is pending on either path. */
static void test_lease_needs_the_program(void **state)
{
	cannot_forward = "CAP_PERFMON is missing";
	start_as(RULE_PATH_USER, 5);
	assert_int_equal(in_map.target, KEY_NONE);
	assert_true(kernel_path_is_used(kernel));
	assert_string_equal(kernel_path_reason(kernel), "CAP_PERFMON is missing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_kept_headers, set_up, tear_down),
		cmocka_unit_test_setup(test_obstacles, set_up),
		cmocka_unit_test_setup_teardown(test_neighbours, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_copied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_settle, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_move, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_move_to_vlan, set_up, tear_down),
		cmocka_unit_test_setup(test_none, set_up),
		cmocka_unit_test_setup_teardown(test_lease_on_user_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease_changes_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lease_needs_the_program, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
