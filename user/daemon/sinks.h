/* SPDX-License-Identifier: BSD-2-Clause */
/* The watcher of the daemon's events: counts each, and sends it to the clients that monitor and to
 * the hook. Main thread. */
#ifndef XMCAST_DAEMON_SINKS_H
#define XMCAST_DAEMON_SINKS_H

#include "daemon/daemon.h"

/* Begin to watch. The hook's descriptor is watched with this epoll data. */
void sinks_open(struct daemon *daemon, uint64_t hook_data);

/* Use this program from now on, or none if it is empty. One that cannot be run is refused with a
 * log line, and events have no hook then; told the same again, it is looked at again. */
void sinks_set_hook(struct daemon *daemon, const char *path);

void sinks_close(struct daemon *daemon);

#endif
