/* SPDX-License-Identifier: BSD-2-Clause */
#include "links/icmp.h"

/* Before the kernel's headers, which then leave out what it defines. */
#include <netinet/in.h>

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is read of a message. A report has at most 576 bytes (IPv4) or 1280 (IPv6), and all that
 * matters is in the first 200. */
#define MESSAGE_SIZE 1280

struct icmp {
	int ipv4_fd;
	int ipv6_fd; /* -1: this kernel has no IPv6 */
};

static int open_ipv4(void)
{
	const struct icmp_filter filter = {
		.data = ~(1U << ICMP_DEST_UNREACH | 1U << ICMP_TIME_EXCEEDED),
	};
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
	int err;

	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int open_ipv6(void)
{
	struct icmp6_filter filter;
	const int on = 1;
	int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	int err;

	if (fd < 0)
		return -errno;
	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter);
	ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &filter);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &filter);
	if (!setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter)) &&
	    !setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int icmp_open(struct icmp **out)
{
	struct icmp *icmp = calloc(1, sizeof(*icmp));
	int err = 0;

	if (!icmp)
		return -ENOMEM;
	icmp->ipv6_fd = -1;
	icmp->ipv4_fd = open_ipv4();
	if (icmp->ipv4_fd < 0)
		err = icmp->ipv4_fd;
	else
		icmp->ipv6_fd = open_ipv6();
	if (!err && icmp->ipv6_fd < 0 && icmp->ipv6_fd != -EAFNOSUPPORT)
		err = icmp->ipv6_fd;
	if (err) {
		icmp_close(icmp);
		return err;
	}
	*out = icmp;
	return 0;
}

void icmp_close(struct icmp *icmp)
{
	if (!icmp)
		return;
	if (icmp->ipv4_fd >= 0)
		close(icmp->ipv4_fd);
	if (icmp->ipv6_fd >= 0)
		close(icmp->ipv6_fd);
	free(icmp);
}

/* 1: *error; 0: another message; -errno: there is none. */
static int receive_ipv4(int fd, struct icmp_error *error)
{
	uint8_t data[MESSAGE_SIZE];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	return n < 0 ? -errno : icmp_parse_ipv4(data, (size_t)n, error);
}

/* As receive_ipv4(). */
static int receive_ipv6(int fd, struct icmp_error *error)
{
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	uint8_t data[MESSAGE_SIZE];
	struct iovec iovec = {data, sizeof(data)};
	struct msghdr message = {.msg_iov = &iovec,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, 0);
	struct cmsghdr *cmsg;
	struct in6_pktinfo info;
	struct xmc_addr to;

	if (n < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&message);
	if (!cmsg || cmsg->cmsg_level != IPPROTO_IPV6 || cmsg->cmsg_type != IPV6_PKTINFO ||
	    cmsg->cmsg_len < CMSG_LEN(sizeof(info)))
		return 0;
	memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
	memcpy(to.b, &info.ipi6_addr, sizeof(to.b));
	return icmp_parse_ipv6(data, (size_t)n, &to, error);
}

static void read_family(int fd, int (*receive)(int fd, struct icmp_error *error), unsigned int most,
			icmp_handler *handler, void *context)
{
	struct icmp_error error;

	for (unsigned int i = 0; i < most; i++) {
		int result = receive(fd, &error);

		if (result < 0)
			return;
		if (result)
			handler(context, &error);
	}
}

void icmp_read(struct icmp *icmp, unsigned int most, icmp_handler *handler, void *context)
{
	read_family(icmp->ipv4_fd, receive_ipv4, most, handler, context);
	if (icmp->ipv6_fd >= 0)
		read_family(icmp->ipv6_fd, receive_ipv6, most, handler, context);
}
