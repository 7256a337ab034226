/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for the syslog daemon: RFC 3164 in datagrams (log_datagram.h). */
#ifndef XMCAST_BASE_LOG_SYSLOG_H
#define XMCAST_BASE_LOG_SYSLOG_H

#include "base/log_record.h"

#define LOG_SYSLOG_PATH "/dev/log"

/* Bytes that log_syslog_prefix() writes, NUL included. */
#define LOG_SYSLOG_PREFIX_SIZE 80

/* Write "<30>Nov 22 15:04:05 xmcastd[123]: ", with the level, the current time, and the facility
 * LOG_DAEMON. */
void log_syslog_prefix(enum log_level level, char prefix[LOG_SYSLOG_PREFIX_SIZE]);

#endif
