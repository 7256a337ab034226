/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream is a rule at work: its key, its outputs with their sockets, and its counters.
 *
 * One worker serves one RX queue, and a flow arrives on one queue; so a stream has one set of
 * counters per queue of its ingress interface, each written by that queue's threads alone. The
 * sockets are shared by the queues: a stream keeps one UDP source port.
 *
 * The main thread opens, holds and drops streams (a count of references: one per ruleset that names
 * it). The definition never changes; the data path reads it and writes only its own queue's part.
 */
#ifndef XMCAST_DATAPLANE_STREAM_H
#define XMCAST_DATAPLANE_STREAM_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/counter.h"
#include "base/histogram.h"
#include "dataplane/gso.h"
#include "dataplane/rate_limit.h"
#include "dataplane/send_error.h"
#include "rules/config.h"

struct output_socket;
struct send_request;

/* The shard of an output: what one egress thread counts, and needs to gather requests. */
struct output_shard {
	alignas(CACHE_LINE) counter_t submitted; /* datagrams handed to the kernel */
	counter_t sent;				 /* of these: accepted by the kernel */
	counter_t sent_bytes;			 /* UDP payload */

	/* The egress thread's own: see egress.c. */
	struct rate_limit *limit; /* the output's; NULL: none */
	struct send_request *open;
	struct output_shard *next_open;
	bool listed;	 /* among the outputs with an open request */
	bool keeps_port; /* each datagram keeps its destination port */
	const struct output *output;
	struct gso gso;
	struct histogram *latency; /* the stream's, of this shard */

	/* Seldom written. */
	counter_t gso_refused;	       /* batches that were refused and sent singly */
	counter_t errors[SEND_ERRORS]; /* of the submitted: refused, by errno */
	counter_t rate_limited;	       /* datagrams over the output's limit: not submitted */
};

/* One output; constant except for its shards and `reason`. */
struct output {
	struct rule_output rule;
	struct output_socket *socket;
	int fd;			    /* the socket's */
	const char *reason;	    /* why nothing can leave, constant text, or NULL. Main thread */
	struct sockaddr_storage to; /* port 0: each datagram keeps its own */
	socklen_t to_length;
	struct rate_limit *limit;    /* of all shards together; NULL: none */
	struct output_shard *shards; /* nr_shards of the stream */
};

/* One queue's part of a stream. Written by the ingress thread. */
struct stream_shard {
	alignas(CACHE_LINE) counter_t received;
	counter_t received_bytes; /* UDP payload */
};

struct stream {
	struct rule rule; /* its outputs are copied below; rule.outputs is NULL */
	unsigned int nr_shards;
	unsigned int nr_outputs;
	struct output *outputs;
	struct stream_shard *shards;
	/* One a queue: from reception to the end of each send of a packet in STAMP_EVERY, refused
	 * ones included. Written by the egress thread. */
	struct histogram *latency;
	unsigned int references;
};

/* What went wrong in stream_open(), for the log: which output, which step. */
struct stream_failure {
	const struct rule_output *output;
	const char *step;
};

/*
 * Open the sockets of a rule's outputs. Reference count 1. 0 or -errno (-ENODEV: no output's
 * interface exists, while one is enough: the others wait for theirs; -EMFILE, -ENOMEM: too few
 * resources; then *failure says where). `egress`: most datagrams in one send, unless an output says
 * otherwise, and the send buffer. Needs CAP_NET_RAW to name an interface on old kernels. `before`:
 * the stream that this one is to replace, or NULL; outputs to the same destinations take over its
 * sockets.
 */
int stream_open(struct stream **out, const struct rule *rule, unsigned int nr_shards,
		const struct egress_config *egress, const struct stream *before,
		struct stream_failure *failure);

/* The route of output i has changed: what is known about its batches may not hold any more. */
void stream_route_changed(struct stream *stream, unsigned int i);

void stream_hold(struct stream *stream);

/* Drop a reference; the last closes the sockets. Takes NULL. */
void stream_put(struct stream *stream);

#endif
