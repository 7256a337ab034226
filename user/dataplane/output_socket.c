/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/output_socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <limits.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "dataplane/stream.h"

/* No interface has this index: the kernel counts up from 1. A socket that is bound to it sends
 * nothing (ENODEV). */
#define NOWHERE INT_MAX

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* Not if_nametoindex(): it opens a socket, and says "no such interface" if there is none to be had.
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

/* "ret #0": whoever sends to this port is not heard, and fills no buffer. */
static int drop_input(int fd)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &drop};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	/* The least there is: nobody reads the queue of ICMP errors either. */
	return set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
}

/* `ifindex`: of the interface that the rule names, 0: there is none. */
static int bind_to_interface(int fd, const struct rule_output *rule, int ifindex)
{
	if (!*rule->iface)
		return 0;
	return set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex ? ifindex : NOWHERE);
}

/* An option with an integer for its value, and its name for messages. */
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a packet of this output carries. OMIT: larger than the interface's MTU it is sent in
 * fragments, whatever routers claim about the path. */
static int configure_ipv4(int fd, const struct rule_output *rule, const char **step)
{
	const struct option options[] = {
		OPTION(IPPROTO_IP, IP_RECVERR, 1),
		OPTION(IPPROTO_IP, IP_TOS, rule->dscp << 2),
		OPTION(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT),
		OPTION(IPPROTO_IP, IP_TTL, rule->ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_TTL, rule->ttl),
		OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, 0),
	};

	return set_options(fd, options, COUNT(options), step);
}

static int configure_ipv6(int fd, const struct rule_output *rule, const char **step)
{
	const struct option options[] = {
		/* Else its port would be taken from IPv4 as well. */
		OPTION(IPPROTO_IPV6, IPV6_V6ONLY, 1),
		OPTION(IPPROTO_IPV6, IPV6_RECVERR, 1),
		OPTION(IPPROTO_IPV6, IPV6_TCLASS, rule->dscp << 2),
		OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT),
		OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS, rule->ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, rule->ttl),
		OPTION(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0),
	};

	return set_options(fd, options, COUNT(options), step);
}

static int configure(int fd, const struct rule_output *rule, unsigned int send_buffer, int ifindex,
		     const char **step)
{
	int err;

	*step = "SO_ATTACH_FILTER";
	err = drop_input(fd);
	if (err)
		return err;
	/* FORCE goes past net.core.wmem_max, with CAP_NET_ADMIN; else as much as is allowed. */
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)send_buffer))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)send_buffer);
	err = addr_is_ipv4(&rule->to) ? configure_ipv4(fd, rule, step)
				      : configure_ipv6(fd, rule, step);
	if (err)
		return err;
	/* This also is the scope of a link-local address. */
	*step = "SO_BINDTOIFINDEX";
	return bind_to_interface(fd, rule, ifindex);
}

/* Take a port for the sending socket: one of its own, which then the decoy may share. */
static int bind_port(int fd, const struct rule_output *rule, struct sockaddr_storage *address)
{
	const struct xmc_addr none = {0};
	socklen_t length = addr_to_sockaddr(&none, 0, address);

	if (addr_is_ipv4(&rule->to)) {
		address->ss_family = AF_INET;
		length = sizeof(struct sockaddr_in);
	}
	if (bind(fd, (struct sockaddr *)address, length) ||
	    getsockname(fd, (struct sockaddr *)address, &length))
		return -errno;
	return set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

static void drop_decoy(struct output *output)
{
	log_debug("decoy-failed", LOG_ERROR(-errno));
	close(output->decoy_fd);
	output->decoy_fd = -1;
}

/*
 * The decoy. Without a route to the host there is nothing to connect to: then there is none, and
 * ICMP errors show as send errors of this output.
 */
static int open_decoy(struct output *output, const struct sockaddr_storage *address)
{
	const struct sockaddr *to = (const struct sockaddr *)&output->to;
	int err;

	output->decoy_fd = socket(to->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (output->decoy_fd < 0)
		return -errno;
	err = drop_input(output->decoy_fd);
	if (!err)
		err = set_int(output->decoy_fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err && to->sa_family == AF_INET6)
		err = set_int(output->decoy_fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!err)
		err = bind_to_interface(output->decoy_fd, &output->rule, output->ifindex);
	if (!err && bind(output->decoy_fd, (const struct sockaddr *)address, output->to_length))
		err = -errno;
	if (!err && connect(output->decoy_fd, to, output->to_length))
		drop_decoy(output);
	return err;
}

static int bind_with_decoy(struct output *output, const char **step)
{
	struct sockaddr_storage address;
	int err;

	*step = "bind";
	err = bind_port(output->fd, &output->rule, &address);
	if (err)
		return err;
	*step = "decoy";
	return open_decoy(output, &address);
}

int output_socket_open(struct output *output, unsigned int send_buffer, const char **step)
{
	const struct rule_output *rule = &output->rule;
	int err;

	output->decoy_fd = -1;
	*step = "memory";
	output->sharers = malloc(sizeof(*output->sharers));
	if (!output->sharers)
		return -ENOMEM;
	*output->sharers = 1;
	*step = "socket";
	output->fd = socket(addr_family(&rule->to), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (output->fd < 0) {
		err = -errno;
		output_socket_close(output);
		return err;
	}
	*step = "interface";
	err = query_ifindex(output->fd, rule->iface, &output->ifindex);
	if (!err || err == -ENODEV)
		err = configure(output->fd, rule, send_buffer, output->ifindex, step);
	if (!err && !addr_is_multicast(&rule->to))
		err = bind_with_decoy(output, step);
	if (err)
		output_socket_close(output);
	return err;
}

bool output_socket_share(struct output *output, const struct output *with)
{
	const struct rule_output *a = &output->rule;
	const struct rule_output *b = &with->rule;
	int ifindex;

	/* With its port: that of one which keeps it is another rule's to say. */
	if (memcmp(&output->to, &with->to, sizeof(output->to)) != 0 || a->ttl != b->ttl ||
	    a->dscp != b->dscp || strcmp(a->iface, b->iface) != 0)
		return false;
	/* An interface that was made anew has the same name, and the socket does not reach it. */
	if (query_ifindex(with->fd, b->iface, &ifindex) || ifindex != with->ifindex)
		return false;
	output->fd = with->fd;
	output->decoy_fd = with->decoy_fd;
	output->ifindex = with->ifindex;
	output->sharers = with->sharers;
	(*output->sharers)++;
	return true;
}

bool output_socket_is_away(const struct output *output)
{
	return *output->rule.iface && !output->ifindex;
}

int output_socket_follow(struct output *output, int ifindex)
{
	int err;

	if (!*output->rule.iface || output->ifindex == ifindex)
		return 0;
	err = bind_to_interface(output->fd, &output->rule, ifindex);
	if (!err && output->decoy_fd >= 0)
		err = bind_to_interface(output->decoy_fd, &output->rule, ifindex);
	if (err)
		return err;
	output->ifindex = ifindex;
	output_socket_refresh(output);
	return 0;
}

void output_socket_refresh(struct output *output)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (addr_is_multicast(&output->rule.to) || output_socket_is_away(output))
		return;
	if (output->decoy_fd < 0) {
		if (!getsockname(output->fd, (struct sockaddr *)&address, &length) &&
		    open_decoy(output, &address) && output->decoy_fd >= 0)
			drop_decoy(output);
		return;
	}
	/* Disconnected first: else it keeps the source address of its first route. */
	if (connect(output->decoy_fd, &none, sizeof(none)) ||
	    connect(output->decoy_fd, (const struct sockaddr *)&output->to, output->to_length))
		drop_decoy(output);
}

void output_socket_close(struct output *output)
{
	bool last = output->sharers && --*output->sharers == 0;

	if (last && output->fd >= 0)
		close(output->fd);
	if (last && output->decoy_fd >= 0)
		close(output->decoy_fd);
	if (last)
		free(output->sharers);
	output->fd = output->decoy_fd = -1;
	output->sharers = NULL;
}
