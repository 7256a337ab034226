/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Send requests: the datagrams of one output that leave with one sendmsg(2). With UDP_SEGMENT (GSO,
 * udp(7)) one request carries up to GSO_MAX_SEGMENTS datagrams of equal length, of which the last
 * may be shorter; the iovecs point into the UMEM, nothing is copied. All go to one port: an output
 * that keeps ports has a request of its own for each run of datagrams to one. All of it is the
 * egress thread's.
 */
#ifndef XMCAST_DATAPLANE_EGRESS_BATCH_H
#define XMCAST_DATAPLANE_EGRESS_BATCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "dataplane/stream.h"

/* UDP payload that fits an IPv4 packet; also the most that one GSO send may carry. */
#define SEND_MAX_BYTES 65507

struct send_request {
	struct send_request *next_free;
	struct output_shard *to;
	unsigned int count;    /* datagrams */
	uint32_t bytes;	       /* payload of all of them */
	uint32_t segment_size; /* of the first, and of all but the last */
	/* Of the one datagram that is timed (stamp.h), or 0. There is no second one: an output's
	 * datagrams come in the order in which the stream's queue counted them. */
	uint32_t stamp;
	in_port_t port;		     /* of an output that keeps ports: where this goes; else 0 */
	struct sockaddr_in6 address; /* then: the output's, with that port; of IPv4 in its place */
	struct msghdr message;
	alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))];
	uint32_t frames[GSO_MAX_SEGMENTS];
	struct iovec payloads[GSO_MAX_SEGMENTS];
};

/* Begin an empty request to an output; `port`: not 0 only for one that keeps ports. */
void send_request_start(struct send_request *request, struct output_shard *to, in_port_t port);

/* May this datagram, to this port, be appended? An empty request takes any of its port. */
bool send_request_takes(const struct send_request *request, uint32_t length, in_port_t port);

/* Append a datagram. True: the request is full, no other may follow. */
bool send_request_add(struct send_request *request, uint32_t frame, void *payload, uint32_t length);

/* Write the message header, once all is appended; `message` then lives as long as the request. */
void send_request_finish(struct send_request *request);

/* The port to which it goes then. */
in_port_t send_request_port(const struct send_request *request);

/* Account for a completed send of `count` datagrams: `result` as sendmsg(2) returned it, or -errno.
 */
void output_shard_account(struct output_shard *to, unsigned int count, int result);

/* A finished request is handed to the engine, and has completed: its output's unfinished batches.
 */
void send_request_begin(const struct send_request *request);
void send_request_end(const struct send_request *request);

/*
 * Could the kernel take this request and still refuse an unfinished batch of its output? A datagram
 * on its own, or a batch of smaller segments: then it must wait for what becomes of that batch,
 * whose datagrams would otherwise be sent behind it.
 */
bool send_request_overtakes(const struct send_request *request);

/*
 * Did the kernel refuse the batch as a batch, so that its datagrams should be sent one by one? Then
 * the output gathers less from now on: a device or route that cannot segment (EIO: XFRM, no
 * checksums) never again, one whose path MTU is below the segment size only smaller ones.
 */
bool send_request_refused(struct send_request *request, int result);

/* Send its datagrams one by one with sendmsg(2), without blocking, and account for each. Returns
 * how many the kernel took. */
unsigned int send_request_singly(struct send_request *request);

#endif
