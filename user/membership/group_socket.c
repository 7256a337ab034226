/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/group_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "links/next_hop.h"

/* Reports of some thousand hosts that answer one query, 2 KiB each as the kernel counts. */
#define RECEIVE_BUFFER (8 << 20)

/* A message fills at most one packet of an interface with jumbo frames. */
#define PACKET_SIZE 9216

enum { IPV4, IPV6, FAMILIES };

struct group_socket {
	int ifindex;
	int fds[FAMILIES]; /* -1: not open */
	struct group_socket_counts counts;
};

/* Offsets of headers: see group_message.c. */
static const struct sock_filter ipv4_filter[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IGMP, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};
static const struct sock_filter ipv6_filter[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_HOPOPTS, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static const struct {
	uint16_t protocol;
	struct sock_fprog filter;
} families[FAMILIES] = {
	[IPV4] = {ETH_P_IP,
		  {sizeof(ipv4_filter) / sizeof(ipv4_filter[0]),
		   (struct sock_filter *)ipv4_filter}},
	[IPV6] = {ETH_P_IPV6,
		  {sizeof(ipv6_filter) / sizeof(ipv6_filter[0]),
		   (struct sock_filter *)ipv6_filter}},
};

/* No room for as much as this is no reason not to listen. */
static void enlarge(int fd)
{
	const int size = RECEIVE_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

/* Without a protocol it receives nothing before it is bound. One protocol and not all, so that the
 * kernel copies nothing that this host sends. */
static int set_up(int fd, int ifindex, unsigned int family)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(families[family].protocol),
		.sll_ifindex = ifindex,
	};
	const struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_ALLMULTI};

	enlarge(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &families[family].filter,
		       sizeof(families[family].filter)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)))
		return -errno;
	return 0;
}

static int open_family(struct group_socket *sock, unsigned int family, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	sock->fds[family] = fd;
	err = set_up(fd, sock->ifindex, family);
	if (!err && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event))
		err = -errno;
	return err;
}

int group_socket_open(struct group_socket **out, int ifindex, int epoll_fd)
{
	struct group_socket *sock = calloc(1, sizeof(*sock));
	int err = 0;

	if (!sock)
		return -ENOMEM;
	sock->ifindex = ifindex;
	for (unsigned int i = 0; i < FAMILIES; i++)
		sock->fds[i] = -1;
	for (unsigned int i = 0; !err && i < FAMILIES; i++)
		err = open_family(sock, i, epoll_fd);
	if (err)
		group_socket_close(sock);
	else
		*out = sock;
	return err;
}

void group_socket_close(struct group_socket *sock)
{
	if (!sock)
		return;
	for (unsigned int i = 0; i < FAMILIES; i++) {
		if (sock->fds[i] >= 0)
			close(sock->fds[i]);
	}
	free(sock);
}

/* False: there is nothing, now. */
static bool read_one(struct group_socket *sock, unsigned int family, group_socket_handler *handler,
		     void *context)
{
	uint8_t packet[PACKET_SIZE];
	struct sockaddr_ll from = {.sll_halen = 0};
	socklen_t size = sizeof(from);
	ssize_t length = recvfrom(sock->fds[family], packet, sizeof(packet), MSG_TRUNC,
				  (struct sockaddr *)&from, &size);
	enum group_defect defect = GROUP_MESSAGE_MALFORMED;
	struct group_message message;
	uint8_t mac[MAC_LENGTH] = {0};

	if (length < 0)
		return errno == ENETDOWN; /* reported once when the interface goes down */
	/* Of another VLAN, to another host, or sent by this one. */
	if (from.sll_pkttype > PACKET_MULTICAST)
		return true;
	if ((size_t)length <= sizeof(packet))
		defect = group_message_parse(packet, (size_t)length, &message);
	/* With the group's address, but to our MAC address alone: receivers do not hear it. */
	if (!defect && from.sll_pkttype == PACKET_HOST)
		defect = GROUP_MESSAGE_FORWARDED;
	if (defect) {
		sock->counts.defects[defect]++;
		return true;
	}
	if (from.sll_halen == sizeof(mac))
		memcpy(mac, from.sll_addr, sizeof(mac));
	sock->counts.messages++;
	handler(context, &message, mac);
	return true;
}

void group_socket_read(struct group_socket *sock, uint64_t until_ns, group_socket_handler *handler,
		       void *context)
{
	bool left = true;

	/* In turns, so that neither family keeps the other waiting. */
	while (left && clock_ns() < until_ns) {
		left = false;
		for (unsigned int i = 0; i < FAMILIES; i++)
			left |= read_one(sock, i, handler, context);
	}
}

int group_socket_send(struct group_socket *sock, const struct xmc_addr *to, const void *packet,
		      size_t length)
{
	unsigned int family = addr_is_ipv4(to) ? IPV4 : IPV6;
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(families[family].protocol),
		.sll_ifindex = sock->ifindex,
		.sll_halen = MAC_LENGTH,
	};

	group_mac(to, at.sll_addr);
	return sendto(sock->fds[family], packet, length, 0, (const struct sockaddr *)&at,
		      sizeof(at)) < 0
		       ? -errno
		       : 0;
}

void group_socket_read_counts(struct group_socket *sock, struct group_socket_counts *counts)
{
	for (unsigned int i = 0; i < FAMILIES; i++) {
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		/* The kernel's counter starts again with each reading. */
		if (!getsockopt(sock->fds[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size))
			sock->counts.lost += stats.tp_drops;
	}
	*counts = sock->counts;
}
