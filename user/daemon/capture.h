/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The methods capture.* of the control protocol (docs/control-protocol.md), and the connection of
 * the client whose capture is running. There is one at a time.
 *
 *     capture.start ─▶ answer ─▶ 1 byte from the client ─▶ the memory of the ring, as a descriptor,
 *     and packets are captured ─▶ the client shuts its side down, or goes ─▶ no more packets are
 *     captured ─▶ the connection is closed
 *
 * Nothing is read from the client but that it is there, and nothing else is sent to it: a client
 * that stalls has no effect but that the ring overwrites what it has not read. Main thread.
 */
#ifndef XMCAST_DAEMON_CAPTURE_H
#define XMCAST_DAEMON_CAPTURE_H

#include "control/method.h"
#include "daemon/daemon.h"

void method_capture_start(void *context, const json_t *params, struct control_reply *reply);
void method_capture_headers(void *context, const json_t *params, struct control_reply *reply);

/* The connection is readable. 0; -EIO: the relay must end. */
int capture_run(struct daemon *daemon);

/* Call it once a second: a client that does not begin is forgotten, and a capture ends whose rule
 * or interface is gone. 0; -EIO. */
int capture_second(struct daemon *daemon);

/* End the capture, if there is one. 0; -EIO: the relay must end. */
int capture_end(struct daemon *daemon, const char *reason);

#endif
