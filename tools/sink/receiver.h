/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A way to receive probes: XDP, tc or sockets, behind one set of operations. One thread.
 *
 *     open      attach or bind; packets are counted from its return on
 *     wait      receive, or just wait, for at most `ms`; less if `wake_fd` becomes readable
 *     totals    the counters so far
 *     stop      detach and count what has arrived until then; nothing is counted afterwards
 *     collect   every flow, in no particular order; after stop
 *     close     stop if needed, and free; accepts NULL
 */
#ifndef XMCAST_SINK_RECEIVER_H
#define XMCAST_SINK_RECEIVER_H

#include "options.h"

struct flow_record {
	struct flow_key key;
	struct flow_stats stats;
	/* Set by --expect. */
	bool known;    /* a generator has reported this flow */
	uint64_t sent; /* packets that it really sent */
	uint64_t lost;
};

struct flow_list {
	struct flow_record *records;
	size_t count;
};

/* A zeroed record at the end of the list, or NULL: no memory. May move the records. */
struct flow_record *flow_list_add(struct flow_list *list);

struct receiver;

struct receiver_ops {
	struct receiver *(*open)(const struct options *options, unsigned ifindex, int *status);
	void (*wait)(struct receiver *receiver, int ms, int wake_fd);
	void (*totals)(struct receiver *receiver, struct sink_totals *sum);
	void (*stop)(struct receiver *receiver);
	int (*collect)(struct receiver *receiver, struct flow_list *list); /* 0 or -errno */
	/* "xdp-native", "xdp-skb", "tcx", "tc", "socket" */
	const char *(*name)(const struct receiver *receiver);
	/* Packets that the receiver itself lost, behind the interface (full socket buffers). */
	uint64_t (*overrun)(const struct receiver *receiver);
	void (*close)(struct receiver *receiver);
};

extern const struct receiver_ops receiver_xdp;
extern const struct receiver_ops receiver_skb;
extern const struct receiver_ops receiver_socket;

/* Print on stderr what failed and what to do. Sets *status; returns NULL, for the open functions.
 */
void *receiver_fail(int *status, const char *what, int error);

#endif
