// SPDX-License-Identifier: BSD-2-Clause
#include "kernel_path_env.h"

#include <errno.h>
#include <net/if_arp.h>

#include "watchdog.h"

#include "dataplane/output_socket.h"

/* ---- a network ---- */

struct link links[MAX];
int query_error;
struct next_hop hops[MAX];
bool resolved;
uint8_t neighbour_mac[MAC_LENGTH];
unsigned int used;
bool refuses;
unsigned int watched;

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

void redirects_prepare(struct redirects *redirects, int from, int to, bool skb)
{
	watched++;
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

struct forward forwards[MAX];
unsigned int on_its_way;
const char *cannot_forward;
int forward_error;
unsigned int retired, waits;
struct key_value in_map;

bool steer_can_forward(const struct steer *steer, const char **why)
{
	*why = cannot_forward;
	return !cannot_forward;
}

struct forwards *steer_forwards(struct steer *steer)
{
	return NULL;
}

unsigned int forwards_retired(const struct forwards *all)
{
	return retired;
}

int forwards_prepare(struct forwards *all)
{
	return 0;
}

int steer_wait(struct steer *steer)
{
	if (retired)
		forward_error = 0;
	retired = 0;
	waits++;
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

int forward_set(struct forward *forward, const struct forward_output *wanted)
{
	if (!forward_error)
		memcpy(forward->outputs, wanted, forward->nr_outputs * sizeof(*wanted));
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

struct rule_output outputs[2];
struct rule rule = {.name = "r", .port = 5000, .nr_outputs = 2, .outputs = outputs};
static struct output sockets[2];
static struct stream stream = {.outputs = sockets, .nr_outputs = 2};
struct kernel_path *kernel;
struct total_counts totals;
struct kernel_side side, other_side;

void clear_the_way(void)
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

int set_up(void **state)
{
	clear_the_way();
	memset(forwards, 0, sizeof(forwards));
	memset(&totals, 0, sizeof(totals));
	used = watched = retired = waits = 0;
	in_map = (struct key_value){.target = KEY_NONE};
	other_side = side;
	return 0;
}

int tear_down(void **state)
{
	kernel_path_leave(kernel, &side, 0);
	kernel_path_leave(kernel, &other_side, 0);
	kernel_path_free(kernel);
	kernel = NULL;
	for (int i = 0; i < MAX; i++)
		assert_false(forwards[i].open);
	return 0;
}

void start_as(enum rule_path wanted, uint16_t lease)
{
	assert_int_equal(kernel_path_new(&kernel, &rule, &stream, wanted, lease), 0);
	kernel_path_join(kernel, &side, 0);
	in_map = kernel_path_value(kernel, &side, 0);
}

void start(bool strict)
{
	start_as(strict ? RULE_PATH_KERNEL : RULE_PATH_AUTO, 0);
}

struct reading read_now(void)
{
	struct reading reading = {.rule.path = "user"};

	kernel_path_read(kernel, &reading.rule, reading.outputs);
	return reading;
}
