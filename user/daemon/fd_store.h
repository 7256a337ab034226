/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The descriptors that a restart needs, in the service manager's store (sd_notify(3), FDSTORE=1;
 * `--store`): the next process goes on where this one has ended, however it ended.
 *
 * The manager keeps four descriptors of two socket pairs. What the next process needs is queued in
 * one of them as a bundle (base/bundle.h): the same one that a successor gets from a running daemon
 * (daemon/hand_over.h). Whenever something is opened or closed, a new bundle is put into the other
 * pair, and then the old one is removed: at every moment there is a complete one.
 *
 *     how the process ends   what the next one finds
 *     SIGTERM                everything sent, counters final; what arrives meanwhile waits in the RX
 *                            rings, and the kernel path goes on
 *     kill -9, a crash       as of the last change; the counters begin at 0, and the frames that
 *                            were in the process are counted as uncertain (dataplane/frame_record.h)
 *
 * If the manager does not start a next process, it closes the descriptors, and with them the kernel
 * detaches the program and leaves the groups. Main thread.
 */
/* clang-format on */
#ifndef XMCAST_DAEMON_FD_STORE_H
#define XMCAST_DAEMON_FD_STORE_H

#include <stdbool.h>

#include "base/bundle.h"

struct notify;
struct fd_store;

/* Find what the manager has passed (LISTEN_FDS, LISTEN_FDNAMES), and remove it from the
 * environment; or create it and pass it to the manager. Before any other descriptor is opened. 0;
 * -ENOTCONN: there is no manager; -errno. */
int fd_store_open(struct fd_store **out, struct notify *notify);
void fd_store_close(struct fd_store *store); /* accepts NULL */

/* What the last process has left: it stays in the store. 0; -ENOENT: nothing; -errno. */
int fd_store_get(struct fd_store *store, struct bundle *bundle);

/* Forget it. */
void fd_store_clear(struct fd_store *store);

/* Put a bundle in the place of the last one. 0; -errno: the store is empty. */
int fd_store_put(struct fd_store *store, const char *text, size_t length, const int *fds,
		 unsigned int nr_fds);

#endif
