/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Group memberships: the kernel speaks IGMP and MLD for us (RFC 3678: MCAST_JOIN_GROUP,
 * MCAST_JOIN_SOURCE_GROUP). The sockets that hold them receive nothing.
 *
 * A socket can have 20 groups (net.ipv4.igmp_max_memberships) of 10 sources each (igmp_max_msf), so
 * memberships are spread over as many sockets as are needed. Main thread; no privilege.
 */
#ifndef XMCAST_MEMBERSHIP_MEMBERSHIP_H
#define XMCAST_MEMBERSHIP_MEMBERSHIP_H

#include "base/addr.h"

struct membership;

int membership_open(struct membership **out);

/* Leave everything. Accepts NULL. */
void membership_close(struct membership *membership);

/*
 * Join `group` on the interface, for `source` alone if that is not all zero. Joins of the
 * same membership are counted: it ends with as many leaves. 0 or -errno (-ENODEV: no such
 * interface; -ENOBUFS, -ENOMEM, -EMFILE: a limit of the kernel, see membership_limit()).
 */
int membership_join(struct membership *membership, const struct xmc_addr *group,
		    const struct xmc_addr *source, int ifindex);

/*
 * The limit that made a join fail with this error, as administrators know it ("sysctl
 * net.core.optmem_max"), or NULL if it was no limit. A membership that does not fit into a socket
 * gets a new socket, so this is a limit that even the first membership of a socket exceeds.
 */
const char *membership_limit(int err, const struct xmc_addr *group);

/* Undo one join. Ignored if there is none, or if the interface is gone: the kernel has left the
 * group then. */
void membership_leave(struct membership *membership, const struct xmc_addr *group,
		      const struct xmc_addr *source, int ifindex);

/* One membership. */
struct membership_entry {
	struct xmc_addr group;
	struct xmc_addr source; /* all zero: any */
	int ifindex;
};

/* All memberships, ordered by group, source and interface: the caller frees *list. Returns their
 * number, or -ENOMEM. */
int membership_list(const struct membership *membership, struct membership_entry **list);

/* ---- from one process to the next ---- */

/* A membership, and the socket that has it, which is borrowed. */
struct membership_held {
	struct membership_entry what;
	int fd;
};

/* All memberships: the caller frees *list. Returns their number, or -ENOMEM. */
int membership_describe(const struct membership *membership, struct membership_held **list);

/*
 * Go on with the sockets of another process, which are duplicated: membership_join() of what they
 * have joined sends nothing. Nothing is left before membership_settle(). To be called before the
 * first join. 0; -ENOTSOCK: one is no socket of its family; -EMFILE, -ENOMEM.
 */
int membership_adopt(struct membership *membership, const struct membership_held *list,
		     unsigned int count);

/* The other process has ended: leave the adopted groups that this process has not joined, or has
 * left since. */
void membership_settle(struct membership *membership);

#endif
