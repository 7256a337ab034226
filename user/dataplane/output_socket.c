/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/output_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel numbers interfaces from 1 and never reaches this. A socket that is bound to it sends
 * nothing (ENODEV). */
#define NO_INTERFACE INT_MAX

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct output_socket {
	unsigned int references;
	int fd;
	int ifindex;
	/* What it was opened for. */
	struct rule_output output;
	uint16_t port;
};

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* if_nametoindex() would open a socket of its own, and report "no such interface" when it cannot.
 */
static int query_ifindex(int fd, const char *name, int *ifindex)
{
	struct ifreq request = {0};

	*ifindex = 0;
	if (!*name)
		return 0;
	memcpy(request.ifr_name, name, IF_NAMESIZE);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		return -errno;
	*ifindex = request.ifr_ifindex;
	return 0;
}

static int bind_to_interface(int fd, const struct rule_output *output, int ifindex)
{
	if (!*output->iface)
		return 0;
	return set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex ? ifindex : NO_INTERFACE);
}

struct option {
	int level;
	int name;
	int value;
	const char *text;
};

#define OPTION(level, name, value)                                                                 \
	{                                                                                          \
		level, name, value, #name                                                          \
	}

static int configure(int fd, const struct rule_output *output, unsigned int send_buffer,
		     const char **step)
{
	bool is_ipv4 = addr_is_ipv4(&output->to);
	/* Of packets whose headers are kept, each send names its values. */
	int ttl = output->ttl > UINT8_MAX ? rule_default_ttl(&output->to) : output->ttl;
	int tos = output->dscp == RULE_DSCP_KEPT ? 0 : output->dscp << 2;
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &drop};
	const struct option ipv4[] = {
		/* The minimum: nobody reads the error queue, where IP_RECVERR also leaves a note
		 * of each datagram that was too large. */
		OPTION(SOL_SOCKET, SO_RCVBUF, 0),
		OPTION(IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_L2TPINUDP),
		OPTION(IPPROTO_IP, IP_RECVERR, 1),
		OPTION(IPPROTO_IP, IP_TOS, tos),
		OPTION(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT),
		OPTION(IPPROTO_IP, IP_TTL, ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_TTL, ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, 0),
		/* Whether the destination is a broadcast address changes with those of the host. */
		OPTION(SOL_SOCKET, SO_BROADCAST, 1),
	};
	const struct option ipv6[] = {
		OPTION(SOL_SOCKET, SO_RCVBUF, 0),
		OPTION(IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_L2TPINUDP),
		/* Otherwise its port would be occupied in IPv4 as well. */
		OPTION(IPPROTO_IPV6, IPV6_V6ONLY, 1),
		OPTION(IPPROTO_IPV6, IPV6_RECVERR, 1),
		OPTION(IPPROTO_IPV6, IPV6_TCLASS, tos),
		OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT),
		OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0),
	};
	const struct option *options = is_ipv4 ? ipv4 : ipv6;

	*step = "SO_ATTACH_FILTER";
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	/* Without CAP_NET_ADMIN: as much as net.core.wmem_max allows. */
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)send_buffer))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)send_buffer);
	for (size_t i = 0; i < (is_ipv4 ? COUNT(ipv4) : COUNT(ipv6)); i++) {
		int err;

		*step = options[i].text;
		err = set_int(fd, options[i].level, options[i].name, options[i].value);
		if (err)
			return err;
	}
	return 0;
}

int output_socket_open(struct output_socket **out, const struct rule_output *output, uint16_t port,
		       unsigned int send_buffer, const char **step)
{
	struct output_socket *new;
	int err;

	*step = "memory";
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->references = 1;
	new->output = *output;
	new->port = port;
	*step = "socket";
	new->fd = socket(addr_family(&output->to), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (new->fd < 0) {
		err = -errno;
		free(new);
		return err;
	}
	*step = "interface";
	err = query_ifindex(new->fd, output->iface, &new->ifindex);
	if (!err || err == -ENODEV)
		err = configure(new->fd, output, send_buffer, step);
	if (!err) {
		/* This is also the scope of a link-local address. */
		*step = "SO_BINDTOIFINDEX";
		err = bind_to_interface(new->fd, output, new->ifindex);
	}
	if (err) {
		output_socket_put(new);
		return err;
	}
	*out = new;
	return 0;
}

struct output_socket *output_socket_hold(struct output_socket *socket)
{
	socket->references++;
	return socket;
}

void output_socket_put(struct output_socket *socket)
{
	if (!socket || --socket->references)
		return;
	close(socket->fd);
	free(socket);
}

bool output_socket_fits(const struct output_socket *socket, const struct rule_output *output,
			uint16_t port)
{
	const struct rule_output *own = &socket->output;
	int ifindex;

	if (!addr_equal(&own->to, &output->to) || socket->port != port || own->ttl != output->ttl ||
	    own->dscp != output->dscp || strcmp(own->iface, output->iface) != 0)
		return false;
	/* An interface that was created again has the same name, but the socket does not reach it.
	 */
	return !query_ifindex(socket->fd, own->iface, &ifindex) && ifindex == socket->ifindex;
}

int output_socket_fd(const struct output_socket *socket)
{
	return socket->fd;
}

int output_socket_port(struct output_socket *socket, uint16_t *port)
{
	bool is_ipv4 = addr_is_ipv4(&socket->output.to);
	struct sockaddr_in6 own = {.sin6_family = is_ipv4 ? AF_INET : AF_INET6};
	socklen_t length = is_ipv4 ? sizeof(struct sockaddr_in) : sizeof(own);

	/* EINVAL: a send has just assigned a port, or it was asked for before. */
	if (bind(socket->fd, (const struct sockaddr *)&own, length) && errno != EINVAL)
		return errno == EADDRINUSE ? -EAGAIN : -errno;
	if (getsockname(socket->fd, (struct sockaddr *)&own, &length))
		return -errno;
	*port = ntohs(own.sin6_port); /* in the same place as sin_port */
	return *port ? 0 : -EAGAIN;
}

int output_socket_ifindex(const struct output_socket *socket)
{
	return socket->ifindex;
}

bool output_socket_is_away(const struct output_socket *socket)
{
	return *socket->output.iface && !socket->ifindex;
}

int output_socket_follow(struct output_socket *socket, int ifindex)
{
	int err;

	if (!*socket->output.iface || socket->ifindex == ifindex)
		return 0;
	err = bind_to_interface(socket->fd, &socket->output, ifindex);
	if (!err)
		socket->ifindex = ifindex;
	return err;
}
