/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is at the other end of a Unix socket, and what it may do. Needs no privilege.
 *
 * Main thread.
 */
#ifndef XMCAST_CONTROL_PEER_H
#define XMCAST_CONTROL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "control/method.h"

/* Root, this process's user and the members of this group, if there is one, may change things. */
struct peer_policy {
	bool has_group;
	gid_t group;
};

/* The group (base/account.h) that an option names. Without one (NULL or ""), *found is false and
 * *group is not set. 0; -ESRCH: no such group, which is logged. */
int peer_find_option(const char *name, gid_t *group, bool *found);

/* What the process that connected this socket may do, by the credentials that it had then
 * (SO_PEERCRED, SO_PEERGROUPS). If they are unknown, it may only read. */
enum control_access peer_access(int fd, const struct peer_policy *policy);

/* Was it root or this process's user? *uid: which user it was, -1 if that is unknown. */
bool peer_is_owner(int fd, uid_t *uid);

#endif
