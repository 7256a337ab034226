/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Telling the service manager how it goes: the protocol of sd_notify(3), in our own few lines.
 *
 * The manager names a datagram socket in $NOTIFY_SOCKET (a path, or @NAME in the abstract
 * namespace); we send it lines of KEY=VALUE. Nothing here ever waits: what its socket does not take
 * now is kept (the latest of each kind) and sent with the next call. Errors are logged once
 * (notify-failed), and again only after something got through in between.
 *
 * Main thread. Needs no privilege; calls socket(2) and sendto(2). All functions but notify_open()
 * take NULL, which is: nobody is to be told.
 */
#ifndef XMCAST_BASE_NOTIFY_H
#define XMCAST_BASE_NOTIFY_H

#include <stdint.h>

/* Bytes of a status with its NUL; a longer one is cut. */
#define NOTIFY_STATUS_SIZE 256

struct notify;

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from the environment, so
 * that no program started later speaks in our name; so before that, and before any thread. 0: *out
 * is the way to tell, or NULL if there is no manager. -EINVAL: the name is no absolute path and no
 * abstract one, or too long; -errno of socket(2). *out is NULL then; it has been logged, and
 * nothing else depends on it.
 */
int notify_open(struct notify **out);
void notify_close(struct notify *notify);

/* READY=1: started, or done reloading. */
void notify_ready(struct notify *notify);

/* RELOADING=1, with the time (MONOTONIC_USEC) that Type=notify-reload wants. notify_ready() ends
 * it. */
void notify_reloading(struct notify *notify);

/* STOPPING=1: nothing else is told after it. */
void notify_stopping(struct notify *notify);

/* STATUS=text, if it is another one than before; one line, UTF-8. */
void notify_status(struct notify *notify, const char *text);

/* WATCHDOG=1: we are alive. Not kept if it cannot be sent. */
void notify_alive(struct notify *notify);

/* Send what could not be sent before. */
void notify_retry(struct notify *notify);

/* Nanoseconds within which the manager wants notify_alive(), each time; 0: it does not. */
uint64_t notify_watchdog_ns(const struct notify *notify);

#endif
