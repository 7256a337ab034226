/* SPDX-License-Identifier: BSD-2-Clause */
/* The path through user space: a stream (dataplane/stream.h), which the intake's workers find in
 * their ruleset. Main thread. */
#ifndef XMCAST_RELAY_PATH_USER_H
#define XMCAST_RELAY_PATH_USER_H

#include "relay/path.h"

/*
 * Open the outputs' sockets. One reference. 0; -ENODEV: no output's interface exists; -EMFILE,
 * -ENOMEM and others: a shortage of this process. On failure `reason` is set. Needs CAP_NET_RAW.
 */
int path_user_open(struct path **out, const struct path_request *request, char reason[REASON_SIZE]);

#endif
