/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager that started the daemon: systemd, or another with the same protocol
 * (base/notify.h). It receives READY, RELOADING, STOPPING, a STATUS of what runs and, if it has a
 * watchdog, a heartbeat while all workers make progress. Main thread; without a manager these
 * functions do nothing.
 */
#ifndef XMCAST_DAEMON_SERVICE_H
#define XMCAST_DAEMON_SERVICE_H

#include "daemon/daemon.h"

/* Find the manager. Changes the environment, so before any thread starts. */
void service_open(struct daemon *daemon);
void service_close(struct daemon *daemon);

/* Use the manager's store of descriptors, if the options say so. */
void service_open_store(struct daemon *daemon);

/* Have the main loop call service_run() at half of the watchdog's interval. 0 or -errno. */
int service_watch(struct daemon *daemon, uint64_t epoll_data);
void service_run(struct daemon *daemon);

/* Keep in the manager's store what a next process needs, if it has changed (`--store`). */
void service_keep(struct daemon *daemon);

/* The main loop has ended: leave everything to a next process. False: there is no store, or it is
 * stopped because of an error. */
bool service_leave(struct daemon *daemon, bool failed);

/* Started, or finished reloading. */
void service_ready(struct daemon *daemon);
void service_reloading(struct daemon *daemon);

/* Call once a second: sends a changed status, and messages that the manager did not accept before.
 */
void service_second(struct daemon *daemon);

/* The daemon ends, for whatever reason. May be called twice. */
void service_stopping(struct daemon *daemon);

#endif
