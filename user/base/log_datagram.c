/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log_datagram.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

static int connect_to(struct log_datagram *to)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(to->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, to->path);
	to->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (to->fd < 0)
		return -errno;
	return connect(to->fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

int log_datagram_send_connected(const struct log_datagram *to, const char *bytes, size_t length)
{
	if (to->fd < 0)
		return -ENOTCONN;
	if (send(to->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	/* A temporary shortage, like a full socket. */
	return errno == ENOBUFS || errno == ENOMEM ? -EAGAIN : -errno;
}

int log_datagram_send(struct log_datagram *to, const char *bytes, size_t length, uint64_t now)
{
	int err = log_datagram_send_connected(to, bytes, length);

	if (!err || err == -EAGAIN || err == -EMSGSIZE)
		return err;
	/* The daemon was restarted or has ended. */
	log_datagram_close(to);
	if (now < to->retry)
		return err;
	to->retry = now + NS_PER_SECOND;
	err = connect_to(to);
	if (!err)
		err = log_datagram_send_connected(to, bytes, length);
	if (err && err != -EAGAIN && err != -EMSGSIZE)
		log_datagram_close(to);
	return err;
}

void log_datagram_close(struct log_datagram *to)
{
	if (to->fd >= 0)
		close(to->fd);
	to->fd = -1;
}
