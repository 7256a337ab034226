/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is at the other end of a Unix socket, and what that entitles to. No privilege; main thread.
 */
#ifndef XMCAST_CONTROL_PEER_H
#define XMCAST_CONTROL_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "control/method.h"

/* Who may change things: root, this process's user, and members of this group, if there is one. */
struct peer_policy {
	bool has_group;
	gid_t group;
};

/* The group (base/account.h) of an option that may be missing (NULL or ""): then *found is false,
 * and *group stays as it is. A group that does not exist is logged. */
int peer_find_option(const char *name, gid_t *group, bool *found);

/* What the process that connected this socket may do, with the credentials that it had then
 * (SO_PEERCRED, SO_PEERGROUPS). Who cannot be asked for may only read. */
enum control_access peer_access(int fd, const struct peer_policy *policy);

#endif
