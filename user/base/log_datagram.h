/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines to the syslog daemon, without waiting for it.
 *
 * Not syslog(3): if the daemon is slow and its socket full, that waits in send(2) and keeps all
 * other callers waiting for its lock, and it has no option to avoid that. So this sends the same
 * protocol (RFC 3164 in datagrams) with MSG_DONTWAIT. The caller's lock.
 */
#ifndef XMCAST_BASE_LOG_SYSLOG_H
#define XMCAST_BASE_LOG_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/log_record.h"

#define LOG_SYSLOG_PATH "/dev/log"

/* Bytes that log_syslog_prefix() writes, NUL included. */
#define LOG_SYSLOG_PREFIX_SIZE 80

/* Starts as { .path, .fd = -1 }. */
struct log_syslog {
	const char *path; /* of its socket */
	int fd;		  /* connected, or -1 */
	uint64_t retry;	  /* CLOCK_MONOTONIC ns: when to try to connect again */
};

/* Write "<30>Nov 22 15:04:05 xmcastd[123]: ", with the level, the current time, and the facility
 * LOG_DAEMON. */
void log_syslog_prefix(enum log_level level, char prefix[LOG_SYSLOG_PREFIX_SIZE]);

/* Send one line, without its newline. `now`: CLOCK_MONOTONIC ns. 0; -EAGAIN: the socket is full,
 * and the line is lost; other -errno: no daemon listens (connecting is tried once a second). */
int log_syslog_send(struct log_syslog *syslog, const char *line, size_t length, uint64_t now);

/* The same, but neither connects nor closes: -ENOTCONN without a connection. */
int log_syslog_send_connected(const struct log_syslog *syslog, const char *line, size_t length);

void log_syslog_close(struct log_syslog *syslog);

#endif
