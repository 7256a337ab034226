/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request gathers datagrams of one output that leave with one sendmsg(2): a batch if there are
 * several (UDP_SEGMENT, udp(7)). All of them have the same length, only the last may be shorter,
 * and the same key: what their headers have in common. The iovecs point into the UMEM, nothing is
 * copied.
 *
 * What the socket does not say of the headers, control messages say: the source address of `from`,
 * and TTL and DSCP of packets that keep them. A request of an output that sends from given ports
 * either has the socket of its port (source_ports.h), or it is raw: one datagram, which is sent
 * with its UDP header by the raw socket.
 *
 * The egress thread's.
 */
#ifndef XMCAST_DATAPLANE_SEND_REQUEST_H
#define XMCAST_DATAPLANE_SEND_REQUEST_H

#include <netinet/in.h>
#include <stdalign.h>
#include <string.h>
#include <sys/uio.h>

#include <xmcast/packet.h>

#include "dataplane/engine.h"
#include "dataplane/frame_queue.h"
#include "dataplane/stream.h"
#include "dataplane/withheld.h"

/* UDP payload that fits an IPv4 packet; also the most that one GSO send may carry. */
#define SEND_MAX_BYTES 65507

/* No socket of a source port. */
#define NO_SLOT (-1)

/* What all datagrams of one send have in common. No padding, so that keys can be compared as bytes.
 */
struct send_key {
	struct xmc_addr source; /* of `from keep`; otherwise all zero */
	in_port_t source_port;	/* the same, network order */
	in_port_t port;		/* where they go, network order; 0: to the output's own port */
	uint8_t ttl;		/* of `ttl keep` and `ttl dec`; otherwise 0 */
	uint8_t tos;		/* of `dscp keep`; otherwise 0 */
	uint16_t zero;
};

_Static_assert(sizeof(struct send_key) == 24, "no padding");

static inline bool send_key_equal(const struct send_key *a, const struct send_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#define SEND_CONTROL_SIZE                                                                          \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)) +                    \
	 CMSG_SPACE(sizeof(uint16_t)))

struct send_request {
	struct send send;	   /* first, so that a completed send leads to its request */
	struct send_request *next; /* of the free ones, or of the open ones of a bucket */
	struct output_shard *to;
	struct send_key key;
	int slot;		     /* of its source port's socket, or NO_SLOT */
	bool raw;		     /* one datagram, with `header` */
	unsigned int count;	     /* datagrams */
	unsigned int pieces;	     /* payloads, if the only datagram is in several frames; or 0 */
	uint32_t bytes;		     /* payload of all of them */
	uint32_t segment_size;	     /* of all but the last */
	uint32_t stamp;		     /* of the one datagram that is timed (stamp.h), or 0 */
	struct sockaddr_in6 address; /* with the key's port; holds an IPv4 address as well */
	size_t single_control; /* bytes of the control messages that also hold for one datagram */
	alignas(struct cmsghdr) char control[SEND_CONTROL_SIZE];
	struct xmc_udp header;
	uint32_t frames[GSO_MAX_SEGMENTS]; /* the first one of each datagram */
	struct iovec header_iov;	   /* of `header`; directly in front of `payloads` */
	struct iovec payloads[GSO_MAX_SEGMENTS];
};

_Static_assert(offsetof(struct send_request, send) == 0, "a send leads to its request");
_Static_assert(offsetof(struct send_request, payloads) ==
		       offsetof(struct send_request, header_iov) + sizeof(struct iovec),
	       "a header and its payload are one array");
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	       "the port is at the same place in both families");
_Static_assert(sizeof(struct sockaddr_in) <= sizeof(struct sockaddr_in6), "room for both");

/* Add what the packet's headers say that the output keeps. Returns why the datagram cannot leave,
 * or WITHHELD_NOTHING. `key` is all zero before, and undefined behind another result. */
enum withheld send_key_keep(struct send_key *key, const struct rule_output *rule,
			    const struct frame_entry *entry, const uint8_t *frame);

/* Make the key of a datagram. */
static inline enum withheld send_key_make(struct send_key *key, const struct output_shard *to,
					  const struct frame_entry *entry, const uint8_t *frame)
{
	*key = (struct send_key){0};
	if (to->keeps_port)
		key->port = ((const struct xmc_udp *)(frame + entry->udp))->destination;
	return to->keeps_headers ? send_key_keep(key, &to->output->rule, entry, frame)
				 : WITHHELD_NOTHING;
}

/* The UDP port from which the datagrams of the output with this key leave, in network order; 0:
 * none that a socket can have. */
static inline in_port_t send_source_port(const struct output *output, const struct send_key *key)
{
	return output->rule.from_kept ? key->source_port : htons(output->rule.from_port);
}

/* Without a datagram. */
static inline void send_request_begin(struct send_request *request, struct output_shard *to,
				      const struct send_key *key)
{
	request->to = to;
	request->key = *key;
	request->slot = NO_SLOT;
	request->raw = false;
	request->count = 0;
	request->pieces = 0;
	request->bytes = 0;
	request->segment_size = 0;
	request->stamp = 0;
}

/* May this datagram join the request? The limits may have become tighter since it was begun. */
static inline bool send_request_accepts(const struct send_request *request, uint32_t length,
					const struct send_key *key)
{
	if (!send_key_equal(&request->key, key))
		return false;
	return !request->count ||
	       (!request->raw && length > 0 && length <= request->segment_size &&
		request->bytes + length <= SEND_MAX_BYTES &&
		gso_has_room(&request->to->gso, request->count, request->segment_size));
}

/* Append a datagram. True: the request is full. */
static inline bool send_request_add(struct send_request *request, uint32_t frame, void *payload,
				    uint32_t length)
{
	unsigned int i = request->count++;

	if (!i)
		request->segment_size = length;
	request->frames[i] = frame;
	request->payloads[i].iov_base = payload;
	request->payloads[i].iov_len = length;
	request->bytes += length;
	/* A shorter datagram must be the last; an empty one would vanish in a batch. */
	return length < request->segment_size || !length || request->raw ||
	       !gso_has_room(&request->to->gso, request->count, request->segment_size);
}

/* The source address with which the request's datagrams leave; all zero: the kernel chooses. */
const struct xmc_addr *send_request_source(const struct send_request *request);

/* The port to which they go, in network order. */
in_port_t send_request_port(const struct send_request *request);

/* The sum of the words of one payload, which may be in several pieces. */
__u64 send_payload_sum(const struct iovec *pieces, unsigned int count);

/* Write request->send, of a request with at least one datagram. */
void send_request_write(struct send_request *request);

/* The message with which the i-th datagram of a batch leaves alone. */
struct msghdr send_request_single(struct send_request *request, unsigned int i);

/* Where the request's datagrams go, for the log. Returns `text`. */
const char *send_request_to(const struct send_request *request, char text[ENDPOINT_TEXT_SIZE]);

#endif
