/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking the place of a running daemon (`--take-over`): the other side of daemon/hand_over.h.
 *
 *     take_over_open()      connect to its control socket, ask for its descriptors
 *     take_over_relay()     relay_open_after(): prepare, have it pause, relay; then have it end and add
 *                           its counters
 *     take_over_settle()    close what is not needed; change to the configuration that this process
 *                           has read
 *
 * Without a running daemon all of this does nothing, and the daemon starts as usual. If a step
 * fails before the commit, this process ends, and the running daemon goes on.
 *
 * If the service manager has kept what the last process has left (daemon/fd_store.h), that takes
 * the place of a running daemon: there is nothing to pause, and the counters are there already,
 * unless the process was killed. Main thread.
 */
#ifndef XMCAST_DAEMON_TAKE_OVER_H
#define XMCAST_DAEMON_TAKE_OVER_H

#include "base/bundle.h"
#include "daemon/daemon.h"

struct take_over;

/* 0, also if no daemon runs; -EPROTO: it cannot be taken over, which is logged; -EPERM: it belongs
 * to another user; -errno. */
int take_over_open(struct daemon *daemon);

/* The listening socket of the predecessor, or NULL. */
const struct control_adoption *take_over_control(const struct daemon *daemon);

/* As relay_open(). */
int take_over_relay(struct daemon *daemon);

/* The relay runs, whether or not a place was taken: change to the own configuration, or to one that
 * waits to be confirmed. 0 or -errno: -EIO: the relay must end. */
int take_over_settle(struct daemon *daemon);

/* Accepts that nothing was taken over. */
void take_over_close(struct daemon *daemon);

#endif
