// SPDX-License-Identifier: BSD-2-Clause
/*
 * Receiving with ordinary UDP sockets, as an application would: one per port and address family,
 * bound to the interface, and sockets that only hold memberships.
 *
 * Every byte of a payload is compared with what the generator wrote.
 */
#include "receiver.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"

/* Per system call: at high rates the call costs more than the copy. */
#define BATCH 64

/* A datagram longer than any probe is truncated here and detected as too long. */
#define BUFFER_SIZE (PROBE_SIZE_MAX + 64)

/* Between two checks of the clock and the signals. */
#define ROUNDS 64

/* Half a second at 1 M packets of 1400 bytes/s, shared by all ports. */
#define RECEIVE_BUFFER (64 << 20)

/* The kernel's default, net.ipv4.igmp_max_memberships. */
#define MEMBERSHIPS 20

struct slot {
	__u8 buffer[BUFFER_SIZE];
	__u64 control[32]; /* room for the five control messages that we request, aligned for them
			    */
	struct sockaddr_in6 from;
};

struct receiver {
	struct sink_filter filter;
	struct sink_totals sums;
	struct flow_list flows;
	uint32_t flows_max;
	uint32_t *index; /* hash table of record number + 1, index_size slots */
	uint32_t index_size;
	struct pollfd *sockets; /* the first is the caller's wake_fd */
	__be16 *ports;		/* by socket */
	uint32_t *overruns;	/* by socket: its kernel counter */
	unsigned sockets_count, sockets_max;
	int *members;
	unsigned members_count;
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct slot slots[BATCH];
	__u8 pattern[PATTERN_SIZE];
};

static void close_sockets(struct receiver *receiver)
{
	for (unsigned i = 1; i < receiver->sockets_count; i++)
		close(receiver->sockets[i].fd);
	for (unsigned i = 0; i < receiver->members_count; i++)
		close(receiver->members[i]);
	receiver->sockets_count = receiver->members_count = 0;
}

static void socket_close(struct receiver *receiver)
{
	if (!receiver)
		return;
	close_sockets(receiver);
	free(receiver->sockets);
	free(receiver->ports);
	free(receiver->overruns);
	free(receiver->members);
	free(receiver->index);
	free(receiver->flows.records);
	free(receiver);
}

static int set(int fd, int level, int name)
{
	int one = 1;

	return setsockopt(fd, level, name, &one, sizeof(one));
}

static int set_options(int fd, int family, const char *interface)
{
	int size = RECEIVE_BUFFER;
	int err;

	/* Best effort: without CAP_NET_ADMIN, up to net.core.rmem_max. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	err = set(fd, SOL_SOCKET, SO_REUSEADDR) || set(fd, SOL_SOCKET, SO_RXQ_OVFL) ||
	      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface) + 1);
	if (family == AF_INET)
		err = err || set(fd, IPPROTO_IP, IP_PKTINFO) || set(fd, IPPROTO_IP, IP_RECVTTL) ||
		      set(fd, IPPROTO_IP, IP_RECVTOS);
	else
		err = err || set(fd, IPPROTO_IPV6, IPV6_V6ONLY) ||
		      set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO) ||
		      set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT) ||
		      set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	return err ? -errno : 0;
}

static int open_port(struct receiver *receiver, const struct options *options, int family,
		     uint16_t port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	/* Owned from here on. */
	receiver->ports[receiver->sockets_count] = htons(port);
	receiver->sockets[receiver->sockets_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	err = set_options(fd, family, options->interface);
	if (err)
		return err;
	err = family == AF_INET ? bind(fd, (struct sockaddr *)&any4, sizeof(any4))
				: bind(fd, (struct sockaddr *)&any6, sizeof(any6));
	return err ? -errno : 0;
}

static int open_ports(struct receiver *receiver, const struct options *options)
{
	bool both = addr_is_any(&options->group);
	bool ipv4 = both || addr_is_ipv4(&options->group);
	bool ipv6 = both || !ipv4;

	for (unsigned port = options->filter.port_min; port <= options->filter.port_max; port++) {
		int err = ipv4 ? open_port(receiver, options, AF_INET, port) : 0;

		if (!err && ipv6)
			err = open_port(receiver, options, AF_INET6, port);
		if (err == -EAFNOSUPPORT && both)
			err = 0; /* a kernel without IPv6 */
		if (err)
			return err;
	}
	return 0;
}

static int join(struct receiver *receiver, const struct options *options, unsigned ifindex)
{
	struct group_req request = {.gr_interface = ifindex};
	struct xmc_addr group = options->group;
	int level = addr_is_ipv4(&group) ? IPPROTO_IP : IPPROTO_IPV6;

	if (!addr_is_multicast(&group))
		return 0;
	for (unsigned i = 0; i < options->groups; i++) {
		int *fd = &receiver->members[i / MEMBERSHIPS];

		if (i % MEMBERSHIPS == 0) {
			*fd = socket(addr_family(&group), SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (*fd < 0)
				return -errno;
			receiver->members_count++;
		}
		addr_to_sockaddr(&group, 0, &request.gr_group);
		if (setsockopt(*fd, level, MCAST_JOIN_GROUP, &request, sizeof(request)))
			return -errno;
		group.w[3] = XMC_BE32(XMC_BE32(group.w[3]) + 1);
	}
	return 0;
}

static int allocate(struct receiver *receiver, const struct options *options)
{
	unsigned ports = options->filter.port_max - options->filter.port_min + 1;

	receiver->filter = options->filter;
	receiver->flows_max = options->flows;
	for (receiver->index_size = 1; receiver->index_size < 2 * options->flows;)
		receiver->index_size *= 2;
	receiver->sockets_count = 1;
	receiver->sockets = calloc(1 + 2 * ports, sizeof(*receiver->sockets));
	receiver->ports = calloc(1 + 2 * ports, sizeof(*receiver->ports));
	receiver->overruns = calloc(1 + 2 * ports, sizeof(*receiver->overruns));
	receiver->members = calloc(options->groups / MEMBERSHIPS + 1, sizeof(*receiver->members));
	receiver->index = calloc(receiver->index_size, sizeof(*receiver->index));
	if (!receiver->sockets || !receiver->ports || !receiver->overruns || !receiver->members ||
	    !receiver->index)
		return -ENOMEM;
	for (uint32_t i = 0; i < PATTERN_SIZE; i++)
		receiver->pattern[i] = probe_pattern_byte(i);
	for (int i = 0; i < BATCH; i++) {
		struct slot *slot = &receiver->slots[i];

		receiver->vectors[i] = (struct iovec){slot->buffer, sizeof(slot->buffer)};
		receiver->messages[i].msg_hdr = (struct msghdr){
			.msg_iov = &receiver->vectors[i], .msg_iovlen = 1, .msg_name = &slot->from};
	}
	return 0;
}

/* The kernel uses the larger of "all" and the interface's own setting. */
static void warn_rp_filter(const char *interface)
{
	const char *names[] = {"all", interface};

	for (int i = 0; i < 2; i++) {
		char path[64 + IFNAMSIZ];
		int value;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", names[i]);
		file = fopen(path, "re");
		if (!file)
			continue;
		value = fgetc(file);
		if (value == '1' || value == '2')
			fprintf(stderr,
				"xmcast-sink: reverse-path filter is on: packets from unroutable "
				"sources do not reach sockets (echo 0 > %s)\n",
				path);
		fclose(file);
	}
}

static struct receiver *socket_open(const struct options *options, unsigned ifindex, int *status)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));
	const char *what = "memory";
	int err = -ENOMEM;

	if (!receiver)
		goto out;
	err = allocate(receiver, options);
	if (err)
		goto out;
	what = "opening a UDP socket";
	err = open_ports(receiver, options);
	if (err)
		goto out;
	what = "joining a group";
	err = join(receiver, options, ifindex);
	if (err)
		goto out;
	warn_rp_filter(options->interface);
	return receiver;
out:
	socket_close(receiver);
	return receiver_fail(status, what, -err);
}

/* FNV-1a over the key's words. */
static uint32_t hash(const struct flow_key *key)
{
	const uint32_t *words = (const uint32_t *)key;
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(*key) / sizeof(*words); i++)
		sum = (sum ^ words[i]) * 0x100000001b3;
	return sum ^ sum >> 32;
}

/* The flow's record, created if missing; NULL: there are too many flows. */
static struct flow_stats *find_flow(struct receiver *receiver, const struct flow_key *key)
{
	uint32_t i = hash(key) & (receiver->index_size - 1);
	struct flow_record *record;

	for (; receiver->index[i]; i = (i + 1) & (receiver->index_size - 1)) {
		record = &receiver->flows.records[receiver->index[i] - 1];
		if (!memcmp(&record->key, key, sizeof(*key)))
			return &record->stats;
	}
	if (receiver->flows.count == receiver->flows_max)
		return NULL;
	record = flow_list_add(&receiver->flows);
	if (!record)
		return NULL;
	record->key = *key;
	receiver->index[i] = receiver->flows.count;
	return &record->stats;
}

static void read_control(const struct cmsghdr *message, struct arrival *arrival, uint32_t *overrun)
{
	const void *data = CMSG_DATA(message);
	int value;

	memcpy(&value, data, sizeof(value)); /* all but IP_TOS are at least as long */
	if (message->cmsg_level == SOL_SOCKET && message->cmsg_type == SO_RXQ_OVFL)
		*overrun = value;
	if (message->cmsg_level == IPPROTO_IP) {
		if (message->cmsg_type == IP_TTL)
			arrival->ttl = value;
		if (message->cmsg_type == IP_TOS)
			arrival->dscp = *(const uint8_t *)data >> 2;
		if (message->cmsg_type == IP_PKTINFO)
			xmc_addr_from_ipv4(&arrival->key.destination,
					   ((const struct in_pktinfo *)data)->ipi_addr.s_addr);
	}
	if (message->cmsg_level == IPPROTO_IPV6) {
		if (message->cmsg_type == IPV6_HOPLIMIT)
			arrival->ttl = value;
		if (message->cmsg_type == IPV6_TCLASS)
			arrival->dscp = value >> 2;
		if (message->cmsg_type == IPV6_PKTINFO)
			memcpy(&arrival->key.destination,
			       &((const struct in6_pktinfo *)data)->ipi6_addr, 16);
	}
}

/* Addresses, TTL and DSCP. */
static void read_headers(struct msghdr *header, struct arrival *arrival, uint32_t *overrun)
{
	const struct sockaddr_in6 *from = header->msg_name;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		read_control(c, arrival, overrun);
	arrival->source_port = from->sin6_port; /* at the same place in a sockaddr_in */
	if (from->sin6_family == AF_INET6)
		memcpy(&arrival->source, &from->sin6_addr, 16);
	else
		xmc_addr_from_ipv4(&arrival->source,
				   ((const struct sockaddr_in *)from)->sin_addr.s_addr);
}

static enum probe_state check_payload(const struct receiver *receiver, const __u8 *payload,
				      uint32_t length, struct arrival *arrival)
{
	enum probe_state state;
	struct probe probe;
	uint32_t start;

	if (length < sizeof(probe))
		return PROBE_NONE;
	memcpy(&probe, payload, sizeof(probe));
	state = probe_read(&probe, length, arrival);
	if (state != PROBE_GOOD)
		return state;
	start = probe_pattern_start(arrival->key.flow, arrival->sequence);
	if (length > PROBE_SIZE_MAX || memcmp(payload + sizeof(probe), receiver->pattern + start,
					      length - sizeof(probe)) != 0) {
		arrival->corrupted = 1;
		return PROBE_WRONG_LENGTH; /* a wrong byte counts as corruption too */
	}
	return PROBE_GOOD;
}

static void count(struct receiver *receiver, enum probe_state state, const struct arrival *arrival)
{
	struct sink_totals *sums = &receiver->sums;
	struct flow_stats *stats;
	uint64_t now = clock_ns();

	if (!track_totals(sums, state, arrival->length, now))
		return;
	stats = find_flow(receiver, &arrival->key);
	if (!stats)
		sums->unplaced++;
	else
		track_packet(stats, arrival, now,
			     track_bucket(now > arrival->sent_ns ? now - arrival->sent_ns : 0));
}

static void take(struct receiver *receiver, unsigned number, struct mmsghdr *message)
{
	struct msghdr *header = &message->msg_hdr;
	struct arrival arrival = {};
	enum probe_state state;

	read_headers(header, &arrival, &receiver->overruns[number]);
	arrival.key.port = receiver->ports[number];
	if (!filter_match(&receiver->filter, &arrival.key.destination, arrival.key.port)) {
		receiver->sums.foreign++;
		return;
	}
	state = check_payload(receiver, header->msg_iov->iov_base, message->msg_len, &arrival);
	count(receiver, state, &arrival);
}

/* One batch of one socket. Returns how many, or -1. */
static int receive(struct receiver *receiver, unsigned number)
{
	int n;

	for (int i = 0; i < BATCH; i++) {
		struct msghdr *header = &receiver->messages[i].msg_hdr;

		header->msg_control = receiver->slots[i].control;
		header->msg_controllen = sizeof(receiver->slots[i].control);
		header->msg_namelen = sizeof(receiver->slots[i].from);
	}
	n = recvmmsg(receiver->sockets[number].fd, receiver->messages, BATCH, 0, NULL);
	for (int i = 0; i < n; i++)
		take(receiver, number, &receiver->messages[i]);
	return n;
}

static void socket_wait(struct receiver *receiver, int ms, int wake_fd)
{
	receiver->sockets[0] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
	for (int round = 0; round < ROUNDS; round++) {
		if (poll(receiver->sockets, receiver->sockets_count, ms) <= 0)
			return;
		for (unsigned i = 1; i < receiver->sockets_count; i++)
			if (receiver->sockets[i].revents)
				receive(receiver, i);
		if (receiver->sockets[0].revents)
			return;
	}
}

/* From now on no packet enters a socket; those already queued have arrived and are counted. */
static void socket_stop(struct receiver *receiver)
{
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &drop};

	for (unsigned i = 1; i < receiver->sockets_count; i++) {
		/* Without the filter, a flood would keep this loop running. */
		if (setsockopt(receiver->sockets[i].fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
			       sizeof(filter)))
			continue;
		while (receive(receiver, i) > 0)
			;
	}
	close_sockets(receiver);
}

static void socket_totals(struct receiver *receiver, struct sink_totals *sum)
{
	*sum = receiver->sums;
}

/* Hands the records over. */
static int socket_collect(struct receiver *receiver, struct flow_list *list)
{
	*list = receiver->flows;
	receiver->flows = (struct flow_list){};
	return 0;
}

static const char *socket_name(const struct receiver *receiver)
{
	return "socket";
}

static uint64_t socket_overrun(const struct receiver *receiver)
{
	unsigned ports = receiver->filter.port_max - receiver->filter.port_min + 1;
	uint64_t sum = 0;

	for (unsigned i = 0; i < 1 + 2 * ports; i++)
		sum += receiver->overruns[i];
	return sum;
}

const struct receiver_ops receiver_socket = {
	.open = socket_open,
	.wait = socket_wait,
	.totals = socket_totals,
	.stop = socket_stop,
	.collect = socket_collect,
	.name = socket_name,
	.overrun = socket_overrun,
	.close = socket_close,
};
