/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reporting the daemon's state to the service manager: the protocol of sd_notify(3).
 *
 * The manager names a datagram socket in $NOTIFY_SOCKET (a path, or @NAME in the abstract
 * namespace), and gets lines of KEY=VALUE. No call waits: a message that the socket does not accept
 * is kept (the latest of each kind) and sent with the next call. Errors are logged once
 * (notify-failed), and again only after a message got through.
 *
 * Main thread. Needs no privilege; calls socket(2) and sendto(2). All functions except
 * notify_open() accept NULL, which means that there is no manager.
 */
#ifndef XMCAST_BASE_NOTIFY_H
#define XMCAST_BASE_NOTIFY_H

#include <stdint.h>

/* Bytes of a status with its NUL; a longer one is cut. */
#define NOTIFY_STATUS_SIZE 256

struct notify;

/*
 * Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and remove them from the environment, so that
 * no program started later can speak for the daemon. Call it before any thread exists. 0: *out, or
 * NULL if there is no manager. -EINVAL: the name is neither an absolute path nor abstract, or too
 * long; other -errno: of socket(2). An error has been logged, *out is NULL, and the daemon can go
 * on without.
 */
int notify_open(struct notify **out);
void notify_close(struct notify *notify);

/* READY=1: started, or done reloading. */
void notify_ready(struct notify *notify);

/* RELOADING=1, with the time (MONOTONIC_USEC) that Type=notify-reload needs. notify_ready() ends
 * the reload. */
void notify_reloading(struct notify *notify);

/* STOPPING=1: nothing else is sent after it. */
void notify_stopping(struct notify *notify);

/* STATUS=text, if it has changed; one line, UTF-8. */
void notify_status(struct notify *notify, const char *text);

/* FDSTORE=1: the manager keeps this descriptor, by this name, beyond the end of the process, and
 * passes it to the next one (LISTEN_FDS). 0; -ENOTCONN: there is no manager; -errno, which is
 * logged. */
int notify_store(struct notify *notify, const char *name, int fd);

/* WATCHDOG=1: a heartbeat. Not kept if it cannot be sent. */
void notify_alive(struct notify *notify);

/* Send what could not be sent before. */
void notify_retry(struct notify *notify);

/* The longest time in ns between two calls of notify_alive() that the manager accepts; 0: any. */
uint64_t notify_watchdog_ns(const struct notify *notify);

#endif
