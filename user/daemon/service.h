/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The service manager that started the daemon, systemd or another with the same protocol
 * (base/notify.h): told when we are ready, reloading and stopping, what runs (STATUS), and, if it
 * has a watchdog, that every worker makes progress. Main thread; without a manager nothing happens.
 */
#ifndef XMCAST_DAEMON_SERVICE_H
#define XMCAST_DAEMON_SERVICE_H

#include "daemon/daemon.h"

/* Find the manager. Before anything is started that would inherit our environment. */
void service_open(struct daemon *daemon);
void service_close(struct daemon *daemon);

/* Have service_run() called by the main loop as often as the manager's watchdog wants it. 0 or
 * -errno. */
int service_watch(struct daemon *daemon, uint64_t epoll_data);
void service_run(struct daemon *daemon);

/* Started, or done reloading. */
void service_ready(struct daemon *daemon);
void service_reloading(struct daemon *daemon);

/* Call once a second: tells what has changed, and what could not be told before. */
void service_second(struct daemon *daemon);

/* It ends, whether asked to or not. May be called twice. */
void service_stopping(struct daemon *daemon);

#endif
