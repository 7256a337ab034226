/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log_record.h"

static enum { PLAIN, OPENED, SOCKET, SHARED_PIPE } kind;
static int opened_fd = -1; /* OPENED: stderr once more, with O_NONBLOCK */

/* What is left of a line of which a part has been written. */
static char rest[LOG_JSON_SIZE];
static size_t rest_length;

void log_stderr_open(void)
{
	struct stat status;

	if (opened_fd >= 0)
		close(opened_fd);
	opened_fd = -1;
	rest_length = 0;
	kind = PLAIN;
	if (fstat(STDERR_FILENO, &status))
		return;
	if (S_ISSOCK(status.st_mode))
		kind = SOCKET;
	if (!S_ISFIFO(status.st_mode) && !isatty(STDERR_FILENO))
		return;
	opened_fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	kind = opened_fd >= 0 ? OPENED : SHARED_PIPE;
}

static ssize_t write_shared(const char *bytes, size_t length)
{
	const struct iovec part = {.iov_base = (char *)bytes, .iov_len = length};
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n = pwritev2(STDERR_FILENO, &part, 1, -1, RWF_NOWAIT);

	if (n >= 0 || errno != EOPNOTSUPP)
		return n;
	if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT))
		return write(STDERR_FILENO, bytes, length);
	errno = EAGAIN;
	return -1;
}

static ssize_t write_some(const char *bytes, size_t length)
{
	switch (kind) {
	case OPENED:
		return write(opened_fd, bytes, length);
	case SOCKET:
		return send(STDERR_FILENO, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SHARED_PIPE:
		return write_shared(bytes, length);
	case PLAIN:
		break;
	}
	return write(STDERR_FILENO, bytes, length);
}

int log_stderr_write(const char *line, size_t length)
{
	ssize_t n;

	if (rest_length) {
		n = write_some(rest, rest_length);
		if (n < 0)
			return -errno;
		rest_length -= (size_t)n;
		memmove(rest, rest + n, rest_length);
		if (rest_length)
			return -EAGAIN;
	}
	n = write_some(line, length);
	if (n < 0)
		return -errno;
	rest_length = length - (size_t)n;
	memcpy(rest, line + n, rest_length);
	return 0;
}
