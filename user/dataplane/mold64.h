/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the downstream packets of MoldUDP64 1.0. Pure; the bytes may be anything.
 */
#ifndef XMCAST_DATAPLANE_MOLD64_H
#define XMCAST_DATAPLANE_MOLD64_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MOLD64_HEADER_SIZE  20
#define MOLD64_SESSION_SIZE 10

/* Instead of a number of messages: the session has ended. */
#define MOLD64_END 0xffff

struct mold64_header {
	char session[MOLD64_SESSION_SIZE]; /* not terminated */
	uint64_t sequence;		   /* of the first message, or of the next one */
	uint16_t count;			   /* of messages; 0: a heartbeat; or MOLD64_END */
};

/* How many messages the packet has. */
static inline uint16_t mold64_messages(const struct mold64_header *header)
{
	return header->count == MOLD64_END ? 0 : header->count;
}

/* Read the header of a packet of which `length` bytes can be read. False: it is shorter, or its
 * numbers do not fit 64 bits. */
static inline bool mold64_parse(const uint8_t *data, uint32_t length, struct mold64_header *header)
{
	uint64_t sequence = 0;

	if (length < MOLD64_HEADER_SIZE)
		return false;
	memcpy(header->session, data, MOLD64_SESSION_SIZE);
	for (unsigned int i = 0; i < 8; i++)
		sequence = sequence << 8 | data[MOLD64_SESSION_SIZE + i];
	header->sequence = sequence;
	header->count = (uint16_t)(data[18] << 8 | data[19]);
	return sequence <= UINT64_MAX - header->count;
}

#endif
