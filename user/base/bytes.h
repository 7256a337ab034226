/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of a packet, for parsers in user space that check each length before they read. */
#ifndef XMCAST_BASE_BYTES_H
#define XMCAST_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rest of a packet; owned by the caller. */
struct bytes {
	const uint8_t *data;
	size_t length;
};

/* Go on behind the next `count` bytes. False, and nothing has changed: there are fewer. */
static inline bool bytes_skip(struct bytes *bytes, size_t count)
{
	if (bytes->length < count)
		return false;
	bytes->data += count;
	bytes->length -= count;
	return true;
}

/* Numbers in network order, at any address. */
static inline uint16_t bytes_read16(const uint8_t *data)
{
	return (uint16_t)(data[0] << 8 | data[1]);
}

static inline uint32_t bytes_read32(const uint8_t *data)
{
	return (uint32_t)bytes_read16(data) << 16 | bytes_read16(data + 2);
}

#endif
