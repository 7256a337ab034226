/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_syslog.h"

#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

void log_syslog_prefix(enum log_level level, char prefix[LOG_SYSLOG_PREFIX_SIZE])
{
	static const int priorities[LOG_LEVELS] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = time(NULL);
	struct tm local = {};

	localtime_r(&seconds, &local);
	snprintf(prefix, LOG_SYSLOG_PREFIX_SIZE,
		 "<%d>%s %2d %02d:%02d:%02d %s[%d]: ", LOG_MAKEPRI(LOG_DAEMON, priorities[level]),
		 months[local.tm_mon % 12], local.tm_mday % 100, local.tm_hour % 100,
		 local.tm_min % 100, local.tm_sec % 100, "xmcastd", (int)getpid());
}
