/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/output_socket.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/source_ports.h"

/* The kernel numbers interfaces from 1 and never reaches this. A socket that is bound to it sends
 * nothing (ENODEV). */
#define NO_INTERFACE INT_MAX

/* How often the port of `from ADDR:PORT` is tried while it cannot be bound. */
#define RETRY_SECONDS 10

#define COUNT(array)  (sizeof(array) / sizeof((array)[0]))

/* What a descriptor of an output is for. */
enum role {
	ROLE_UDP,  /* sends from a port of its own */
	ROLE_PORT, /* sends from a port that it is bound to */
	ROLE_RAW,  /* sends packets without UDP headers */
};

struct output_socket {
	unsigned int references;
	int fd;
	int ifindex;
	/* What it was opened for. */
	struct rule_output output;
	uint16_t port;
	unsigned int send_buffer;
	/* An output that sends from given ports. */
	struct source_ports *ports;
	unsigned int wait;	    /* seconds until the port of `from ADDR:PORT` is tried again */
	struct output_socket *next; /* in `served` */
	int guard;		    /* see output_socket_guard() */
	uint32_t lease;
};

/* All that have ports. */
static struct output_socket *served;

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

/* Of `options` those before `count`. Returns 0, or -errno and the option in *step. */
static int set_options(int fd, const struct option *options, size_t count, const char **step)
{
	for (size_t i = 0; i < count; i++) {
		int err;

		*step = options[i].text;
		err = set_int(fd, options[i].level, options[i].name, options[i].value);
		if (err)
			return err;
	}
	return 0;
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
		OPTION(SOL_SOCKET, SO_BROADCAST, 1),
		OPTION(IPPROTO_IP, IP_RECVERR, 1),
		OPTION(IPPROTO_IP, IP_TOS, tos),
		OPTION(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT),
		OPTION(IPPROTO_IP, IP_TTL, ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_TTL, ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, 0),
	};
	const struct option ipv6[] = {
		OPTION(SOL_SOCKET, SO_RCVBUF, 0),
		OPTION(IPPROTO_IPV6, IPV6_RECVERR, 1),
		OPTION(IPPROTO_IPV6, IPV6_TCLASS, tos),
		OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT),
		OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0),
	};

	*step = "SO_ATTACH_FILTER";
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	/* Without CAP_NET_ADMIN: as much as net.core.wmem_max allows. */
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)send_buffer))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)send_buffer);
	return is_ipv4 ? set_options(fd, ipv4, COUNT(ipv4), step)
		       : set_options(fd, ipv6, COUNT(ipv6), step);
}

static int configure_role(int fd, enum role role, bool is_ipv4, const char **step)
{
	const struct option udp[] = {
		OPTION(IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_L2TPINUDP),
		/* Otherwise its port would be occupied in IPv4 as well. */
		OPTION(IPPROTO_IPV6, IPV6_V6ONLY, 1),
	};
	const struct option raw6[] = {
		/* The kernel writes the checksum, at this offset. */
		OPTION(IPPROTO_IPV6, IPV6_CHECKSUM, offsetof(struct udphdr, check)),
	};

	if (role != ROLE_RAW)
		return set_options(fd, udp, is_ipv4 ? 1 : COUNT(udp), step);
	return is_ipv4 ? 0 : set_options(fd, raw6, COUNT(raw6), step);
}

/* An address of no host (RFC 1112 section 4, RFC 6666): a socket that is bound to it receives
 * nothing. */
static socklen_t nowhere(bool is_ipv4, in_port_t port, struct sockaddr_in6 *address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	if (is_ipv4) {
		*in = (struct sockaddr_in){.sin_family = AF_INET,
					   .sin_port = port,
					   .sin_addr.s_addr = htonl(0xf0000001)};
		return sizeof(*in);
	}
	*address = (struct sockaddr_in6){.sin6_family = AF_INET6,
					 .sin6_port = port,
					 .sin6_addr.s6_addr = {0x01, [15] = 0x01}};
	return sizeof(*address);
}

/* `port`: in network order; 0 for a raw socket. */
static int bind_nowhere(int fd, const struct rule_output *output, in_port_t port, const char **step)
{
	bool is_ipv4 = addr_is_ipv4(&output->to), keeps = output->from_kept;
	const struct option ipv4[] = {
		OPTION(SOL_SOCKET, SO_REUSEADDR, 1),
		OPTION(IPPROTO_IP, IP_FREEBIND, 1),
		OPTION(IPPROTO_IP, IP_TRANSPARENT, 1),
	};
	const struct option ipv6[] = {
		OPTION(SOL_SOCKET, SO_REUSEADDR, 1),
		OPTION(IPPROTO_IPV6, IPV6_FREEBIND, 1),
		OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT, 1),
	};
	struct sockaddr_in6 address;
	socklen_t length = nowhere(is_ipv4, port, &address);
	int err =
		set_options(fd, is_ipv4 ? ipv4 : ipv6, keeps ? COUNT(ipv4) : COUNT(ipv4) - 1, step);

	if (err)
		return err;
	*step = "bind";
	if (bind(fd, (const struct sockaddr *)&address, length))
		return -errno;
	/* Otherwise the kernel would not check that the host has the address of `from`. */
	*step = "IPV6_FREEBIND";
	return is_ipv4 || keeps ? 0 : set_int(fd, IPPROTO_IPV6, IPV6_FREEBIND, 0);
}

/* Returns a descriptor or -errno. `port`: see bind_nowhere(). */
static int open_descriptor(struct output_socket *own, enum role role, in_port_t port,
			   const char **step)
{
	const struct rule_output *output = &own->output;
	bool raw = role == ROLE_RAW;
	int err = 0;
	int fd;

	*step = "socket";
	fd = socket(addr_family(&output->to),
		    (raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    raw ? IPPROTO_UDP : 0);
	if (fd < 0)
		return -errno;
	if (own->fd < 0) {
		*step = "interface";
		err = query_ifindex(fd, output->iface, &own->ifindex);
	}
	if (!err || err == -ENODEV)
		err = configure(fd, output, own->send_buffer, step);
	if (!err)
		err = configure_role(fd, role, addr_is_ipv4(&output->to), step);
	if (!err) {
		/* This is also the scope of a link-local address. */
		*step = "SO_BINDTOIFINDEX";
		err = bind_to_interface(fd, output, own->ifindex);
	}
	if (!err && role != ROLE_UDP)
		err = bind_nowhere(fd, output, port, step);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* ---- source ports ---- */

/* Without memory for it, the egress thread still checks the lease. */
static void guard_descriptor(const struct output_socket *socket, int fd)
{
	int err = 0;

	if (socket->guard >= 0 && socket->lease)
		err = bpf_map_update_elem(socket->guard, &fd, &socket->lease, BPF_ANY);
	if (err)
		log_warning("socket-unguarded", LOG_NAME("interface", socket->output.iface),
			    LOG_ERROR(err));
}

void output_socket_guard(struct output_socket *socket, int map, uint32_t slot)
{
	socket->guard = map;
	socket->lease = slot;
	guard_descriptor(socket, socket->fd);
	for (unsigned int i = 0; socket->ports && i < SOURCE_PORTS; i++) {
		if (socket->ports->slots[i].fd >= 0)
			guard_descriptor(socket, socket->ports->slots[i].fd);
	}
}

/* Who sends from many ports must not use up the descriptors that interfaces and control clients
 * need: the kernel gives the lowest free number. */
static bool is_spare(int fd)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_NOFILE, &limit) &&
	       (rlim_t)fd < limit.rlim_cur - limit.rlim_cur / 4;
}

/* False: it has no socket now. */
static bool open_port(struct output_socket *socket, in_port_t port)
{
	const char *step;
	int slot = source_ports_make_room(socket->ports, port);
	int fd = slot < 0 ? -1 : open_descriptor(socket, ROLE_PORT, port, &step);

	if (fd < 0)
		return false;
	if (!is_spare(fd)) {
		close(fd);
		return false;
	}
	guard_descriptor(socket, fd);
	source_ports_put(socket->ports, slot, port, fd);
	return true;
}

/* Unless it has a socket. What is in the way may go away. */
static void open_given_port(struct output_socket *socket)
{
	open_port(socket, htons(socket->output.from_port));
	socket->wait = RETRY_SECONDS;
}

static void serve(struct output_socket *socket)
{
	in_port_t port;

	if (!source_ports_has_wishes(socket->ports))
		return;
	/* Bounded: an egress thread may wish faster than sockets are opened. */
	for (unsigned int i = 0; i < SOURCE_PORT_WISHES; i++) {
		port = source_ports_next_wish(socket->ports);
		if (!port)
			return;
		if (!open_port(socket, port))
			source_ports_pause(socket->ports);
	}
}

void output_sockets_serve(void)
{
	for (struct output_socket *socket = served; socket; socket = socket->next)
		serve(socket);
}

void output_sockets_age(void)
{
	for (struct output_socket *socket = served; socket; socket = socket->next) {
		if (!socket->output.from_port)
			source_ports_age(socket->ports);
		else if (!socket->wait--)
			open_given_port(socket);
		serve(socket);
	}
}

static int open_ports(struct output_socket *socket)
{
	socket->ports = aligned_alloc(CACHE_LINE, sizeof(*socket->ports));
	if (!socket->ports)
		return -ENOMEM;
	source_ports_init(socket->ports);
	socket->next = served;
	served = socket;
	if (socket->output.from_port)
		open_given_port(socket);
	return 0;
}

static void close_ports(struct output_socket *socket)
{
	struct output_socket **link = &served;

	if (!socket->ports)
		return;
	while (*link != socket)
		link = &(*link)->next;
	*link = socket->next;
	source_ports_close(socket->ports);
	free(socket->ports);
}

/* ---- open and close ---- */

int output_socket_open(struct output_socket **out, const struct rule_output *output, uint16_t port,
		       unsigned int send_buffer, const char **step)
{
	bool has_ports = output->from_kept || output->from_port;
	char text[ENDPOINT_TEXT_SIZE];
	struct output_socket *new;
	int err;

	*step = "memory";
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->references = 1;
	new->fd = -1;
	new->output = *output;
	new->port = port;
	new->send_buffer = send_buffer;
	new->fd = open_descriptor(new, has_ports ? ROLE_RAW : ROLE_UDP, 0, step);
	err = new->fd < 0 ? new->fd : 0;
	if (!err && has_ports) {
		*step = "memory";
		err = open_ports(new);
	}
	if (err) {
		output_socket_put(new);
		return err;
	}
	log_debug("output-socket", LOG_NAME("output", output_format(output, text)),
		  LOG_NAME("kind", has_ports ? "raw" : "udp"), LOG_INT("fd", new->fd));
	*out = new;
	return 0;
}

static bool has_option(int fd, int option, int value)
{
	socklen_t length = sizeof(int);
	int has = 0;

	return !getsockopt(fd, SOL_SOCKET, option, &has, &length) && has == value;
}

int output_socket_adopt(struct output_socket **out, int fd, const struct rule_output *output,
			uint16_t port)
{
	struct output_socket *new;
	socklen_t length = sizeof(int);

	if (!has_option(fd, SO_DOMAIN, addr_family(&output->to)) ||
	    !has_option(fd, SO_TYPE, SOCK_DGRAM) || !has_option(fd, SO_PROTOCOL, IPPROTO_UDP))
		return -ENOTSOCK;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->references = 1;
	new->output = *output;
	new->port = port;
	new->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (new->fd < 0 || getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &new->ifindex, &length)) {
		int err = -errno;

		output_socket_put(new);
		return err;
	}
	if (new->ifindex == NO_INTERFACE)
		new->ifindex = 0;
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
	close_ports(socket);
	if (socket->fd >= 0)
		close(socket->fd);
	free(socket);
}

bool output_socket_fits(const struct output_socket *socket, const struct rule_output *output,
			uint16_t port)
{
	const struct rule_output *own = &socket->output;
	int ifindex;

	if (!addr_equal(&own->to, &output->to) || socket->port != port || own->ttl != output->ttl ||
	    own->dscp != output->dscp || strcmp(own->iface, output->iface) != 0 ||
	    !field_equal(&output_fields[OUTPUT_FROM], own, output))
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

	if (socket->ports) {
		*port = socket->output.from_port;
		return 0;
	}
	/* EINVAL: a send has just assigned a port, or it was asked for before. */
	if (bind(socket->fd, (const struct sockaddr *)&own, length) && errno != EINVAL)
		return errno == EADDRINUSE ? -EAGAIN : -errno;
	if (getsockname(socket->fd, (struct sockaddr *)&own, &length))
		return -errno;
	*port = ntohs(own.sin6_port); /* in the same place as sin_port */
	return *port ? 0 : -EAGAIN;
}

struct source_ports *output_socket_ports(const struct output_socket *socket)
{
	return socket->ports;
}

bool output_socket_has_port(const struct output_socket *socket, uint16_t port)
{
	struct sockaddr_in6 own = {0};
	socklen_t length = sizeof(own);

	if (socket->ports)
		return port && socket->output.from_port == port;
	return port && !getsockname(socket->fd, (struct sockaddr *)&own, &length) &&
	       ntohs(own.sin6_port) == port; /* in the same place as sin_port */
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
	for (unsigned int i = 0; !err && socket->ports && i < SOURCE_PORTS; i++) {
		int fd = source_ports_fd(socket->ports, (int)i);

		if (fd >= 0)
			err = bind_to_interface(fd, &socket->output, ifindex);
	}
	if (!err)
		socket->ifindex = ifindex;
	return err;
}
