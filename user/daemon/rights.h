/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The user and the rights of the daemon: capabilities(7), users, limits. Main thread, before any
 * other has started.
 *
 *     rights_become()   limits; if started as root with security.user: the directory of the control
 *                       socket, then that user and group
 *     rights_reduce()   drop all capabilities but these, also from the inheritable, the ambient and
 *                       (if permitted) the bounding set; no_new_privs; not dumpable
 *
 *       CAP_NET_ADMIN   XDP programs and links, AF_XDP, SO_SNDBUFFORCE
 *       CAP_NET_RAW     AF_XDP sockets; raw sockets, and sources of other hosts (`from keep`)
 *       CAP_BPF         BPF programs and maps; CAP_SYS_ADMIN if it was given instead
 *       CAP_PERFMON     if available: without it there is no kernel path, whose tracepoint programs
 *                       need it; the kernel adds barriers against speculation to the XDP program,
 *                       which then takes 241 ns per packet instead of 132 (measured on Linux 6.18);
 *                       and Linux 6.1 does not load it
 *       CAP_IPC_LOCK    only if RLIMIT_MEMLOCK limits the memory of packets
 *
 * This table is the one place that lists them: packaging follows it.
 *
 * Not dumpable: packet threads have no capabilities, so without this any process of the same user
 * could ptrace(2) one of them, and through the shared memory use the capabilities of the main
 * thread. It also means that the daemon leaves no core dump, and that only root can attach gdb(1)
 * or perf(1). LeakSanitizer makes a sanitized build dumpable while it looks for leaks at the exit.
 */
#ifndef XMCAST_DAEMON_RIGHTS_H
#define XMCAST_DAEMON_RIGHTS_H

#include "rules/config.h"

/* What the kernel path needs and this machine or rights_reduce() does not give: constant text, or
 * NULL. */
const char *rights_missing_for_kernel_path(void);

/* 0, or -EPERM after logging every missing capability and how to grant it. */
int rights_check(void);

/*
 * `socket`: path of the control socket. Its directory is created if it is missing; that one, or
 * /run/xmcast, is given to the user. 0; -ESRCH: no such user or group; -EPERM: no right to become
 * that user; other -errno. Errors are logged.
 */
int rights_become(const struct config *config, const char *socket);

/* 0 or -errno, which is logged. */
int rights_reduce(void);

/* Warn if reloading or saving the configuration file will fail. `path` may be NULL: there is no
 * file. */
void rights_warn(const struct config *config, const char *path);

#endif
