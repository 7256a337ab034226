/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_CONTROL
#include "control/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/account.h"
#include "base/log.h"

int peer_find_option(const char *name, gid_t *group, bool *found)
{
	int err;

	*found = name && *name;
	if (!*found)
		return 0;
	err = account_find_group(name, group);
	if (err == -ESRCH)
		log_error("control-group-unknown", LOG_TEXT("group", name),
			  LOG_TEXT("hint", "create it with groupadd, or change control.group or "
					   "control.admin_group"));
	return err;
}

/* Among the peer's supplementary groups? */
static bool has_group(int fd, gid_t group)
{
	socklen_t size = 0;
	bool found = false;
	gid_t *groups;

	/* Fails with ERANGE and the size that is needed; succeeds if there are none. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		return false;
	groups = malloc(size);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
		for (size_t i = 0; i < size / sizeof(*groups); i++)
			found |= groups[i] == group;
	}
	free(groups);
	return found;
}

bool peer_is_owner(int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;

	*uid = known ? peer.uid : (uid_t)-1;
	return known && (peer.uid == 0 || peer.uid == geteuid());
}

enum control_access peer_access(int fd, const struct peer_policy *policy)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	uid_t uid;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return CONTROL_READ;
	if (peer_is_owner(fd, &uid))
		return CONTROL_CHANGE;
	if (policy->has_group && (peer.gid == policy->group || has_group(fd, policy->group)))
		return CONTROL_CHANGE;
	return CONTROL_READ;
}
