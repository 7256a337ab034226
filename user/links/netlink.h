/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A netlink socket for requests with one answer, kept open: a request then costs two system calls
 * and some microseconds. Main thread. Requests that only read need no privilege; for others the
 * kernel checks CAP_NET_ADMIN of the thread that opened the socket and of the one that sends.
 *
 * The socket belongs to the network namespace in which it was opened.
 */
#ifndef XMCAST_LINKS_NETLINK_H
#define XMCAST_LINKS_NETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct netlink;

/* `protocol`: NETLINK_ROUTE, NETLINK_GENERIC. 0 or -errno. */
int netlink_open(struct netlink **out, int protocol);
void netlink_close(struct netlink *netlink); /* accepts NULL */

/*
 * Send a request and find its answer, a message of this type (`type` 0: an acknowledgement). The
 * request's sequence number and port are set here; NLM_F_REQUEST, and NLM_F_ACK where it is needed,
 * by the caller. Only what the kernel sent, with this sequence number and port, is an answer.
 *
 * 0: *answer, valid until the next call; its payload has not been checked. -EPROTO: no or another
 * answer; -EBADMSG: not a netlink message; other -errno: of the kernel, which has refused the
 * request, or of the socket. Never blocks, because the kernel answers before sendto(2) returns.
 */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, uint16_t type,
		const struct nlmsghdr **answer);

/*
 * Send a request for a list (NLM_F_DUMP is set here), and call `handle` for each message of this
 * type in the answer, whose payload has not been checked. 0; what `handle` returned if that was not
 * 0; -EAGAIN: the list has changed meanwhile, ask again; otherwise as netlink_ask(). Never blocks.
 */
int netlink_list(struct netlink *netlink, struct nlmsghdr *request, uint16_t type,
		 int (*handle)(const struct nlmsghdr *message, void *context), void *context);

/*
 * Receive one datagram of messages. The number of bytes; 0: ignore it, because the kernel did not
 * send it; -EAGAIN: there is none; -ENOBUFS: messages were lost, or this one was too long; other
 * -errno. For sockets that are opened otherwise, see links/watch.c.
 */
ssize_t netlink_receive(const struct mnl_socket *socket, void *buffer, size_t size);

#endif
