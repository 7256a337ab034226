/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packet in words, and as the frame that would be on the wire:
 *
 *     SOURCE[:PORT] > DESTINATION(:PORT|/PROTO)@IFACE [len N] [ttl N] [dscp N|NAME] [vlan [ad/]ID ...]
 *
 * IPv6 in brackets if there is a port. The word `to` is the same as `>`, which a shell needs
 * quoted. Pure; any thread.
 */
#ifndef XMCAST_CTL_PACKET_WORDS_H
#define XMCAST_CTL_PACKET_WORDS_H

#include <net/if.h>
#include <stddef.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "base/errors.h"

/* Bytes of UDP payload: a jumbo frame, and what a packet has that does not say. */
#define PACKET_PAYLOAD_MAX     9000
#define PACKET_PAYLOAD_DEFAULT 100

/* Room for the longest frame. */
#define PACKET_FRAME_SIZE (PACKET_PAYLOAD_MAX + 128)

struct packet_words {
	struct xmc_addr source;
	struct xmc_addr destination;
	uint16_t source_port; /* host order */
	uint16_t port;
	uint8_t protocol; /* 0: UDP, otherwise there are no ports */
	uint8_t ttl;
	uint8_t dscp;
	char iface[IF_NAMESIZE];
	unsigned int length; /* of the payload */
	uint32_t tags;	     /* as in struct xmc_rule_key */
};

/* Parse the words. 0; -EINVAL: errors were appended, and *packet is undefined; -ENOMEM. */
int packet_words_parse(char *const *words, int count, struct packet_words *packet,
		       struct errors *errors);

/* Write the frame, with correct checksums; returns its length. */
size_t packet_words_build(const struct packet_words *packet, uint8_t frame[PACKET_FRAME_SIZE]);

#endif
