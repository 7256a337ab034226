/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The downstream packets of MoldUDP64 1.0. Pure; the bytes may be anything.
 *
 *     session 10 bytes │ sequence number 8 │ message count 2 │ messages: length 2, data │ …
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

/* Where the message behind the first `count` ones begins, or where the last of them ends. 0: the
 * packet ends before. The packet has a whole header. */
static inline uint32_t mold64_skip(const uint8_t *data, uint32_t length, unsigned int count)
{
	uint32_t offset = MOLD64_HEADER_SIZE;

	for (; count; count--) {
		if (length - offset < 2)
			return 0;
		offset += 2 + ((uint32_t)data[offset] << 8 | data[offset + 1]);
		if (offset > length)
			return 0;
	}
	return offset;
}

/* As mold64_parse(), of a whole packet. False also if it has fewer messages than it says. */
static inline bool mold64_parse_whole(const uint8_t *data, uint32_t length,
				      struct mold64_header *header)
{
	return mold64_parse(data, length, header) &&
	       mold64_skip(data, length, mold64_messages(header)) != 0;
}

static inline void mold64_write(uint8_t *data, const struct mold64_header *header)
{
	memcpy(data, header->session, MOLD64_SESSION_SIZE);
	for (unsigned int i = 0; i < 8; i++)
		data[MOLD64_SESSION_SIZE + i] = (uint8_t)(header->sequence >> (56 - 8 * i));
	data[18] = (uint8_t)(header->count >> 8);
	data[19] = (uint8_t)header->count;
}

/*
 * Cut the first `count` messages out of a packet that mold64_parse_whole() has accepted, with more
 * messages than these: what is left begins at the returned offset, with a header of its own. Writes
 * over what is cut out.
 */
static inline uint32_t mold64_cut(uint8_t *data, uint32_t length, struct mold64_header *header,
				  unsigned int count)
{
	uint32_t begin = mold64_skip(data, length, count) - MOLD64_HEADER_SIZE;

	header->sequence += count;
	header->count = (uint16_t)(header->count - count);
	mold64_write(data + begin, header);
	return begin;
}

#endif
