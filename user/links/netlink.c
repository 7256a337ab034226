/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/netlink.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "links/message.h"

/* Larger than any RTM_NEWLINK message with all its nested attributes. */
#define ANSWER_SIZE 65536

/* Datagrams to skip: answers to earlier requests that were interrupted. */
#define STALE_ANSWERS 16

struct netlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	alignas(4) char answer[ANSWER_SIZE];
};

int netlink_open(struct netlink **out, int protocol)
{
	struct netlink *netlink = malloc(sizeof(*netlink));
	int err = 0;

	if (!netlink)
		return -ENOMEM;
	netlink->sequence = 0;
	netlink->socket = mnl_socket_open2(protocol, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		err = -errno;
	if (err) {
		netlink_close(netlink);
		return err;
	}
	*out = netlink;
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

ssize_t netlink_receive(const struct mnl_socket *socket, void *buffer, size_t size)
{
	struct sockaddr_nl sender = {0};
	socklen_t length = sizeof(sender);
	ssize_t n;

	/* Not mnl_socket_recvfrom(), which does not return the sender. */
	do
		n = recvfrom(mnl_socket_get_fd(socket), buffer, size, MSG_TRUNC,
			     (struct sockaddr *)&sender, &length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (length != sizeof(sender) || sender.nl_pid) /* the kernel has no port */
		return 0;
	return (size_t)n > size ? -ENOBUFS : n;
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, uint16_t type,
		const struct nlmsghdr **answer)
{
	request->nlmsg_seq = ++netlink->sequence;
	request->nlmsg_pid = mnl_socket_get_portid(netlink->socket);
	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (unsigned int i = 0; i < STALE_ANSWERS; i++) {
		ssize_t n = netlink_receive(netlink->socket, netlink->answer, ANSWER_SIZE);
		int result;

		if (n < 0)
			return n == -EAGAIN ? -EPROTO : (int)n;
		result = message_answer(netlink->answer, (size_t)n, request, type, answer);
		if (result)
			return result < 0 ? result : 0;
	}
	return -EPROTO;
}

/* What netlink_list() asks for. */
struct list_query {
	const struct nlmsghdr *request;
	uint16_t type;
	int (*handle)(const struct nlmsghdr *message, void *context);
	void *context;
	bool changed; /* while the kernel wrote it */
	bool done;
};

/* Handle the messages of one receive. 0 or -errno. */
static int handle_list(struct list_query *query, const void *data, size_t length)
{
	const struct nlmsghdr *message;
	int result;
	int error;

	while (!query->done && (result = message_next(&data, &length, &message)) != 0) {
		if (result < 0)
			return result;
		if (message->nlmsg_seq != query->request->nlmsg_seq ||
		    message->nlmsg_pid != query->request->nlmsg_pid)
			continue;
		query->changed |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (message->nlmsg_type == NLMSG_DONE)
			query->done = true;
		else if (message->nlmsg_type == NLMSG_ERROR)
			return message_error(message, &error) ? -EBADMSG : error ? error : -EPROTO;
		else if (message->nlmsg_type == query->type)
			result = query->handle(message, query->context);
		else
			return -EPROTO;
		if (result < 0)
			return result;
	}
	return 0;
}

int netlink_list(struct netlink *netlink, struct nlmsghdr *request, uint16_t type,
		 int (*handle)(const struct nlmsghdr *message, void *context), void *context)
{
	struct list_query query = {request, type, handle, context, false, false};
	int err = 0;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++netlink->sequence;
	request->nlmsg_pid = mnl_socket_get_portid(netlink->socket);
	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (!err && !query.done) {
		ssize_t n = netlink_receive(netlink->socket, netlink->answer, ANSWER_SIZE);

		if (n < 0)
			return n == -EAGAIN ? -EPROTO : (int)n;
		err = handle_list(&query, netlink->answer, (size_t)n);
	}
	return err ? err : query.changed ? -EAGAIN : 0;
}
