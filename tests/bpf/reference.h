/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second implementation of the rules of xmcast/packet.h, for tests: byte by byte, on an array and
 * a length. It shares no type, constant or macro with the parser except the reasons, so that it
 * does not share its mistakes.
 */
#ifndef XMCAST_TESTS_REFERENCE_H
#define XMCAST_TESTS_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xmcast/abi.h>

/* Valid after XMC_STEERED; and after XMC_NOT_UDP, if key.protocol is not 0. The tags are always
 * valid.
 */
struct reference {
	struct xmc_rule_key key;
	size_t ip_length;
	size_t payload_offset;
	size_t payload_length;
};

static inline unsigned int reference_be16(const uint8_t *p)
{
	return p[0] * 256U + p[1];
}

/* The UDP datagram that starts at `at`, in an IP packet that ends at `end`. */
static inline enum xmc_reason reference_udp(const uint8_t *frame, size_t at, size_t end,
					    struct reference *out)
{
	unsigned int length;

	if (end < at + 8)
		return XMC_MALFORMED;
	length = reference_be16(frame + at + 4);
	if (length < 8 || at + length > end)
		return XMC_MALFORMED;
	memcpy(&out->key.port, frame + at + 2, 2);
	if (reference_be16(frame + at + 2) == 0)
		return XMC_NO_RULE;
	out->payload_offset = at + 8;
	out->payload_length = length - 8;
	return XMC_STEERED;
}

/* A packet of another protocol, or, if that is 0, one that no rule may take. */
static inline enum xmc_reason reference_other(size_t at, size_t end, uint8_t protocol,
					      struct reference *out)
{
	out->key.protocol = protocol;
	out->payload_offset = at;
	out->payload_length = end - at;
	return XMC_NOT_UDP;
}

static inline enum xmc_reason reference_ipv4(const uint8_t *frame, size_t length,
					     struct reference *out)
{
	enum xmc_reason reason = XMC_STEERED;
	unsigned int header, total, sum = 0;

	if (length < 34 || frame[14] / 16 != 4)
		return XMC_MALFORMED;
	header = frame[14] % 16 * 4;
	total = reference_be16(frame + 16);
	if (header < 20 || total < header || 14 + total > length)
		return XMC_MALFORMED;
	for (size_t i = 14; i < 34; i += 2)
		sum += reference_be16(frame + i);
	if (header != 20)
		reason = XMC_IP_OPTIONS;
	else if (sum == 0 || sum % 65535 != 0) /* must be minus zero in one's complement */
		reason = XMC_MALFORMED;
	else if (reference_be16(frame + 20) % 16384 != 0)
		reason = XMC_FRAGMENT;
	if (frame[23] == 17 && reason != XMC_STEERED)
		return reason;
	memset(out->key.source.b + 10, 255, 2);
	memset(out->key.group.b + 10, 255, 2);
	memcpy(out->key.source.b + 12, frame + 26, 4);
	memcpy(out->key.group.b + 12, frame + 30, 4);
	out->ip_length = total;
	if (frame[23] == 17)
		return reference_udp(frame, 34, 14 + total, out);
	return reference_other(34, 14 + total, reason == XMC_STEERED ? frame[23] : 0, out);
}

static inline bool reference_is_mapped(const uint8_t *address)
{
	for (int i = 0; i < 12; i++) {
		if (address[i] != (i < 10 ? 0 : 255))
			return false;
	}
	return true;
}

static inline enum xmc_reason reference_ipv6(const uint8_t *frame, size_t length,
					     struct reference *out)
{
	bool mapped;
	size_t end;

	if (length < 54 || frame[14] / 16 != 6)
		return XMC_MALFORMED;
	end = 54 + reference_be16(frame + 18);
	if (end > length)
		return XMC_MALFORMED;
	if (frame[20] == 44)
		return XMC_FRAGMENT;
	if (frame[20] == 0 || frame[20] == 43 || frame[20] == 60)
		return XMC_IP_OPTIONS;
	mapped = reference_is_mapped(frame + 22) || reference_is_mapped(frame + 38);
	if (frame[20] == 17 && mapped)
		return XMC_MALFORMED;
	memcpy(out->key.source.b, frame + 22, 16);
	memcpy(out->key.group.b, frame + 38, 16);
	out->ip_length = end - 14;
	if (frame[20] == 17)
		return reference_udp(frame, 54, end, out);
	return reference_other(54, end, mapped ? 0 : frame[20], out);
}

/* Tags come in front of the IP header, at most two of them. */
static inline enum xmc_reason reference_parse(const uint8_t *frame, size_t length,
					      struct reference *out)
{
	enum xmc_reason reason;
	size_t shift = 0;

	memset(out, 0, sizeof(*out));
	if (length < 14)
		return XMC_MALFORMED;
	for (;;) {
		unsigned int type = reference_be16(frame + shift + 12), id;

		if (type != 0x8100 && type != 0x88a8)
			break;
		if (shift == 8 || length < shift + 18)
			return XMC_VLAN;
		id = reference_be16(frame + shift + 14) % 4096;
		if (id)
			out->key.tags = out->key.tags * 65536 + (type == 0x88a8 ? 8192 : 4096) + id;
		shift += 4;
	}
	switch (reference_be16(frame + shift + 12)) {
	case 0x0800:
		reason = reference_ipv4(frame + shift, length - shift, out);
		break;
	case 0x86dd:
		reason = reference_ipv6(frame + shift, length - shift, out);
		break;
	default:
		return XMC_NOT_IP;
	}
	out->payload_offset += shift;
	return reason;
}

#endif
