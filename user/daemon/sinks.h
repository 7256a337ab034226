/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the daemon's events go: the log, a count of each, the clients that monitor, the
 * hook. Main thread. */
#ifndef XMCAST_DAEMON_SINKS_H
#define XMCAST_DAEMON_SINKS_H

#include "daemon/daemon.h"

/* Begin to tell them. The hook's descriptor is watched with this epoll data. 0 or -errno. */
int sinks_open(struct daemon *daemon, uint64_t hook_data);

/* Use this program from now on, or none if it is empty. One that cannot be run is refused with a
 * log line, and events have no hook then; told the same again, it is looked at again. */
void sinks_set_hook(struct daemon *daemon, const char *path);

void sinks_close(struct daemon *daemon);

#endif
