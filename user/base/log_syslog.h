/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines to the syslog daemon, without ever waiting for it.
 *
 * Not syslog(3): when the daemon is slow and its socket full, that waits in send(2) while it holds
 * the lock of all other callers, and there is no way to tell it not to. So this is the same
 * protocol (RFC 3164 in datagrams), sent with MSG_DONTWAIT. The caller's lock.
 */
#ifndef XMCAST_BASE_LOG_SYSLOG_H
#define XMCAST_BASE_LOG_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/log_record.h"

#define LOG_SYSLOG_PATH "/dev/log"

/* Bytes of what syslog_prefix() writes, NUL included. */
#define LOG_SYSLOG_PREFIX_SIZE 80

/* Begins as { .path, .fd = -1 }. */
struct log_syslog {
	const char *path; /* of its socket */
	int fd;		  /* connected, or -1 */
	uint64_t retry;	  /* ns: not to be connected before */
};

/* "<30>Nov 22 15:04:05 xmcastd[123]: " of the level and now, facility LOG_DAEMON. */
void log_syslog_prefix(enum log_level level, char prefix[LOG_SYSLOG_PREFIX_SIZE]);

/*
 * Send one line, whose newline is left out. `now`: CLOCK_MONOTONIC ns. 0, or
 * -EAGAIN   its socket is full: the line is lost;
 * others    nobody is there (the next second, it is looked for again).
 */
int log_syslog_send(struct log_syslog *syslog, const char *line, size_t length, uint64_t now);

/* The same, on the connection that is there: makes none, and closes none. -ENOTCONN: there is none.
 */
int log_syslog_send_connected(const struct log_syslog *syslog, const char *line, size_t length);

void log_syslog_close(struct log_syslog *syslog);

#endif
