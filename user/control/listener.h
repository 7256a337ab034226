/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket file of the control protocol: mode 0660, used by one process at a time.
 *
 * A lock on PATH.lock marks the owner. It is held while the listener is open, by every process that
 * has the descriptor: a forked child has to close it. The lock file is never removed, because a
 * process that removes one may remove its successor's.
 *
 * Main thread.
 */
#ifndef XMCAST_CONTROL_LISTENER_H
#define XMCAST_CONTROL_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

struct listener;

/*
 * Listen at `path`; its directory is created if only the last part is missing. The socket file gets
 * this group, unless it is (gid_t)-1. A socket file that nobody listens at is replaced. 0;
 * -EADDRINUSE: another process listens there; -ENOTSOCK: something else is there; -EACCES: somebody
 * else could replace the file (base/trust.h), which is logged; -EPERM: no right to give the file to
 * that group; -errno.
 */
int listener_open(struct listener **out, const char *path, gid_t group);

/* Go on with the listening socket of another process, and its lock: the descriptors are duplicated.
 * The socket file is the other process's until listener_set_owner(). If somebody has removed it,
 * only the lock is adopted, and a new one is made as by listener_open(). 0; -ENOTSOCK: it does not
 * listen at this path; -errno. */
int listener_adopt(struct listener **out, const char *path, int fd, int lock_fd, gid_t group);

/* Whether listener_close() removes the socket file. */
void listener_set_owner(struct listener *listener, bool owner);

/* Remove the socket file, if it is still ours. Accepts NULL. */
void listener_close(struct listener *listener);

/* Non-blocking; readable when a client wants to connect. */
int listener_fd(const struct listener *listener);
int listener_lock_fd(const struct listener *listener);

#endif
