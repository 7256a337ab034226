/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group memberships: the kernel speaks IGMP and MLD for us (RFC 3678: MCAST_JOIN_GROUP,
 * MCAST_JOIN_SOURCE_GROUP). The sockets that hold them receive nothing.
 *
 * A socket takes 20 groups (net.ipv4.igmp_max_memberships) of 10 sources each (igmp_max_msf), so
 * memberships spread over as many sockets as that takes. Main thread; no privilege.
 */
#ifndef XMCAST_MEMBERSHIP_MEMBERSHIP_H
#define XMCAST_MEMBERSHIP_MEMBERSHIP_H

#include "base/addr.h"

struct membership;

int membership_open(struct membership **out);

/* Leave everything. Takes NULL. */
void membership_close(struct membership *membership);

/*
 * Join `group` on the interface, for `source` alone if that is not all zero. Joining again what is
 * joined counts: it is left when every join has had its leave. 0 or -errno (-ENODEV: no such
 * interface; -ENOBUFS, -ENOMEM, -EMFILE: a limit of the
 * kernel, see membership_limit()).
 */
int membership_join(struct membership *membership, const struct xmc_addr *group,
		    const struct xmc_addr *source, int ifindex);

/*
 * The limit of the kernel that made a join fail with this error, as the admin knows it ("sysctl
 * net.core.optmem_max"), or NULL: it was something else. A membership that does not fit a socket
 * goes to a new one, so it is a limit which not even the first membership of a socket is within.
 */
const char *membership_limit(int err, const struct xmc_addr *group);

/* Take back one join. What is not joined is ignored; an interface that has gone, too: the kernel
 * has left for us then. */
void membership_leave(struct membership *membership, const struct xmc_addr *group,
		      const struct xmc_addr *source, int ifindex);

/* One thing that is joined. */
struct membership_entry {
	struct xmc_addr group;
	struct xmc_addr source; /* all zero: any */
	int ifindex;
};

/* All that is joined, in order of group, source, interface: *list is malloc()ed, and the caller's.
 * Returns their number, or -ENOMEM. */
int membership_list(const struct membership *membership, struct membership_entry **list);

#endif
