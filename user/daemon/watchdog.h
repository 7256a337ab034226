/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a daemon with a stuck worker. Its thread cannot be ended or waited for, so the process
 * is, and its supervisor starts it anew; the kernel detaches the program and gives all back. Main
 * thread.
 */
#ifndef XMCAST_DAEMON_WATCHDOG_H
#define XMCAST_DAEMON_WATCHDOG_H

#include "daemon/daemon.h"

/* Has a thread been found stuck (worker_check())? Then watchdog_leave() is all that is left. */
bool watchdog_tripped(void);

/*
 * If so: tell its state (worker-stuck) and the last statistics, and _exit(EXIT_INTERNAL). That ends
 * within seconds even if the thread holds what telling needs, such as the log. Else it returns.
 */
void watchdog_leave(struct daemon *daemon);

#endif
