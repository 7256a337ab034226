// SPDX-License-Identifier: BSD-2-Clause
/*
 * The header parser in user space. Every packet is parsed from memory of exactly its size, so that
 * AddressSanitizer sees reads past its end, and at every alignment, so that
 * UndefinedBehaviorSanitizer sees accesses that rely on one. tests/bpf compares the XDP program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include <xmcast/packet.h>

/* The source itself, so that this unit test is one file and links with nothing. */
#include "../bpf/packets.c"
#include "../bpf/reference.h"

#define SOURCE4 "10.9.9.9"
#define GROUP4	"239.1.1.1"
#define SOURCE6 "2001:db8::9"
#define GROUP6	"ff3e::1"
#define PORT	5000

/* Parse a copy that starts `shift` bytes after an aligned address. */
static enum xmc_reason parse_shifted(const struct packet *packet, size_t shift,
				     struct xmc_datagram *dgram)
{
	uint8_t *memory = malloc(packet->length + shift);
	enum xmc_reason reason;

	assert_true(memory || packet->length + shift == 0);
	if (packet->length)
		memcpy(memory + shift, packet->bytes, packet->length);
	reason = xmc_parse(memory + shift, memory + shift + packet->length, dgram);
	if (packet->length)
		assert_memory_equal(memory + shift, packet->bytes, packet->length);
	free(memory);
	return reason;
}

/* Parse at every alignment: the result is always the same, and that of the reference. */
static enum xmc_reason parse(const struct packet *packet, struct xmc_datagram *dgram)
{
	struct reference reference = {};
	enum xmc_reason reason = reference_parse(packet->bytes, packet->length, &reference);

	for (size_t shift = 0; shift < 8; shift++) {
		memset(dgram, 0xa5, sizeof(*dgram)); /* to see that every field is written */
		assert_int_equal(parse_shifted(packet, shift, dgram), reason);
		assert_int_equal(dgram->tags, reference.key.tags);
		if (reason != XMC_STEERED)
			continue;
		assert_memory_equal(&dgram->source, &reference.key.source, 16);
		assert_memory_equal(&dgram->destination, &reference.key.group, 16);
		assert_int_equal(dgram->port, reference.key.port);
		assert_int_equal(dgram->payload_offset, reference.payload_offset);
		assert_int_equal(dgram->payload_length, reference.payload_length);
	}
	return reason;
}

static enum xmc_reason reason_of(const struct packet *packet)
{
	struct xmc_datagram dgram;

	return parse(packet, &dgram);
}

static void build4(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE4, GROUP4, PORT, payload);
}

static void build6(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE6, GROUP6, PORT, payload);
}

static void test_ipv4_datagram(void **state)
{
	static const uint8_t source[16] = {[10] = 0xff, [11] = 0xff, 10, 9, 9, 9};
	static const uint8_t group[16] = {[10] = 0xff, [11] = 0xff, 239, 1, 1, 1};
	static const size_t payloads[] = {0, 1, 18, 1472};
	struct xmc_datagram dgram;
	struct packet packet;

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		build4(&packet, payloads[i]);
		assert_int_equal(packet.length, 42 + payloads[i]);
		assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
		assert_memory_equal(dgram.source.b, source, 16);
		assert_memory_equal(dgram.destination.b, group, 16);
		assert_int_equal(dgram.port, htons(PORT));
		assert_int_equal(dgram.ip_offset, 14);
		assert_int_equal(dgram.udp_offset, 34);
		assert_int_equal(dgram.payload_offset, 42);
		assert_int_equal(dgram.payload_length, payloads[i]);
	}
}

/* No rule takes port 0; every other port is found in the UDP header. */
static void test_ports(void **state)
{
	struct xmc_datagram dgram;
	struct packet packet;

	for (unsigned int port = 0; port < 65536; port++) {
		packet_build_text(&packet, port % 2 ? SOURCE4 : SOURCE6, port % 2 ? GROUP4 : GROUP6,
				  (uint16_t)port, 5);
		assert_int_equal(parse(&packet, &dgram), port ? XMC_STEERED : XMC_NO_RULE);
		if (port) {
			assert_int_equal(dgram.port, htons((uint16_t)port));
			assert_memory_equal(packet.bytes + dgram.udp_offset + 2, &dgram.port, 2);
		}
	}
	packet_build_text(&packet, SOURCE4, GROUP4, 0, 5);
	assert_int_equal(parse(&packet, &dgram), XMC_NO_RULE);
}

static void test_ipv6_datagram(void **state)
{
	static const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};
	static const uint8_t group[16] = {0xff, 0x3e, [15] = 1};
	static const size_t payloads[] = {0, 1, 1452};
	struct xmc_datagram dgram;
	struct packet packet;

	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		build6(&packet, payloads[i]);
		assert_int_equal(packet.length, 62 + payloads[i]);
		packet_set16(&packet, IPV6_VERSION, 0x6fff); /* traffic class and flow label */
		packet_set16(&packet, IPV6_VERSION + 2, 0xffff);
		assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
		assert_memory_equal(dgram.source.b, source, 16);
		assert_memory_equal(dgram.destination.b, group, 16);
		assert_int_equal(dgram.port, htons(PORT));
		assert_int_equal(dgram.ip_offset, 14);
		assert_int_equal(dgram.udp_offset, 54);
		assert_int_equal(dgram.payload_offset, 62);
		assert_int_equal(dgram.payload_length, payloads[i]);
	}
}

/* The payload length comes from the UDP header, not from the IP packet or the frame. */
static void test_padding_is_no_payload(void **state)
{
	struct xmc_datagram dgram;
	struct packet packet;

	build4(&packet, 5);
	packet_resize(&packet, 60);
	assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
	assert_int_equal(dgram.payload_length, 5);
	packet_set_ipv4_total(&packet, 60 - IP_START);
	assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
	assert_int_equal(dgram.payload_length, 5);
	packet_set16(&packet, IPV4_UDP_LENGTH, PACKET_UDP_HEADER);
	assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
	assert_int_equal(dgram.payload_length, 0);

	build6(&packet, 9);
	packet_resize(&packet, packet.length + 4);
	assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
	assert_int_equal(dgram.payload_length, 9);
}

static void test_every_truncation(void **state)
{
	struct packet packet;

	build4(&packet, 20);
	for (packet.length--; packet.length > 0; packet.length--)
		assert_int_equal(reason_of(&packet), XMC_MALFORMED);
	assert_int_equal(reason_of(&packet), XMC_MALFORMED);
	build6(&packet, 20);
	for (packet.length--; packet.length > 0; packet.length--)
		assert_int_equal(reason_of(&packet), XMC_MALFORMED);
	packet_resize(&packet, 13);
	assert_int_equal(reason_of(&packet), XMC_MALFORMED);
}

static void test_every_udp_length(void **state)
{
	struct xmc_datagram dgram;
	struct packet packet;

	for (unsigned int length = 0; length < 65536; length += length < 64 ? 1 : 61) {
		bool good = length >= 8 && length <= 30;

		build4(&packet, 22);
		packet_resize(&packet, packet.length + 10);
		packet_set16(&packet, IPV4_UDP_LENGTH, length);
		assert_int_equal(parse(&packet, &dgram), good ? XMC_STEERED : XMC_MALFORMED);
		if (good)
			assert_int_equal(dgram.payload_length, length - 8);

		build6(&packet, 22);
		packet_resize(&packet, packet.length + 10);
		packet_set16(&packet, IPV6_UDP_LENGTH, length);
		assert_int_equal(parse(&packet, &dgram), good ? XMC_STEERED : XMC_MALFORMED);
		if (good)
			assert_int_equal(dgram.payload_length, length - 8);
	}
}

/* The largest values of the length fields: no 16-bit calculation may overflow. */
static void test_largest(void **state)
{
	static const struct {
		const char *source, *group;
		size_t header;
		size_t udp; /* the largest UDP length */
	} cases[] = {
		{SOURCE4, GROUP4, IPV4_PAYLOAD - 8, 65535 - PACKET_IPV4_HEADER},
		{SOURCE6, GROUP6, IPV6_PAYLOAD - 8, 65535},
	};
	struct xmc_datagram dgram;
	struct packet packet;

	for (size_t i = 0; i < 2; i++) {
		size_t length = cases[i].header + cases[i].udp;
		uint8_t *frame = calloc(1, length);

		assert_non_null(frame);
		packet_build_text(&packet, cases[i].source, cases[i].group, PORT, 0);
		packet_set16(&packet, cases[i].header + 4, cases[i].udp);
		if (i == 0)
			packet_set_ipv4_total(&packet, 65535);
		else
			packet_set16(&packet, IPV6_PAYLOAD_LENGTH, 65535);
		memcpy(frame, packet.bytes, packet.length);
		assert_int_equal(xmc_parse(frame, frame + length, &dgram), XMC_STEERED);
		assert_int_equal(dgram.payload_length, cases[i].udp - 8);
		assert_int_equal(xmc_parse(frame, frame + length - 1, &dgram), XMC_MALFORMED);
		free(frame);
	}
}

static void test_ipv4_reasons(void **state)
{
	struct packet packet;
	uint16_t right;

	for (unsigned int value = 0; value < 256; value++) {
		enum xmc_reason reason = XMC_MALFORMED;

		build4(&packet, 64);
		packet_set8(&packet, IPV4_VERSION_IHL, value);
		packet_fix_ipv4_checksum(&packet);
		if (value == 0x45)
			reason = XMC_STEERED;
		else if (value > 0x45 && value < 0x50)
			reason = XMC_IP_OPTIONS;
		assert_int_equal(reason_of(&packet), reason);

		build4(&packet, 64);
		packet_set8(&packet, IPV4_PROTOCOL, value);
		packet_fix_ipv4_checksum(&packet);
		assert_int_equal(reason_of(&packet), value == 17 ? XMC_STEERED : XMC_NOT_UDP);
	}
	for (unsigned int bit = 0; bit < 16; bit++) {
		build4(&packet, 64);
		packet_set16(&packet, IPV4_FRAGMENT, 1 << bit);
		packet_fix_ipv4_checksum(&packet);
		assert_int_equal(reason_of(&packet), bit < 14 ? XMC_FRAGMENT : XMC_STEERED);
	}
	build4(&packet, 0);
	right = packet_get16(&packet, IPV4_CHECKSUM);
	for (unsigned int checksum = 0; checksum < 65536; checksum++) {
		packet_set16(&packet, IPV4_CHECKSUM, checksum);
		if (xmc_parse(packet.bytes, packet.bytes + packet.length,
			      &(struct xmc_datagram){}) !=
		    (checksum == right ? XMC_STEERED : XMC_MALFORMED))
			fail_msg("checksum %#x, right is %#x", checksum, right);
	}
}

static void test_ipv6_reasons(void **state)
{
	struct packet packet;

	for (unsigned int value = 0; value < 256; value++) {
		enum xmc_reason reason = XMC_NOT_UDP;

		if (value == 17)
			reason = XMC_STEERED;
		else if (value == 44)
			reason = XMC_FRAGMENT;
		else if (value == 0 || value == 43 || value == 60)
			reason = XMC_IP_OPTIONS;
		build6(&packet, 64);
		packet_set8(&packet, IPV6_NEXT_HEADER, value);
		assert_int_equal(reason_of(&packet), reason);

		build6(&packet, 64);
		packet_set8(&packet, IPV6_VERSION, value);
		assert_int_equal(reason_of(&packet), value >> 4 == 6 ? XMC_STEERED : XMC_MALFORMED);
	}
	build6(&packet, 64);
	packet_set16(&packet, IPV6_PAYLOAD_LENGTH,
		     0); /* as in a jumbogram, but without its option */
	assert_int_equal(reason_of(&packet), XMC_MALFORMED);
}

/* No IPv6 packet matches an IPv4 rule. */
static void test_mapped_addresses(void **state)
{
	struct xmc_rule_key flow4 = packet_flow(SOURCE4, GROUP4, PORT);
	struct packet packet;

	build6(&packet, 10);
	memcpy(packet.bytes + IPV6_SOURCE, flow4.source.b, 16);
	assert_int_equal(reason_of(&packet), XMC_MALFORMED);
	build6(&packet, 10);
	memcpy(packet.bytes + IPV6_DESTINATION, flow4.group.b, 16);
	assert_int_equal(reason_of(&packet), XMC_MALFORMED);
	for (size_t i = 0; i < 12; i++) {
		build6(&packet, 10);
		memcpy(packet.bytes + IPV6_SOURCE, flow4.source.b, 16);
		packet.bytes[IPV6_SOURCE + i] ^= 1;
		assert_int_equal(reason_of(&packet), XMC_STEERED);
	}
}

/* Every kind and number of tags: what the tags are, and the datagram behind them. */
static void test_tags(void **state)
{
	static const struct {
		uint16_t outer, outer_id, inner, inner_id;
		uint32_t tags;
	} cases[] = {
		{0x8100, 1, 0, 0, 0x1001},
		{0x8100, 4095, 0, 0, 0x1fff},
		{0x88a8, 100, 0, 0, 0x2064},
		{0x88a8, 200, 0x8100, 100, 0x20c81064},
		{0x8100, 200, 0x8100, 100, 0x10c81064},
		{0x8100, 200, 0x88a8, 100, 0x10c82064},
		{0x88a8, 4094, 0x88a8, 4094, 0x2ffe2ffe},
		/* Priority only. */
		{0x8100, 0, 0, 0, 0},
		{0x88a8, 0, 0, 0, 0},
		{0x8100, 0, 0x8100, 0, 0},
		{0x8100, 0, 0x8100, 100, 0x1064},
		{0x88a8, 200, 0x8100, 0, 0x20c8},
	};
	struct xmc_datagram dgram;
	struct packet packet;

	for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(cases[0]); i++) {
		size_t at = 18, ip = i % 2 ? 20 : 40;
		unsigned int priority = i / 2 % 2 ? 0xf000 : 0; /* and drop eligible */

		if (i % 2)
			build4(&packet, 33);
		else
			build6(&packet, 33);
		if (cases[i / 4].inner) {
			packet_add_tag(&packet, cases[i / 4].inner,
				       cases[i / 4].inner_id | priority);
			at += 4;
		}
		packet_add_tag(&packet, cases[i / 4].outer, cases[i / 4].outer_id | priority);
		assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
		assert_int_equal(dgram.tags, cases[i / 4].tags);
		assert_int_equal(dgram.ip_offset, at);
		assert_int_equal(dgram.udp_offset, at + ip);
		assert_int_equal(dgram.payload_offset, at + ip + 8);
		assert_int_equal(dgram.payload_length, 33);
		for (packet.length--; packet.length > 14; packet.length--)
			assert_int_equal(reason_of(&packet),
					 packet.length < at ? XMC_VLAN : XMC_MALFORMED);
	}
}

static void test_too_many_tags(void **state)
{
	struct xmc_datagram dgram;
	struct packet packet;

	for (unsigned int id = 0; id < 2; id++) {
		build4(&packet, 10);
		packet_add_tag(&packet, 0x8100, id);
		packet_add_tag(&packet, 0x8100, id);
		assert_int_equal(parse(&packet, &dgram), XMC_STEERED);
		packet_add_tag(&packet, 0x88a8, id);
		assert_int_equal(parse(&packet, &dgram), XMC_VLAN);
	}
}

/* A tagged packet that is not relayed belongs to another interface, whatever is in it. */
static void test_pass_reason(void **state)
{
	struct xmc_datagram dgram;

	for (int reason = 0; reason < XMC_REASONS; reason++) {
		dgram.tags = 0;
		assert_int_equal(xmc_pass_reason(reason, &dgram),
				 reason == XMC_STEERED ? XMC_NO_RULE : reason);
		dgram.tags = 0x1001;
		assert_int_equal(xmc_pass_reason(reason, &dgram), XMC_VLAN);
	}
}

static void test_ethertypes(void **state)
{
	struct xmc_datagram dgram;
	struct packet packet;

	for (unsigned int type = 0; type < 65536; type++) {
		enum xmc_reason reason = XMC_NOT_IP;

		build4(&packet, 0);
		packet_set16(&packet, ETH_TYPE, type);
		if (type == 0x0800)
			reason = XMC_STEERED;
		else if (type == 0x86dd)
			reason = XMC_MALFORMED;
		assert_int_equal(xmc_parse(packet.bytes, packet.bytes + packet.length, &dgram),
				 reason);
		/* The tag is the start of the IPv4 header. */
		assert_int_equal(dgram.tags, type == 0x8100 ? 0x1500 : type == 0x88a8 ? 0x2500 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_datagram),
		cmocka_unit_test(test_ipv6_datagram),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_padding_is_no_payload),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_udp_length),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_ipv4_reasons),
		cmocka_unit_test(test_ipv6_reasons),
		cmocka_unit_test(test_mapped_addresses),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_too_many_tags),
		cmocka_unit_test(test_pass_reason),
		cmocka_unit_test(test_ethertypes),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
