/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_syslog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

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

static int connect_to(struct log_syslog *syslog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(syslog->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, syslog->path);
	syslog->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (syslog->fd < 0)
		return -errno;
	return connect(syslog->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

static int send_line(const struct log_syslog *syslog, const char *line, size_t length)
{
	ssize_t sent = send(syslog->fd, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	/* A temporary shortage, like a full socket. */
	if (sent < 0 && (errno == ENOBUFS || errno == ENOMEM))
		return -EAGAIN;
	return sent < 0 ? -errno : 0;
}

int log_syslog_send_connected(const struct log_syslog *syslog, const char *line, size_t length)
{
	if (length && line[length - 1] == '\n')
		length--;
	return syslog->fd < 0 ? -ENOTCONN : send_line(syslog, line, length);
}

int log_syslog_send(struct log_syslog *syslog, const char *line, size_t length, uint64_t now)
{
	int err = -ENOTCONN;

	if (length && line[length - 1] == '\n')
		length--;
	if (syslog->fd >= 0) {
		err = send_line(syslog, line, length);
		if (!err || err == -EAGAIN)
			return err;
		/* The daemon was restarted or has ended. */
		log_syslog_close(syslog);
	}
	if (now < syslog->retry)
		return err;
	syslog->retry = now + NS_PER_SECOND;
	err = connect_to(syslog);
	if (!err)
		err = send_line(syslog, line, length);
	if (err && err != -EAGAIN)
		log_syslog_close(syslog);
	return err;
}

void log_syslog_close(struct log_syslog *syslog)
{
	if (syslog->fd >= 0)
		close(syslog->fd);
	syslog->fd = -1;
}
