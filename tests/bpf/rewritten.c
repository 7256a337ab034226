// SPDX-License-Identifier: BSD-2-Clause
#include "rewritten.h"

#include <string.h>

static bool is_ipv4(const struct packet *packet)
{
	return packet->bytes[14] / 16 == 4;
}

static size_t udp_at(const struct packet *packet)
{
	return is_ipv4(packet) ? 34 : 54;
}

static bool is_udp(const struct packet *packet)
{
	return packet->bytes[is_ipv4(packet) ? 23 : 20] == 17;
}

/* Modulo 65535, as one's complement sums are; 0 stands for both zeros. */
static uint32_t sum_bytes(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? bytes[i] : bytes[i] * 256U;
	return (uint32_t)(sum % 65535);
}

static uint32_t sum_pseudo(const struct packet *packet)
{
	size_t udp = udp_at(packet);
	uint32_t sum = 17 + packet_get16(packet, udp + 4);

	if (is_ipv4(packet))
		sum += sum_bytes(packet->bytes + 26, 8);
	else
		sum += sum_bytes(packet->bytes + 22, 32);
	return sum % 65535;
}

/* Everything that the checksum covers, and itself: 0 if it is right. A damaged packet may be
 * shorter than its header says. */
static uint32_t sum_all(const struct packet *packet)
{
	size_t udp = udp_at(packet);
	size_t length = packet_get16(packet, udp + 4);

	if (udp > packet->length)
		return 0;
	if (length > packet->length - udp)
		length = packet->length - udp;
	return (sum_pseudo(packet) + sum_bytes(packet->bytes + udp, length)) % 65535;
}

/* Choose the checksum for which sum_all() is `wanted`. It is never 0, because that means none. */
static void complete(struct packet *packet, uint32_t wanted)
{
	size_t field = udp_at(packet) + 6;
	uint32_t checksum;

	packet_set16(packet, field, 0);
	checksum = (wanted + 65535 - sum_all(packet)) % 65535;
	packet_set16(packet, field, (uint16_t)(checksum ? checksum : 65535));
}

void write_checksum(struct packet *packet, enum written written)
{
	size_t field = udp_at(packet) + 6;

	switch (written) {
	case WRITTEN_COMPLETE:
		complete(packet, 0);
		break;
	case WRITTEN_WRONG:
		complete(packet, 4711);
		break;
	case WRITTEN_NONE:
		packet_set16(packet, field, 0);
		break;
	default:
		packet_set16(packet, field,
			     (uint16_t)(sum_pseudo(packet) ? sum_pseudo(packet) : 65535));
	}
}

static bool is_unfinished(const struct packet *packet)
{
	uint16_t field = packet_get16(packet, udp_at(packet) + 6);

	return field ? field % 65535 == sum_pseudo(packet) : !is_ipv4(packet);
}

/* The output without anything that the packet keeps. */
static struct xmc_output settle(const struct packet *packet, const struct xmc_output *output)
{
	const uint8_t *bytes = packet->bytes;
	struct xmc_output settled = *output;

	if (output->flags & XMC_KEEP_SOURCE) {
		if (is_ipv4(packet))
			memcpy(settled.source.b + 12, bytes + 26, 4);
		else
			memcpy(settled.source.b, bytes + 22, 16);
		if (is_udp(packet))
			memcpy(&settled.source_port, bytes + udp_at(packet), 2);
	}
	if (output->flags & (XMC_KEEP_TTL | XMC_DECREMENT_TTL))
		settled.ttl = (uint8_t)(bytes[is_ipv4(packet) ? 22 : 21] -
					!!(output->flags & XMC_DECREMENT_TTL));
	if (output->flags & XMC_KEEP_TOS)
		settled.tos = is_ipv4(packet) ? bytes[15] / 4 * 4
					      : (uint8_t)(bytes[14] % 16 * 16 + bytes[15] / 64 * 4);
	return settled;
}

bool expected_to_expire(const struct packet *packet, const struct xmc_output *output)
{
	unsigned int ttl = packet->bytes[is_ipv4(packet) ? 22 : 21];

	return (output->flags & XMC_KEEP_TTL && ttl < 1) ||
	       (output->flags & XMC_DECREMENT_TTL && ttl < 2);
}

static void rewrite_addresses(struct packet *packet, const struct xmc_output *output, uint16_t id)
{
	uint8_t *bytes = packet->bytes;

	memcpy(bytes, output->mac_to, 6);
	memcpy(bytes + 6, output->mac_from, 6);
	if (is_ipv4(packet)) {
		bytes[15] = output->tos;
		packet_set16(packet, 18, id);
		packet_set16(packet, 20, 0);
		bytes[22] = output->ttl;
		memcpy(bytes + 26, output->source.b + 12, 4);
		memcpy(bytes + 30, output->destination.b + 12, 4);
		packet_fix_ipv4_checksum(packet);
	} else {
		bytes[14] = 6 * 16 + output->tos / 16;
		bytes[15] = (uint8_t)(output->tos % 16 * 16);
		bytes[16] = bytes[17] = 0;
		bytes[21] = output->ttl;
		memcpy(bytes + 22, output->source.b, 16);
		memcpy(bytes + 38, output->destination.b, 16);
	}
}

static void rewrite_ports(struct packet *packet, const struct xmc_output *output)
{
	size_t udp = udp_at(packet);

	memcpy(packet->bytes + udp, &output->source_port, 2);
	if (output->port)
		memcpy(packet->bytes + udp + 2, &output->port, 2);
}

void rewrite_expected(struct packet *packet, const struct xmc_output *output, uint16_t id)
{
	bool udp = is_udp(packet);
	bool none = udp && is_ipv4(packet) && !packet_get16(packet, udp_at(packet) + 6);
	uint32_t error = udp && !is_unfinished(packet) ? sum_all(packet) : 0;
	struct xmc_output settled = settle(packet, output);

	rewrite_addresses(packet, &settled, id);
	if (!udp)
		return;
	rewrite_ports(packet, &settled);
	/* A wrong checksum must be as wrong as before. */
	if (!none)
		complete(packet, error);
}

void rewrite_expected_unfinished(struct packet *packet, const struct xmc_output *output,
				 uint16_t id)
{
	struct xmc_output settled = settle(packet, output);

	rewrite_addresses(packet, &settled, id);
	rewrite_ports(packet, &settled);
	write_checksum(packet, WRITTEN_UNFINISHED);
}

void make_protocol(struct packet *packet, uint8_t protocol)
{
	packet_set8(packet, is_ipv4(packet) ? 23 : 20, protocol);
	if (is_ipv4(packet))
		packet_fix_ipv4_checksum(packet);
}
