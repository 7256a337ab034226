/* SPDX-License-Identifier: BSD-2-Clause */
#include "dataplane/stream.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/in.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A socket's send buffer bounds what a slow device may hold back; beyond it a datagram is a counted
 * drop. 4 MiB is about 2,000 MTU-sized packets with the kernel's book-keeping, 20 ms at 1 Gbit/s.
 */
#define SEND_BUFFER (4 << 20)

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

/* What an output's socket needs, in order; the first failure is reported by name. */
static int configure(int fd, const struct rule_output *to, int ifindex, const char **step)
{
	/* "ret #0": whoever sends to our source port is not heard, and fills no buffer. */
	struct sock_filter drop = {.code = BPF_RET | BPF_K, .k = 0};
	const struct sock_fprog filter = {.len = 1, .filter = &drop};
	const struct ip_mreqn iface = {.imr_ifindex = ifindex};
	bool group = addr_is_multicast(&to->to);
	int err;

	*step = "SO_ATTACH_FILTER";
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	/* FORCE goes past net.core.wmem_max, with CAP_NET_ADMIN; else as much as is allowed. */
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	/* Only with RECVERR does a send tell that a queueing discipline dropped the packet
	 * (ENOBUFS). ICMP errors then fail a later send: egress repeats that one. Nobody reads the
	 * queue of errors, so let it be as small as possible. */
	*step = "IP_RECVERR";
	err = set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	if (err)
		return err;
	*step = "SO_RCVBUF";
	err = set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	if (err)
		return err;
	*step = "IP_TOS";
	err = set_int(fd, IPPROTO_IP, IP_TOS, to->dscp << 2);
	if (err)
		return err;
	/* Fragment what does not fit the device, and leave DF clear, so that routers behind us may;
	 * never let an ICMP message from outside shrink it. */
	*step = "IP_MTU_DISCOVER";
	err = set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
	if (err)
		return err;
	*step = group ? "IP_MULTICAST_TTL" : "IP_TTL";
	err = set_int(fd, IPPROTO_IP, group ? IP_MULTICAST_TTL : IP_TTL, to->ttl);
	if (err)
		return err;
	if (group) {
		*step = "IP_MULTICAST_LOOP";
		err = set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 0);
		if (err)
			return err;
		*step = "IP_MULTICAST_IF";
		return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &iface, sizeof(iface)) ? -errno
											  : 0;
	}
	*step = "SO_BINDTOIFINDEX";
	return ifindex ? set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, ifindex) : 0;
}

/* Not if_nametoindex(): it opens a socket, and says no such interface if there is none to be had.
 */
static int query_ifindex(int fd, const char *name, int *ifindex)
{
	struct ifreq request = {0};

	memcpy(request.ifr_name, name, IF_NAMESIZE);
	if (ioctl(fd, SIOCGIFINDEX, &request))
		return -errno;
	*ifindex = request.ifr_ifindex;
	return 0;
}

static int open_output(struct output *output, const struct rule_output *rule,
		       unsigned int nr_queues, unsigned int gso_segments,
		       struct stream_failure *failure)
{
	int ifindex = 0;
	int err;

	output->rule = *rule;
	output->fd = -1;
	failure->output = rule;
	failure->step = "memory";
	output->queues = aligned_alloc(CACHE_LINE, nr_queues * sizeof(*output->queues));
	if (!output->queues)
		return -ENOMEM;
	memset(output->queues, 0, nr_queues * sizeof(*output->queues));
	for (unsigned int i = 0; i < nr_queues; i++) {
		output->queues[i].output = output;
		output->queues[i].gso_segments = gso_segments;
		output->queues[i].gso_max_size = UINT16_MAX;
	}
	output->to_length = addr_to_sockaddr(&rule->to, rule->port, &output->to);
	failure->step = "socket";
	/* Not connected: a connected socket keeps a source address that the host no longer has. */
	output->fd = socket(addr_family(&rule->to), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (output->fd < 0)
		return -errno;
	failure->step = "interface";
	if (*rule->iface) {
		err = query_ifindex(output->fd, rule->iface, &ifindex);
		if (err)
			return err;
	}
	return configure(output->fd, rule, ifindex, &failure->step);
}

static void close_stream(struct stream *stream)
{
	for (unsigned int i = 0; stream->outputs && i < stream->nr_outputs; i++) {
		if (stream->outputs[i].fd >= 0)
			close(stream->outputs[i].fd);
		free(stream->outputs[i].queues);
	}
	free(stream->outputs);
	free(stream->queues);
	free(stream);
}

int stream_open(struct stream **out, const struct rule *rule, unsigned int nr_queues,
		unsigned int gso_segments, struct stream_failure *failure)
{
	struct stream *stream;
	int err = -ENOMEM;

	failure->output = NULL;
	failure->step = "memory";
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->rule = *rule;
	stream->rule.outputs = NULL;
	stream->nr_queues = nr_queues;
	stream->references = 1;
	stream->outputs = calloc(rule->nr_outputs, sizeof(*stream->outputs));
	stream->queues = aligned_alloc(CACHE_LINE, nr_queues * sizeof(*stream->queues));
	if (!stream->outputs || !stream->queues)
		goto fail;
	memset(stream->queues, 0, nr_queues * sizeof(*stream->queues));
	/* Counted up one by one, so that a failure closes just those that are open. */
	while (stream->nr_outputs < rule->nr_outputs) {
		unsigned int i = stream->nr_outputs++;

		err = open_output(&stream->outputs[i], &rule->outputs[i], nr_queues, gso_segments,
				  failure);
		if (err)
			goto fail;
	}
	*out = stream;
	return 0;
fail:
	close_stream(stream);
	return err;
}

void stream_hold(struct stream *stream)
{
	stream->references++;
}

void stream_put(struct stream *stream)
{
	if (stream && --stream->references == 0)
		close_stream(stream);
}
