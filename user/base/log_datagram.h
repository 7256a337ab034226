/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datagrams to a log daemon's Unix socket, without waiting for it: lines to the syslog daemon
 * (log_syslog.h), entries to the journal (log_journal.h).
 *
 * Not syslog(3) and sd_journal_sendv(3): if the daemon is slow and its socket full, they wait in
 * send(2), and have no option to avoid that. So this sends the same datagrams with MSG_DONTWAIT.
 * The caller's lock.
 */
#ifndef XMCAST_BASE_LOG_DATAGRAM_H
#define XMCAST_BASE_LOG_DATAGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Starts as { .path, .fd = -1 }. */
struct log_datagram {
	const char *path; /* of its socket */
	int fd;		  /* connected, or -1 */
	uint64_t retry;	  /* CLOCK_MONOTONIC ns: when to try to connect again */
};

/* Send one datagram. `now`: CLOCK_MONOTONIC ns. 0; -EAGAIN: the socket is full, and it is lost;
 * other -errno: no daemon listens (connecting is tried once a second), or it is too large. */
int log_datagram_send(struct log_datagram *to, const char *bytes, size_t length, uint64_t now);

/* The same, but neither connects nor closes: -ENOTCONN without a connection. */
int log_datagram_send_connected(const struct log_datagram *to, const char *bytes, size_t length);

void log_datagram_close(struct log_datagram *to);

#endif
