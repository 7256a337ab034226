/* SPDX-License-Identifier: BSD-2-Clause */
#include "membership/sender_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of each packet: an IPv4 header with options, or one of IPv6, and that of UDP. */
#define SNAP 68

/* The kernel counts whole packets, of up to 4 KiB each. */
#define RECEIVE_BUFFER (SENDER_PACKETS * 2048)

/* Offsets of destinations, which are also where the filter looks. */
#define IPV4_DESTINATION 16
#define IPV6_DESTINATION 24

#define IPV4_HEADER	 20
#define IPV6_HEADER	 40

/* Nine for each group of IPv6, and the refusal. */
#define FILTER_LENGTH (9 * SENDER_GROUPS + 1)

struct sender_socket {
	int fd;
	bool deaf; /* it has no filter that accepts anything */
	unsigned short filter_length;
	struct sock_filter filter[FILTER_LENGTH];
};

/* ---- packets ---- */

static struct xmc_addr ipv4(const unsigned char *bytes)
{
	struct xmc_addr address = {{{[10] = 0xff, [11] = 0xff}}};

	memcpy(&address.b[12], bytes, 4);
	return address;
}

bool sender_parse(const unsigned char *packet, size_t length, struct xmc_addr *source,
		  struct xmc_addr *group, uint16_t *port)
{
	size_t header = length ? (packet[0] & 15) * 4UL : 0;

	if (length && packet[0] >> 4 == 6) {
		header = IPV6_HEADER;
		if (length < header + 4 || packet[6] != IPPROTO_UDP)
			return false;
		memcpy(source, &packet[8], sizeof(*source));
		memcpy(group, &packet[IPV6_DESTINATION], sizeof(*group));
	} else {
		/* Later fragments have no ports. */
		if (header < IPV4_HEADER || packet[0] >> 4 != 4 || length < header + 4 ||
		    packet[9] != IPPROTO_UDP || (packet[6] & 0x1f) || packet[7])
			return false;
		*source = ipv4(&packet[12]);
		*group = ipv4(&packet[IPV4_DESTINATION]);
	}
	*port = (uint16_t)(packet[header + 2] << 8 | packet[header + 3]);
	return true;
}

/* ---- the filter ---- */

/* Accept a packet whose bytes from `offset` on are these words. */
static unsigned int add_group(struct sock_filter *filter, unsigned int offset,
			      const unsigned char *bytes, unsigned int words)
{
	unsigned int length = 0;

	for (unsigned int i = 0; i < words; i++) {
		uint32_t word;

		memcpy(&word, bytes + 4UL * i, sizeof(word));
		filter[length++] =
			(struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset + 4 * i);
		/* Otherwise go on behind the acceptance. */
		filter[length++] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(word), 0,
						     (unsigned char)(2 * (words - 1 - i) + 1));
	}
	filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SNAP);
	return length;
}

static void make_filter(struct sender_socket *sock, const struct xmc_addr *groups,
			unsigned int count)
{
	unsigned int length = 0;

	for (unsigned int i = 0; i < count; i++) {
		bool is_ipv4 = addr_is_ipv4(&groups[i]);

		length += add_group(sock->filter + length,
				    is_ipv4 ? IPV4_DESTINATION : IPV6_DESTINATION,
				    &groups[i].b[is_ipv4 ? 12 : 0], is_ipv4 ? 1 : 4);
	}
	sock->filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	sock->filter_length = (unsigned short)length;
}

/* `deaf`: only the refusal at its end. */
static int attach_filter(struct sender_socket *sock, bool deaf)
{
	unsigned short skipped = deaf ? sock->filter_length - 1 : 0;
	struct sock_fprog program = {.len = sock->filter_length - skipped,
				     .filter = sock->filter + skipped};

	if (setsockopt(sock->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	sock->deaf = deaf;
	return 0;
}

/* ---- the socket ---- */

int sender_socket_open(struct sender_socket **out, int ifindex, const struct xmc_addr *groups,
		       unsigned int count)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		/* One protocol and not all, so that the kernel copies nothing that we send. */
		.sll_protocol = htons(addr_is_ipv4(&groups[0]) ? ETH_P_IP : ETH_P_IPV6),
		.sll_ifindex = ifindex,
	};
	const int size = RECEIVE_BUFFER;
	struct sender_socket *sock = calloc(1, sizeof(*sock));
	int err;

	if (!sock)
		return -ENOMEM;
	/* Without a protocol it receives nothing before it is bound. */
	sock->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	make_filter(sock, groups, count);
	err = sock->fd < 0 ? -errno : attach_filter(sock, false);
	if (!err)
		setsockopt(sock->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (!err && bind(sock->fd, (const struct sockaddr *)&at, sizeof(at)))
		err = -errno;
	if (err)
		sender_socket_close(sock);
	else
		*out = sock;
	return err;
}

void sender_socket_close(struct sender_socket *sock)
{
	if (sock && sock->fd >= 0)
		close(sock->fd);
	free(sock);
}

/* While it is deaf nothing is added, so that this ends. */
static void discard_rest(struct sender_socket *sock)
{
	if (attach_filter(sock, true))
		return;
	while (recv(sock->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == EINTR)
		continue;
}

/* False: nothing is left, or the interface has gone. */
static bool read_packet(struct sender_socket *sock, sender_handler *handle, void *context)
{
	struct sockaddr_ll from = {};
	socklen_t size = sizeof(from);
	unsigned char packet[SNAP];
	struct sender sender = {};
	struct xmc_addr group;
	uint16_t port;
	ssize_t length = recvfrom(sock->fd, packet, sizeof(packet), MSG_DONTWAIT,
				  (struct sockaddr *)&from, &size);

	if (length < 0)
		return errno == EINTR;
	if (from.sll_pkttype == PACKET_OUTGOING ||
	    !sender_parse(packet, (size_t)length, &sender.address, &group, &port))
		return true;
	memcpy(sender.mac, from.sll_addr, sizeof(sender.mac));
	handle(context, &sender, &group, port);
	return true;
}

void sender_socket_read(struct sender_socket *sock, sender_handler *handle, void *context)
{
	unsigned int count = 0;

	while (count < SENDER_PACKETS && read_packet(sock, handle, context))
		count++;
	if (count == SENDER_PACKETS)
		discard_rest(sock);
	if (sock->deaf)
		attach_filter(sock, false);
}
