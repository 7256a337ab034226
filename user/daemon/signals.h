/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals: SIGINT and SIGTERM end the daemon gracefully, a second one at once; SIGHUP reloads the
 * configuration. Main thread.
 */
#ifndef XMCAST_DAEMON_SIGNALS_H
#define XMCAST_DAEMON_SIGNALS_H

/* Block these signals, and have them read from a descriptor, which is returned; or -errno. Before
 * any thread starts, because threads inherit the mask. */
int signals_open(void);

/* The signal that has arrived, or 0. The time of the first that is not SIGHUP is remembered. */
int signals_read(int fd);

/* From now on SIGINT or SIGTERM ends the process immediately, with status 128 + number, if one has
 * arrived before. */
void signals_arm_second(void);

#endif
