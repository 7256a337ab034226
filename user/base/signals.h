/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that a main loop reads from a descriptor. Main thread.
 */
#ifndef XMCAST_BASE_SIGNALS_H
#define XMCAST_BASE_SIGNALS_H

/* Block SIGINT, SIGTERM and `another` (0: no other), and have them read from a descriptor, which
 * never blocks and which the caller closes; or -errno. SIGPIPE is ignored from now on. Before any
 * thread starts, because threads inherit the mask. */
int signals_open(int another);

/* The signal that has arrived, or 0. */
int signals_read(int fd);

#endif
