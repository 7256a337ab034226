/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A captured packet as a frame: as it was captured, or, of a datagram that was handed to the
 * kernel, with Ethernet, IP and UDP headers as the kernel will write them. Those are rebuilt, so
 * they can differ from what leaves: the kernel chooses the IPv4 identification (0 here), and an
 * Ethernet address that is not known is 0; a datagram larger than the MTU leaves in fragments.
 *
 * Pure. One thread.
 */
#ifndef XMCAST_CTL_CAPTURE_PACKET_H
#define XMCAST_CTL_CAPTURE_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/packet.h>

#include "base/capture_ring.h"

/* Headers that are put in front of a payload, at most. */
#define CAPTURE_HEADERS (sizeof(struct xmc_eth) + sizeof(struct xmc_ipv6) + sizeof(struct xmc_udp))

/* What the kernel chooses for the datagrams of an output. Unknown: all zero. */
struct capture_output {
	struct xmc_addr source;
	uint16_t source_port; /* host order */
	uint8_t mac_to[6];
	uint8_t mac_from[6];
};

/* A frame, and what its headers say. */
struct capture_frame {
	const uint8_t *data;
	uint32_t length;   /* of the frame */
	uint32_t captured; /* bytes of it in `data` */
	bool parsed;	   /* the rest is known */
	struct xmc_addr source;
	struct xmc_addr destination;
	uint16_t source_port; /* host order; 0: not UDP */
	uint16_t port;
	uint8_t protocol; /* of IP */
	uint8_t ttl;
	uint8_t dscp;
	uint16_t payload; /* bytes behind the UDP header, or behind that of IP */
	uint32_t tags;	  /* as in struct xmc_rule_key */
};

/*
 * Make the frame of a record (capture_reader_next()). `output` is about a CAPTURE_SUBMITTED record.
 * `room`: CAPTURE_HEADERS + snap bytes, which the frame's data may be in, or in the record.
 */
void capture_frame_make(struct capture_frame *frame, const struct capture_record *record,
			const struct capture_output *output, uint32_t snap, uint8_t *room);

#endif
