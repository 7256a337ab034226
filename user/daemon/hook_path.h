/* SPDX-License-Identifier: BSD-2-Clause */
/* May this file be run as a hook? Asked by the daemon, to say so early, and by the launcher, which
 * runs it. Any process. */
#ifndef XMCAST_DAEMON_HOOK_PATH_H
#define XMCAST_DAEMON_HOOK_PATH_H

/* NULL if it is an absolute path to a regular file that we may execute, that belongs to root or to
 * us, and that nobody else may write; or what is wrong with it, and then *err is a -errno (-EINVAL,
 * -EACCES, -ENOENT, …). The text is constant, or strerror(3)'s. */
const char *hook_path_fault(const char *path, int *err);

#endif
