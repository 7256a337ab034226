/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/below.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool below_has(const struct below *below, int ifindex)
{
	for (unsigned int i = 0; i < below->count; i++) {
		if (below->devices[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static void add(struct below *below, int root, int ifindex)
{
	if (ifindex == root || below_has(below, ifindex) || below->count == BELOW_DEVICES)
		return;
	below->devices[below->count++].ifindex = ifindex;
}

static bool is_master(const struct link *link)
{
	return strcmp(link->kind, LINK_KIND_BOND) == 0 || strcmp(link->kind, LINK_KIND_TEAM) == 0 ||
	       strcmp(link->kind, LINK_KIND_BRIDGE) == 0;
}

static int add_ports(struct below *below, int root, const struct link *master)
{
	struct link *ports = calloc(BELOW_DEVICES, sizeof(*ports));
	unsigned int count = 0;
	int err = ports ? link_query_ports(master->ifindex, ports, BELOW_DEVICES, &count) : -ENOMEM;

	for (unsigned int i = 0; !err && i < count && i < BELOW_DEVICES; i++)
		add(below, root, ports[i].ifindex);
	free(ports);
	return err;
}

/* What is directly below a link. A veth's peer is no device below it: it is at the other end. */
static int add_lower(struct below *below, int root, const struct link *link)
{
	if (is_master(link))
		return add_ports(below, root, link);
	if (link->lower && strcmp(link->kind, LINK_KIND_VETH) != 0)
		add(below, root, link->lower);
	return 0;
}

/* 0, also if the interface has been removed meanwhile. */
static int query_index(int ifindex, struct link *link)
{
	char name[IF_NAMESIZE];
	int err;

	memset(link, 0, sizeof(*link));
	if (!if_indextoname((unsigned int)ifindex, name))
		return 0;
	err = link_query(name, link);
	return err == -ENODEV ? 0 : err;
}

int below_query(const struct link *link, struct below *below)
{
	int err;

	below->count = 0;
	err = add_lower(below, link->ifindex, link);
	/* The list grows while it is walked. */
	for (unsigned int i = 0; !err && i < below->count; i++) {
		unsigned int before = below->count;
		struct link device;

		err = query_index(below->devices[i].ifindex, &device);
		if (!err && device.ifindex)
			err = add_lower(below, link->ifindex, &device);
		below->devices[i].lowest = below->count == before;
	}
	return err;
}
