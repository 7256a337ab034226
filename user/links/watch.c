/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Larger than any single message: the longest is about an interface with many virtual functions. */
#define MESSAGE_SIZE 65536

/* Messages read in one call, about 0.3 ms: a change of a million routes must not keep everything
 * else waiting. */
#define TURN 256

/* Bytes for unread messages: some thousand changes while the main thread is busy. With more, it
 * costs less to query everything. */
#define RECEIVE_BUFFER (1 << 20)

struct link_watch {
	struct mnl_socket *socket;
	alignas(4) char message[MESSAGE_SIZE];
};

static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
			     RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE};

static int subscribe(struct link_watch *watch)
{
	const int size = RECEIVE_BUFFER;
	int fd = mnl_socket_get_fd(watch->socket);

	/* It works with a smaller buffer as well. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (mnl_socket_bind(watch->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(watch->socket, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int link_watch_open(struct link_watch **out)
{
	struct link_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	err = watch->socket ? subscribe(watch) : -errno;
	if (err) {
		link_watch_close(watch);
		return err;
	}
	*out = watch;
	return 0;
}

void link_watch_close(struct link_watch *watch)
{
	if (!watch)
		return;
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
}

int link_watch_fd(const struct link_watch *watch)
{
	return mnl_socket_get_fd(watch->socket);
}

static int read_messages(const void *data, size_t length, link_handler *handler, void *context)
{
	struct link_event event;
	int result;

	while ((result = link_parse(&data, &length, &event)) > 0) {
		if (event.kind == LINK_EVENT_OVERRUN)
			return -ENOBUFS;
		handler(context, &event);
	}
	/* A message that cannot be parsed may have been about anything. */
	return result ? -ENOBUFS : 0;
}

int link_watch_read(struct link_watch *watch, link_handler *handler, void *context)
{
	int result = 0;

	for (unsigned int i = 0; i < TURN; i++) {
		ssize_t n = mnl_socket_recvfrom(watch->socket, watch->message, MESSAGE_SIZE);
		int err = 0;

		if (n > 0)
			err = read_messages(watch->message, (size_t)n, handler, context);
		else if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return result;
		else if (n < 0) /* libmnl returns ENOSPC for a truncated message */
			err = errno == ENOSPC ? -ENOBUFS : -errno;
		if (err)
			result = err;
		if (err && err != -ENOBUFS)
			return err;
	}
	return result;
}
