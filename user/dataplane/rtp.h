/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of RTP packets (RFC 3550, section 5.1). Pure; the bytes may be anything.
 */
#ifndef XMCAST_DATAPLANE_RTP_H
#define XMCAST_DATAPLANE_RTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* The fixed part. */
#define RTP_HEADER_SIZE 12

struct rtp_header {
	uint32_t timestamp;
	uint32_t ssrc;
	uint16_t sequence;
	uint16_t size; /* bytes in front of the payload: with CSRC list and extension */
	uint8_t type;  /* 0..127 */
	bool marker;
};

/* Is it RTP version 2, and not RTCP on the same port (RFC 5761, section 4)? */
static inline bool rtp_is(const uint8_t *data, uint32_t length)
{
	return length >= RTP_HEADER_SIZE && data[0] >> 6 == 2 && (data[1] < 192 || data[1] > 223);
}

/* Of a packet that is RTP. */
static inline uint32_t rtp_ssrc(const uint8_t *data)
{
	return bytes_read32(data + 8);
}

/* Read the header of a packet of which `length` bytes can be read. False: it is not RTP
 * (rtp_is()), or its header is longer than that. */
static inline bool rtp_parse(const uint8_t *data, uint32_t length, struct rtp_header *header)
{
	uint32_t size = RTP_HEADER_SIZE;

	if (!rtp_is(data, length))
		return false;
	size += 4u * (data[0] & 0xf);
	if (data[0] & 0x10) {
		if (length < size + 4)
			return false;
		size += 4 + 4u * bytes_read16(data + size + 2);
	}
	if (length < size || size > UINT16_MAX)
		return false;
	header->type = data[1] & 0x7f;
	header->marker = data[1] >> 7;
	header->sequence = bytes_read16(data + 2);
	header->timestamp = bytes_read32(data + 4);
	header->ssrc = rtp_ssrc(data);
	header->size = (uint16_t)size;
	return true;
}

#endif
