/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "links/features.h"
#include "links/netlink.h"

/* Larger than any single message: the longest is about an interface with many virtual functions. */
#define MESSAGE_SIZE 65536

/* Messages read in one call, about 0.3 ms: a change of a million routes must not keep everything
 * else waiting. */
#define TURN 256

/* Bytes for unread messages: some thousand changes while the main thread is busy. With more, it
 * costs less to query everything. */
#define RECEIVE_BUFFER (1 << 20)

struct link_watch {
	int epoll_fd; /* readable when one of the sockets is */
	struct mnl_socket *routing;
	struct mnl_socket *features; /* NULL: this kernel does not announce them */
	const struct features_family *family;
	bool neighbours;
	alignas(4) char message[MESSAGE_SIZE];
};

/* Rules and next hop objects select routes: see ip-rule(8), ip-nexthop(8). */
static const int groups[] = {RTNLGRP_LINK,	 RTNLGRP_NEXTHOP,   RTNLGRP_IPV4_IFADDR,
			     RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_IFADDR,
			     RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_RULE};

static int set_membership(const struct mnl_socket *socket, int option, int group)
{
	return mnl_socket_setsockopt(socket, option, &group, sizeof(group)) < 0 ? -errno : 0;
}

/* Open a socket that makes the watch readable. Owned by the watch, even on errors. */
static int open_socket(struct link_watch *watch, int protocol, struct mnl_socket **out)
{
	struct epoll_event event = {.events = EPOLLIN};
	const int size = RECEIVE_BUFFER;
	int fd;

	*out = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!*out)
		return -errno;
	fd = mnl_socket_get_fd(*out);
	/* Not fatal: with a smaller buffer, overruns are more frequent, and are reported. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (mnl_socket_bind(*out, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return 0;
}

static int watch_routing(struct link_watch *watch)
{
	int err = open_socket(watch, NETLINK_ROUTE, &watch->routing);

	for (unsigned int i = 0; !err && i < sizeof(groups) / sizeof(groups[0]); i++)
		err = set_membership(watch->routing, NETLINK_ADD_MEMBERSHIP, groups[i]);
	return err;
}

static int watch_features(struct link_watch *watch)
{
	int err;

	watch->family = features_family();
	if (!watch->family || !watch->family->group)
		return 0;
	err = open_socket(watch, NETLINK_GENERIC, &watch->features);
	return err ? err
		   : set_membership(watch->features, NETLINK_ADD_MEMBERSHIP,
				    (int)watch->family->group);
}

int link_watch_open(struct link_watch **out)
{
	struct link_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = watch->epoll_fd < 0 ? -errno : watch_routing(watch);
	if (!err)
		err = watch_features(watch);
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
	if (watch->features)
		mnl_socket_close(watch->features);
	if (watch->routing)
		mnl_socket_close(watch->routing);
	if (watch->epoll_fd >= 0)
		close(watch->epoll_fd);
	free(watch);
}

int link_watch_neighbours(struct link_watch *watch, bool on)
{
	int err;

	if (watch->neighbours == on)
		return 0;
	err = set_membership(watch->routing, on ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP,
			     RTNLGRP_NEIGH);
	if (!err)
		watch->neighbours = on;
	return err;
}

int link_watch_fd(const struct link_watch *watch)
{
	return watch->epoll_fd;
}

/* `family`: of generic netlink; NULL: rtnetlink. */
static int read_messages(const void *data, size_t length, const struct features_family *family,
			 link_handler *handler, void *context)
{
	struct link_event event;
	int result;

	while ((result = family ? link_parse_features(&data, &length, family, &event)
				: link_parse(&data, &length, &event)) > 0) {
		if (event.kind == LINK_EVENT_OVERRUN)
			return -ENOBUFS;
		handler(context, &event);
	}
	/* A message that cannot be parsed may have been about anything. */
	return result ? -ENOBUFS : 0;
}

static int read_socket(struct link_watch *watch, const struct mnl_socket *socket,
		       const struct features_family *family, link_handler *handler, void *context)
{
	int result = 0;

	for (unsigned int i = 0; i < TURN; i++) {
		ssize_t n = netlink_receive(socket, watch->message, MESSAGE_SIZE);
		int err = (int)n;

		if (n == -EAGAIN)
			return result;
		if (n >= 0)
			err = read_messages(watch->message, (size_t)n, family, handler, context);
		if (err)
			result = err;
		if (err && err != -ENOBUFS)
			return err;
	}
	return result;
}

int link_watch_read(struct link_watch *watch, link_handler *handler, void *context)
{
	int err = read_socket(watch, watch->routing, NULL, handler, context);
	int features_err = 0;

	if (watch->features)
		features_err = read_socket(watch, watch->features, watch->family, handler, context);
	return err ? err : features_err;
}
