/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream is the user path of a running rule: its outputs with their sockets, and its counters.
 *
 * A flow arrives on one RX queue, and one worker serves each queue. So counters are sharded: a
 * stream and its outputs have one shard per RX queue of the ingress interface, written by the
 * threads of that queue alone. All shards of an output use one socket, so that a stream keeps one
 * UDP source port.
 *
 * The main thread opens streams and counts references to them: one of each path or ruleset that has
 * the stream. The data path reads the definition, which never changes, and writes its own
 * shards.
 */
#ifndef XMCAST_DATAPLANE_STREAM_H
#define XMCAST_DATAPLANE_STREAM_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/counter.h"
#include "base/histogram.h"
#include "dataplane/cut.h"
#include "dataplane/lease.h"
#include "dataplane/merged.h"
#include "dataplane/gso.h"
#include "dataplane/health.h"
#include "dataplane/rate_limit.h"
#include "dataplane/selection.h"
#include "dataplane/send_error.h"
#include "dataplane/withheld.h"
#include "rules/config.h"

struct output_socket;
struct source_ports;
struct send_request;

/* Lists of open requests of an output of `from keep`: so that sources that take turns fill their
 * batches. */
#define OPEN_BUCKET_BITS 6
#define OPEN_BUCKETS	 (1 << OPEN_BUCKET_BITS)

/* The shard of an output: what one egress thread counts, and needs to gather requests. */
struct output_shard {
	alignas(CACHE_LINE) counter_t submitted; /* datagrams handed to the kernel */
	counter_t sent;				 /* of these: accepted by the kernel */
	counter_t sent_bytes;			 /* UDP payload */

	/* The egress thread's own: see outbox.c. */
	struct rate_limit *limit;      /* the output's; NULL: none */
	struct send_request *open;     /* a list */
	struct send_request **buckets; /* of `from keep`: lists by source, OPEN_BUCKETS; or NULL */
	struct output_shard *next_open;
	bool listed;	    /* among the outputs with an open request */
	bool keeps_port;    /* each datagram keeps its destination port */
	bool keeps_headers; /* output_keeps_headers() */
	/* Why datagrams are not sent now: an enum withheld, written by the main thread. */
	_Atomic uint8_t withhold;
	const struct output *output;
	const struct xmc_lease *lease; /* the stream's */
	struct selection_side *side;   /* the stream's; NULL: it has no selection */
	struct gso gso;
	struct histogram *latency; /* the stream's, of this shard */

	/* Seldom written. */
	counter_t gso_refused;		      /* batches that were refused and sent singly */
	counter_t errors[SEND_ERRORS];	      /* of the submitted: refused, by errno */
	counter_t rate_limited;		      /* datagrams over the output's limit: not submitted */
	counter_t withheld[WITHHELD_REASONS]; /* not submitted, by reason */
};

/* One output; constant except for its shards and `reason`. */
struct output {
	const struct stream *stream;
	struct rule_output rule;
	struct output_socket *socket;
	int fd;			    /* the socket's */
	struct source_ports *ports; /* the socket's, or NULL */
	const char *reason;	    /* why nothing can leave, or NULL; of the path. Main thread */
	struct sockaddr_storage to; /* port 0: each datagram keeps its own */
	socklen_t to_length;
	struct rate_limit *limit;      /* of all shards together; NULL: none */
	struct output_shard *shards;   /* nr_shards of the stream */
	struct send_request **buckets; /* of all shards */
};

/* The shard of a stream: what one ingress thread counts. */
struct stream_shard {
	alignas(CACHE_LINE) counter_t received;
	counter_t received_bytes;  /* UDP payload */
	_Atomic uint32_t sequence; /* the last number, if the rule has one */
	struct unmerged unmerged;  /* of the ingress thread */
};

struct stream {
	struct rule rule; /* its outputs are copied below; rule.outputs and rule.sides are NULL */
	unsigned int nr_shards;
	unsigned int nr_outputs;
	struct output *outputs;
	struct stream_shard *shards;
	struct health *health; /* of a rule with `watch`; otherwise NULL */
	/* One per shard: from reception to the completion of each send, refused ones included, of
	 * one packet in STAMP_EVERY. Written by the egress thread. */
	struct histogram *latency;
	const struct xmc_lease *lease; /* see stream_set_lease(); NULL: none */
	struct cut cut;		       /* of a rule with a sequence number */
	struct selection *selection;   /* of a rule with `select`; NULL: none. One reference */
	/* Of a rule that merges its sides (merger.h): the last shard is the merger's. */
	struct merged *merged; /* NULL: it does not */
	struct stream
		*merged_before; /* that of the side when it joined, while that lives, or NULL */
	/* Called before it is closed; NULL: nothing. False: a thread that is stuck may use it. */
	bool (*leave)(struct stream *stream);
	unsigned int references;
	uint32_t serial; /* of no other stream */
};

/* What went wrong in stream_open(), for the log: which output, which step. */
struct stream_failure {
	const struct rule_output *output;
	const char *step;
};

/*
 * Open the sockets of a rule's outputs. One reference. `egress`: most datagrams in one send, unless
 * an output has its own limit, and the send buffer. `before`: the stream that this one replaces, or
 * NULL; its sockets are shared by outputs with the same destination. 0 or -errno, with *failure:
 * -ENODEV if the interface of every output is missing (those that are missing while another one
 * exists wait for it), -EMFILE, -ENOMEM.
 */
int stream_open(struct stream **out, const struct rule *rule, unsigned int nr_shards,
		const struct egress_config *egress, const struct stream *before,
		struct stream_failure *failure);

/*
 * The stream sends only while this lease, in this slot, allows it; before any thread uses the
 * stream. `guard`: the map of sockets of steering/guard.h, or -1. `lease` must outlive the stream.
 */
void stream_set_lease(struct stream *stream, const struct xmc_lease *lease, uint32_t slot,
		      int guard);

/* The stream is that of one side of a rule with `select`: rule.side. Before any thread uses it. */
void stream_set_selection(struct stream *stream, struct selection *selection);

/* Withhold the datagrams of output i from now on, for this reason, or send them. Those that are
 * being gathered still leave. */
void stream_withhold(struct stream *stream, unsigned int i, enum withheld reason);

/*
 * What another process has left of this rule's stream: for `before` of stream_open(), and for
 * nothing else. fds[i] is the socket of output i (output_socket_adopt()); -1: there is none. One
 * reference. 0; -errno: a socket is not what it should be.
 */
int stream_adopt(struct stream **out, const struct rule *rule, const int *fds);

/* The route of output i has changed: forget its GSO state (gso.h). */
void stream_route_changed(struct stream *stream, unsigned int i);

void stream_hold(struct stream *stream);

/* Drop a reference; the last one closes the sockets. Accepts NULL. */
void stream_put(struct stream *stream);

#endif
