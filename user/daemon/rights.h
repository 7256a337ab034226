/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who the daemon is and what it may: capabilities(7), users, limits. Main thread, before any other
 * has started; the launcher (daemon/launcher.h) starts between the two steps.
 *
 *     rights_become()   started as root with security.user: limits, the control socket's folder,
 *                       then that user and group; else only limits
 *     rights_reduce()   no capability but these, nothing inheritable, ambient or (where we may) in
 *                       the bounding set, and no_new_privs:
 *
 *       CAP_NET_ADMIN   XDP programs and links, AF_XDP, SO_SNDBUFFORCE
 *       CAP_NET_RAW     AF_XDP sockets
 *       CAP_BPF         BPF programs and maps; CAP_SYS_ADMIN if it was given in its place
 *       CAP_PERFMON     if it is there: without it the kernel puts barriers against speculation
 *                       into the XDP program, which takes 241 ns a packet then instead of 132
 *                       (measured on Linux 6.18), and Linux 6.1 does not load it
 *       CAP_IPC_LOCK    only where RLIMIT_MEMLOCK bounds the memory of packets
 *
 * This table is the one place that names them: packaging takes its own from here.
 */
#ifndef XMCAST_DAEMON_RIGHTS_H
#define XMCAST_DAEMON_RIGHTS_H

#include "rules/config.h"

/* 0, or -EPERM after logging every capability that is missing and how to grant it. */
int rights_check(void);

/*
 * `socket`: path of the control socket, whose folder is made, and given to the user if it is
 * /run/xmcast or was not there. 0; -ESRCH: no such user or group; -EPERM: no right to become it;
 * -errno; all of them are in the log.
 */
int rights_become(const struct config *config, const char *socket);

/* 0 or -errno, which is in the log. */
int rights_reduce(void);

/* Warn of what will not work later: reading the configuration file again, saving it. `path` may be
 * NULL: there is no file. */
void rights_warn(const struct config *config, const char *path);

#endif
