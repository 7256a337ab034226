/* SPDX-License-Identifier: BSD-2-Clause */
/* IGMP and MLD packets for tests: built from their parts, with correct checksums. */
#ifndef XMCAST_TESTS_UNIT_GROUP_MESSAGES_H
#define XMCAST_TESTS_UNIT_GROUP_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* RFC 1071, as plainly as possible. */
static inline uint16_t plain_sum(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Set the checksum of a packet from its IP header on, if it has one of IGMP or MLD. */
static inline void set_group_checksum(uint8_t *packet, size_t length)
{
	size_t header = 20, end, sum_at;
	uint32_t start = 0;
	uint16_t sum;

	if (length >= 20 && packet[0] >> 4 == 4) {
		header = 4UL * (packet[0] & 0xf);
		end = (size_t)packet[2] << 8 | packet[3];
		sum_at = header + 2;
	} else if (length >= 48 && packet[0] >> 4 == 6) {
		header = 48 + 8UL * packet[41];
		end = 40 + ((size_t)packet[4] << 8 | packet[5]);
		sum_at = header + 2;
		start = plain_sum(0, packet + 8, 32) + (uint32_t)(end - header) + 58;
	} else {
		return;
	}
	if (end > length || sum_at + 2 > end)
		return;
	packet[sum_at] = packet[sum_at + 1] = 0;
	sum = (uint16_t)~plain_sum(start, packet + header, end - header);
	packet[sum_at] = (uint8_t)(sum >> 8);
	packet[sum_at + 1] = (uint8_t)sum;
}

/* An IPv4 packet with router alert from 10.2.0.`host` to all hosts. Returns its length. */
static inline size_t igmp_packet(uint8_t *packet, uint8_t host, const void *message, size_t length)
{
	static const uint8_t header[24] = {0x46, 0xc0, 0, 0, 0,	  0, 0, 0, 1,	 2, 0, 0,
					   10,	 2,    0, 0, 224, 0, 0, 1, 0x94, 4, 0, 0};
	size_t total = sizeof(header) + length;

	memcpy(packet, header, sizeof(header));
	packet[2] = (uint8_t)(total >> 8);
	packet[3] = (uint8_t)total;
	packet[15] = host;
	memcpy(packet + sizeof(header), message, length);
	set_group_checksum(packet, total);
	return total;
}

/* An IPv6 packet with router alert from fe80::`host` to all hosts. */
static inline size_t mld_packet(uint8_t *packet, uint8_t host, const void *message, size_t length)
{
	static const uint8_t header[48] = {0x60, 0, 0, 0, 0, 0, 0, 1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0,
					   0,	 0, 0, 0, 0, 0, 0, 0, 0xff, 0x02, 0, 0, 0, 0, 0, 0,
					   0,	 0, 0, 0, 0, 0, 0, 1, 58,   0,	  5, 2, 0, 0, 1, 0};
	size_t payload = 8 + length;

	memcpy(packet, header, sizeof(header));
	packet[4] = (uint8_t)(payload >> 8);
	packet[5] = (uint8_t)payload;
	packet[23] = host;
	memcpy(packet + sizeof(header), message, length);
	set_group_checksum(packet, sizeof(header) + length);
	return sizeof(header) + length;
}

#endif
