/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket file of the control protocol: mode 0660, of one process at a time. Main thread.
 *
 * A lock on PATH.lock says whose it is, held as long as the listener is open by whoever has the
 * descriptor: a forked child has to close it. The lock file stays behind, because whoever removes
 * one may remove a successor's.
 */
#ifndef XMCAST_CONTROL_LISTENER_H
#define XMCAST_CONTROL_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

struct listener;

/*
 * Listen at `path` (its folder is made if only the last part is missing); the socket file belongs
 * to `group`, if that is not (gid_t)-1. A socket file that nobody answers is replaced. 0;
 * -EADDRINUSE: another process has it; -ENOTSOCK: something else is there; -EACCES: somebody else
 * could put something in its place (base/trust.h), which is in the log; -EPERM: no right to give it
 * to that group; -errno.
 */
int listener_open(struct listener **out, const char *path, gid_t group);

/* Remove the socket file, if it is still ours. Takes NULL. */
void listener_close(struct listener *listener);

/* Non-blocking; readable when somebody wants to connect. */
int listener_fd(const struct listener *listener);

#endif
