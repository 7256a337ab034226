/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first SIGINT or SIGTERM ends the daemon gracefully, a second one at once. Main thread.
 */
#ifndef XMCAST_DAEMON_SECOND_SIGNAL_H
#define XMCAST_DAEMON_SECOND_SIGNAL_H

/* Remember that the first one has arrived now. */
void second_signal_note_first(int number);

/* From now on SIGINT or SIGTERM ends the process immediately, with status 128 + number, if one has
 * arrived before. They are blocked until here. */
void second_signal_arm(void);

#endif
