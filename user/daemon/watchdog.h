/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a daemon with a stuck worker. Its thread can be neither ended nor waited for, so the
 * process exits and its supervisor restarts it; the kernel detaches the XDP program and frees
 * everything. Main thread.
 */
#ifndef XMCAST_DAEMON_WATCHDOG_H
#define XMCAST_DAEMON_WATCHDOG_H

#include "daemon/daemon.h"

/* Whether a stuck thread has been found (worker_check(), merger_check()): then call
 * watchdog_leave(). */
bool watchdog_tripped(void);

/*
 * If so, log its state (worker-stuck) and the last statistics, and _exit(EXIT_INTERNAL), within
 * seconds even if the thread holds a lock that logging needs. Otherwise it returns.
 */
void watchdog_leave(struct daemon *daemon);

#endif
