/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The devices below an interface, whose packets arrive on it as well: the ports of a bridge, the
 * members of a bond, the parent of a VLAN or a macvlan, and the devices below those. Main thread.
 * Needs no privilege.
 *
 * Not found are devices in other network namespaces, and those that a tunnel uses without being
 * bound to them.
 */
#ifndef XMCAST_LINKS_BELOW_H
#define XMCAST_LINKS_BELOW_H

#include "links/link.h"

/* More are left out. */
#define BELOW_DEVICES 256

struct below {
	unsigned int count;
	struct below_device {
		int ifindex;
		bool lowest; /* nothing is below it: it has the hardware, or another end */
	} devices[BELOW_DEVICES];
};

/* Find the devices below an interface, without itself; each is listed once. 0 or -errno. On failure
 * *below has what was found. */
int below_query(const struct link *link, struct below *below);

bool below_has(const struct below *below, int ifindex);

#endif
