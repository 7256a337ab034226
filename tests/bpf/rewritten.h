/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second implementation of xmcast/rewrite.h, for tests: byte by byte, on an array, every checksum
 * summed anew. It shares no type, constant or macro with the other one except the output's.
 */
#ifndef XMCAST_TESTS_REWRITTEN_H
#define XMCAST_TESTS_REWRITTEN_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

#include "packets.h"

/* The UDP checksum of a packet before it is relayed. */
enum written { WRITTEN_COMPLETE, WRITTEN_NONE, WRITTEN_UNFINISHED, WRITTEN_WRONG, WRITTENS };

/* Write such a checksum into a packet of packet_build(). */
void write_checksum(struct packet *packet, enum written written);

/* The packet as it must leave by this output; `id`: identification, if it is IPv4. */
void rewrite_expected(struct packet *packet, const struct xmc_output *output, uint16_t id);

/* It must not leave: its TTL would be 0. */
bool expected_to_expire(const struct packet *packet, const struct xmc_output *output);

/* As before, of a packet with an unfinished checksum that must stay unfinished. */
void rewrite_expected_unfinished(struct packet *packet, const struct xmc_output *output,
				 uint16_t id);

/* Turn a packet of packet_build() into one of another IP protocol. */
void make_protocol(struct packet *packet, uint8_t protocol);

#endif
