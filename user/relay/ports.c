/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/ports.h"

#include <string.h>

/* Members that are queried; further ones are not served. */
#define MAX_QUERIED (2 * XMC_MAX_MEMBERS)

/* Room for RX queues of a bond, at least: its members may come later. */
#define BOND_ROOM 8

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static struct port make_port(const struct link *link, unsigned int rx_queues,
			     const struct iface_config *settings)
{
	struct port port = {.ifindex = link->ifindex, .rx_queues = rx_queues};

	memcpy(port.name, link->name, sizeof(port.name));
	port.copy = link->features_known && !(link->xdp_features & LINK_XDP_ZERO_COPY);
	port.queues = least(rx_queues, settings->queues ? settings->queues : XMC_MAX_QUEUES);
	return port;
}

void ports_choose(const struct link *link, const struct link *members, unsigned int count,
		  enum iface_mode mode, const struct iface_config *settings, struct ports *ports)
{
	unsigned int rx_queues = link->rx_queues;

	*ports = (struct ports){.members = link_is_bond(link) && mode != IFACE_MODE_SKB};
	for (unsigned int i = 0; ports->members && i < count; i++) {
		struct port port = make_port(&members[i], members[i].rx_queues, settings);

		port.inactive = members[i].bond_backup && !link->bond_delivers_all;
		if (ports->count < XMC_MAX_MEMBERS)
			ports->list[ports->count++] = port;
		else
			ports->left_out++;
	}
	if (ports->members)
		return;
	ports->at_least = count > 0;
	/* A bond or team always has 16 queues. A packet keeps the number of the queue by which it
	 * came to the member, see netif_get_rxqueue() in net/core/dev.c. */
	for (unsigned int i = 0; i < count; i++) {
		if (i == 0 || members[i].rx_queues > rx_queues)
			rx_queues = members[i].rx_queues;
	}
	ports->count = 1;
	ports->list[0] = make_port(link, least(rx_queues, link->rx_queues), settings);
}

int ports_find(const struct link *link, enum iface_mode mode, const struct iface_config *settings,
	       struct ports *ports)
{
	struct link members[MAX_QUERIED];
	unsigned int count = 0;
	int err = 0;

	if (link_is_bond(link) || strcmp(link->kind, LINK_KIND_TEAM) == 0)
		err = link_query_ports(link->ifindex, members, MAX_QUERIED, &count);
	if (err)
		return err;
	ports_choose(link, members, least(count, MAX_QUERIED), mode, settings, ports);
	ports->left_out += ports->members && count > MAX_QUERIED ? count - MAX_QUERIED : 0;
	return 0;
}

unsigned int ports_room(const struct ports *ports)
{
	unsigned int sum = 0, most = 1;

	for (unsigned int i = 0; i < ports->count; i++) {
		sum += ports->list[i].queues;
		if (ports->list[i].queues > most)
			most = ports->list[i].queues;
	}
	if (!ports->members)
		return sum;
	sum += most;
	return least(sum > BOND_ROOM ? sum : BOND_ROOM, XMC_SOCKET_SLOTS);
}

const struct port *ports_by_index(const struct ports *ports, int ifindex)
{
	for (unsigned int i = 0; i < ports->count; i++) {
		if (ports->list[i].ifindex == ifindex)
			return &ports->list[i];
	}
	return NULL;
}
