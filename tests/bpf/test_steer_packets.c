// SPDX-License-Identifier: BSD-2-Clause
/* Packets that the steering program must pass: other protocols, and malformed headers. */
#include <errno.h>

#include "steer_case.h"

#define MIN_FRAME 60 /* Ethernet's 64 bytes without the checksum: shorter frames are padded */

/* Other protocols, and tags. */

static void test_not_ip(void **state)
{
	static const uint16_t types[] = {0x0000, 0x0008, 0x0806, 0x05dc, 0x0801, 0x08ff, 0x8035,
					 0x8847, 0x8863, 0x88cc, 0x9100, 0xdd86, 0xffff};
	struct packet packet;

	begin();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		build4(&packet, 10);
		packet_set16(&packet, ETH_TYPE, types[i]);
		expect(&packet, XMC_NOT_IP);
		packet_resize(&packet, PACKET_ETH_HEADER);
		expect(&packet, XMC_NOT_IP);
	}
	/* The EtherType of the other family contradicts the version. */
	build4(&packet, 40);
	packet_set16(&packet, ETH_TYPE, 0x86dd);
	expect(&packet, XMC_MALFORMED);
	build6(&packet, 40);
	packet_set16(&packet, ETH_TYPE, 0x0800);
	expect(&packet, XMC_MALFORMED);
}

static void test_vlan(void **state)
{
	static const uint16_t tpids[] = {0x8100, 0x88a8};
	struct packet packet;

	begin();
	for (size_t i = 0; i < 2; i++) {
		build4(&packet, 10);
		packet_add_tag(&packet, tpids[i], 100);
		expect(&packet, XMC_VLAN);
		packet_add_tag(&packet, 0x88a8, 200); /* QinQ */
		expect(&packet, XMC_VLAN);
		packet_add_tag(&packet, 0x8100, 0); /* a third one */
		expect(&packet, XMC_VLAN);
		build6(&packet, 10);
		packet_add_tag(&packet, tpids[i], 100);
		expect(&packet, XMC_VLAN);
		packet_resize(&packet, PACKET_ETH_HEADER);
		expect(&packet, XMC_VLAN);
	}
}

/* A tag without a VLAN carries a priority: the packet is untagged. */
static void test_priority_tag(void **state)
{
	struct packet packet;

	begin();
	for (unsigned int control = 0; control < 0x10000; control += 0x1000) {
		build4(&packet, 10);
		packet_add_tag(&packet, 0x8100, control);
		expect(&packet, XMC_STEERED);
		packet_add_tag(&packet, 0x88a8, control);
		expect(&packet, XMC_STEERED);
		packet_add_tag(&packet, 0x8100, control);
		expect(&packet, XMC_VLAN);
		build6(&packet, 10);
		packet_add_tag(&packet, 0x8100, control);
		expect(&packet, XMC_STEERED);
		packet_set16(&packet, ETH_TYPE + 4, 0x0806);
		expect(&packet, XMC_NOT_IP);
		build4(&packet, 10);
		packet_add_tag(&packet, 0x8100, control | 1);
		expect(&packet, XMC_VLAN);
	}
}

/* A rule takes the packets with its tags: not those with others, with none, or with more. */
static void test_tagged_rules(void **state)
{
	struct xmc_rule_key single = packet_flow(NULL, GROUP4, PORT), nested = single,
			    service = single;
	struct packet packet;

	begin();
	single.tags = 0x1064;
	service.tags = 0x2064;
	nested.tags = 0x20c81064;
	remove_rule(NULL, GROUP4, PORT);
	assert_int_equal(steer_env_add_rule(env, &single, 0), 0);
	build4(&packet, 10);
	expect(&packet, XMC_NO_RULE);
	packet_add_tag(&packet, 0x8100, 0xe064);
	expect(&packet, XMC_STEERED);
	packet_add_tag(&packet, 0x88a8, 200);
	expect(&packet, XMC_VLAN);
	assert_int_equal(steer_env_add_rule(env, &nested, 0), 0);
	expect(&packet, XMC_STEERED);
	packet_set16(&packet, ETH_TYPE, 0x8100);
	expect(&packet, XMC_VLAN);
	packet_set16(&packet, ETH_TYPE + 2, 0xe000); /* the outer tag is a priority */
	expect(&packet, XMC_STEERED);
	build4(&packet, 10);
	packet_add_tag(&packet, 0x88a8, 100);
	expect(&packet, XMC_VLAN);
	assert_int_equal(steer_env_add_rule(env, &service, 0), 0);
	expect(&packet, XMC_STEERED);
	for (unsigned int id = 1; id < 4096; id++) {
		packet_set16(&packet, ETH_TYPE + 2, id);
		expect(&packet, id == 100 ? XMC_STEERED : XMC_VLAN);
	}
	/* Every truncation of a packet whose rule names its tags. */
	packet_set16(&packet, ETH_TYPE + 2, 100);
	for (packet.length--; packet.length >= PACKET_ETH_HEADER; packet.length--)
		expect(&packet, XMC_VLAN);
}

static void test_not_udp(void **state)
{
	struct packet packet;

	begin();
	for (unsigned int protocol = 0; protocol < 256; protocol++) {
		enum xmc_reason reason = protocol == 17 ? XMC_STEERED : XMC_NOT_UDP;

		build4(&packet, 10);
		packet_set8(&packet, IPV4_PROTOCOL, protocol);
		packet_fix_ipv4_checksum(&packet);
		expect(&packet, reason);

		build6(&packet, 10);
		packet_set8(&packet, IPV6_NEXT_HEADER, protocol);
		if (protocol == 44)
			reason = XMC_FRAGMENT;
		else if (protocol == 0 || protocol == 43 || protocol == 60)
			reason = XMC_IP_OPTIONS;
		expect(&packet, reason);
	}
	/* IP without a payload. */
	build4(&packet, 0);
	packet_resize(&packet, PACKET_ETH_HEADER + PACKET_IPV4_HEADER);
	packet_set8(&packet, IPV4_PROTOCOL, 6);
	packet_set_ipv4_total(&packet, PACKET_IPV4_HEADER);
	expect(&packet, XMC_NOT_UDP);
}

/* Fragments, options and extension headers. */

static void test_ipv4_fragments(void **state)
{
	static const struct {
		uint16_t field;
		enum xmc_reason reason;
	} cases[] = {
		{0, XMC_STEERED},
		{IPV4_DONT_FRAGMENT, XMC_STEERED},
		{IPV4_RESERVED_FLAG, XMC_STEERED},
		{IPV4_MORE_FRAGMENTS, XMC_FRAGMENT},			  /* first */
		{IPV4_MORE_FRAGMENTS | IPV4_DONT_FRAGMENT, XMC_FRAGMENT}, /* contradictory */
		{IPV4_MORE_FRAGMENTS | 185, XMC_FRAGMENT},		  /* middle */
		{370, XMC_FRAGMENT},					  /* last */
		{1, XMC_FRAGMENT},
		{0x100, XMC_FRAGMENT},
		{0x1000, XMC_FRAGMENT},
		{0x1fff, XMC_FRAGMENT},
		{IPV4_DONT_FRAGMENT | 1, XMC_FRAGMENT},
	};
	struct packet packet;

	begin();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		build4(&packet, 64);
		packet_set16(&packet, IPV4_FRAGMENT, cases[i].field);
		packet_fix_ipv4_checksum(&packet);
		expect(&packet, cases[i].reason);
	}
	/* A last fragment has no UDP header: a few bytes of payload are enough. */
	build4(&packet, 0);
	packet_resize(&packet, IPV4_PAYLOAD - 7);
	packet_set16(&packet, IPV4_FRAGMENT, 370);
	packet_set_ipv4_total(&packet, PACKET_IPV4_HEADER + 1);
	expect(&packet, XMC_FRAGMENT);
}

static void test_ipv6_fragments(void **state)
{
	/* First, middle, last, and the atomic one of RFC 6946: offset in the upper 13 bits, M
	 * lowest */
	static const uint16_t fields[] = {0x0001, 0x05a9, 0x0b50, 0x0000};
	struct packet packet;

	begin();
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		build6(&packet, 64);
		packet_add_ipv6_extension(&packet, 44, 0);
		packet_set16(&packet, IP_START + PACKET_IPV6_HEADER + 2, fields[i]);
		expect(&packet, XMC_FRAGMENT);
		packet_add_ipv6_extension(&packet, 0, 0);
		expect(&packet, XMC_IP_OPTIONS);
	}
}

static void test_ipv4_options(void **state)
{
	struct packet packet;

	begin();
	for (unsigned int words = 1; words <= 10; words++) {
		build4(&packet, 10);
		packet_add_ipv4_options(&packet, words);
		expect(&packet, XMC_IP_OPTIONS);
	}
	packet_set8(&packet, IPV4_PROTOCOL, 6);
	packet_fix_ipv4_checksum(&packet);
	expect(&packet, XMC_NOT_UDP);
}

static void test_ipv6_extensions(void **state)
{
	static const uint8_t kinds[] = {0, 43, 60};
	struct packet packet;

	begin();
	for (size_t i = 0; i < sizeof(kinds); i++) {
		build6(&packet, 10);
		packet_add_ipv6_extension(&packet, kinds[i], 0);
		expect(&packet, XMC_IP_OPTIONS);
		packet_add_ipv6_extension(&packet, kinds[i], 3);
		expect(&packet, XMC_IP_OPTIONS);
		packet_resize(&packet, IP_START + PACKET_IPV6_HEADER); /* the header cut off */
		expect(&packet, XMC_MALFORMED);
		packet_set16(&packet, IPV6_PAYLOAD_LENGTH, 0);
		expect(&packet, XMC_IP_OPTIONS);
	}
	/* A jumbogram (RFC 2675): length 0, its real one in a hop-by-hop option. */
	build6(&packet, 64);
	packet_add_ipv6_extension(&packet, 0, 0);
	packet_set16(&packet, IP_START + PACKET_IPV6_HEADER + 2, 0xc204);
	packet_set16(&packet, IPV6_PAYLOAD_LENGTH, 0);
	expect(&packet, XMC_IP_OPTIONS);
}

/* Malformed packets. */

static void test_every_ihl(void **state)
{
	struct packet packet;

	begin();
	for (unsigned int ihl = 0; ihl < 16; ihl++) {
		build4(&packet, 64);
		packet_set8(&packet, IPV4_VERSION_IHL, 0x40 | ihl);
		packet_fix_ipv4_checksum(&packet);
		if (ihl < 5)
			expect(&packet, XMC_MALFORMED);
		else
			expect(&packet, ihl == 5 ? XMC_STEERED : XMC_IP_OPTIONS);

		/* The same in a packet with room for only 28 bytes of header. */
		build4(&packet, 0);
		packet_set8(&packet, IPV4_VERSION_IHL, 0x40 | ihl);
		packet_fix_ipv4_checksum(&packet);
		if (ihl < 5 || ihl > 7)
			expect(&packet, XMC_MALFORMED);
		else
			expect(&packet, ihl == 5 ? XMC_STEERED : XMC_IP_OPTIONS);
	}
}

static void test_every_version(void **state)
{
	struct packet packet;

	begin();
	for (unsigned int version = 0; version < 16; version++) {
		build4(&packet, 64);
		packet_set8(&packet, IPV4_VERSION_IHL, version << 4 | 5);
		packet_fix_ipv4_checksum(&packet);
		expect(&packet, version == 4 ? XMC_STEERED : XMC_MALFORMED);

		build6(&packet, 64);
		packet_set8(&packet, IPV6_VERSION, version << 4 | 0xb); /* and a traffic class */
		expect(&packet, version == 6 ? XMC_STEERED : XMC_MALFORMED);
	}
}

static void test_ipv4_total_length(void **state)
{
	const unsigned int padding = 8;
	const unsigned int real = PACKET_IPV4_HEADER + PACKET_UDP_HEADER + 10;
	struct packet packet;

	begin();
	for (unsigned int total = 0; total < 65536; total += total < 64 ? 1 : 997) {
		build4(&packet, 10);
		packet_set_ipv4_total(&packet, total);
		expect(&packet, total == real ? XMC_STEERED : XMC_MALFORMED);

		/* The frame may be longer than the packet. */
		packet_resize(&packet, packet.length + padding);
		expect(&packet,
		       total >= real && total <= real + padding ? XMC_STEERED : XMC_MALFORMED);
	}
	build4(&packet, 10);
	packet_set_ipv4_total(&packet, 65535);
	expect(&packet, XMC_MALFORMED);
}

static void test_ipv6_payload_length(void **state)
{
	const unsigned int padding = 8;
	const unsigned int real = PACKET_UDP_HEADER + 10;
	struct packet packet;

	begin();
	for (unsigned int length = 0; length < 65536; length += length < 64 ? 1 : 997) {
		build6(&packet, 10);
		packet_set16(&packet, IPV6_PAYLOAD_LENGTH, length);
		expect(&packet, length == real ? XMC_STEERED : XMC_MALFORMED);

		packet_resize(&packet, packet.length + padding);
		expect(&packet,
		       length >= real && length <= real + padding ? XMC_STEERED : XMC_MALFORMED);
	}
}

static void test_udp_length(void **state)
{
	const unsigned int real = PACKET_UDP_HEADER + 10;
	struct packet packet;

	begin();
	for (unsigned int length = 0; length < 65536; length += length < 64 ? 1 : 997) {
		/* UDP may be shorter than the IP payload but not longer, whatever the frame holds.
		 */
		enum xmc_reason reason =
			length >= PACKET_UDP_HEADER && length <= real ? XMC_STEERED : XMC_MALFORMED;

		build4(&packet, 10);
		packet_set16(&packet, IPV4_UDP_LENGTH, length);
		expect(&packet, reason);
		packet_resize(&packet, packet.length + 18);
		expect(&packet, reason);

		build6(&packet, 10);
		packet_set16(&packet, IPV6_UDP_LENGTH, length);
		expect(&packet, reason);
		packet_resize(&packet, packet.length + 18);
		expect(&packet, reason);
	}
}

static void test_ipv4_checksum(void **state)
{
	struct packet packet;
	uint16_t right;

	begin();
	build4(&packet, 10);
	right = packet_get16(&packet, IPV4_CHECKSUM);
	for (unsigned int delta = 1; delta < 65535; delta += 251) {
		packet_set16(&packet, IPV4_CHECKSUM, right + delta);
		/* Zero has two forms in one's complement; they differ by 65535. */
		expect(&packet, XMC_MALFORMED);
	}
	/* One flipped bit in a field that nothing else checks. */
	for (size_t bit = 0; bit < PACKET_IPV4_HEADER * 8; bit++) {
		size_t offset = IP_START + bit / 8;

		if (offset == IPV4_VERSION_IHL || offset == IPV4_PROTOCOL)
			continue;
		build4(&packet, 10);
		packet.bytes[offset] ^= 1 << bit % 8;
		expect(&packet, XMC_MALFORMED);
	}
}

/* RFC 1071: both forms of zero are valid. */
static void test_ipv4_checksum_zero(void **state)
{
	const size_t id = IPV4_FRAGMENT - 2;
	struct packet packet;

	begin();
	build4(&packet, 10);
	packet_set16(&packet, id, packet_get16(&packet, IPV4_CHECKSUM)); /* id was 0 */
	packet_fix_ipv4_checksum(&packet);
	assert_int_equal(packet_get16(&packet, IPV4_CHECKSUM), 0);
	expect(&packet, XMC_STEERED);
	packet_set16(&packet, IPV4_CHECKSUM, 0xffff);
	expect(&packet, XMC_STEERED);
	packet_set16(&packet, IPV4_CHECKSUM, 1);
	expect(&packet, XMC_MALFORMED);
}

static void test_ethernet_padding(void **state)
{
	struct packet packet;

	begin();
	for (size_t payload = 0; payload <= MIN_FRAME - IPV4_PAYLOAD; payload++) {
		build4(&packet, payload);
		packet_resize(&packet, MIN_FRAME);
		expect(&packet, XMC_STEERED);
		memset(packet.bytes + IPV4_PAYLOAD + payload, 0xff,
		       MIN_FRAME - IPV4_PAYLOAD - payload);
		expect(&packet, XMC_STEERED);
	}
	build6(&packet, 0);
	packet_resize(&packet, packet.length + 4); /* a frame check sequence that was not removed */
	expect(&packet, XMC_STEERED);
}

static void check_truncations(const struct packet *whole)
{
	struct packet packet = *whole;

	for (size_t length = PACKET_ETH_HEADER; length <= whole->length; length++) {
		packet.length = length;
		expect(&packet, length == whole->length ? XMC_STEERED : XMC_MALFORMED);
	}
}

static void test_every_truncation(void **state)
{
	struct packet packet;

	begin();
	build4(&packet, 0);
	check_truncations(&packet);
	build4(&packet, 100);
	check_truncations(&packet);
	build6(&packet, 0);
	check_truncations(&packet);
	build6(&packet, 100);
	check_truncations(&packet);
}

/* Truncated with a matching IP length: only the UDP length shows it. */
static void test_every_consistent_truncation(void **state)
{
	struct packet whole4, whole6, packet;

	begin();
	build4(&whole4, 30);
	for (size_t length = IP_START + PACKET_IPV4_HEADER; length <= whole4.length; length++) {
		packet = whole4;
		packet.length = length;
		packet_set_ipv4_total(&packet, length - IP_START);
		expect(&packet, length == whole4.length ? XMC_STEERED : XMC_MALFORMED);
	}
	build6(&whole6, 30);
	for (size_t length = IP_START + PACKET_IPV6_HEADER; length <= whole6.length; length++) {
		packet = whole6;
		packet.length = length;
		packet_set16(&packet, IPV6_PAYLOAD_LENGTH, length - IP_START - PACKET_IPV6_HEADER);
		expect(&packet, length == whole6.length ? XMC_STEERED : XMC_MALFORMED);
	}
}

/* Shorter than an Ethernet header: most kernels do not run the program at all. */
static void test_runts(void **state)
{
	struct packet packet;
	struct steer_result result;
	int err;

	begin();
	build4(&packet, 0);
	for (size_t length = 0; length < PACKET_ETH_HEADER; length++) {
		packet.length = length;
		err = steer_env_run(env, &packet, &result);
		if (err == -EINVAL)
			continue;
		expect(&packet, XMC_MALFORMED);
	}
}

/* An IPv6 packet with the addresses of an IPv4 rule. */
static void test_mapped_addresses(void **state)
{
	struct xmc_rule_key flow4 = packet_flow(SOURCE4, GROUP4, PORT);
	struct packet packet;

	begin();
	add_rule(SOURCE4, GROUP4, PORT);
	build6(&packet, 10);
	memcpy(packet.bytes + IPV6_SOURCE, flow4.source.b, 16);
	expect(&packet, XMC_MALFORMED);
	memcpy(packet.bytes + IPV6_DESTINATION, flow4.group.b, 16);
	expect(&packet, XMC_MALFORMED);
	build6(&packet, 10);
	memcpy(packet.bytes + IPV6_DESTINATION, flow4.group.b, 16);
	expect(&packet, XMC_MALFORMED);

	/* IPv4-compatible and all-zero addresses are plain IPv6. */
	packet_build_text(&packet, "::10.9.9.9", GROUP6, PORT, 10);
	expect(&packet, XMC_STEERED);
	packet_build_text(&packet, "::", GROUP6, PORT, 10);
	expect(&packet, XMC_STEERED);
	packet_build_text(&packet, SOURCE6, "::239.1.1.1", PORT, 10);
	expect(&packet, XMC_NO_RULE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_priority_tag),
		cmocka_unit_test(test_tagged_rules),
		cmocka_unit_test(test_not_udp),
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_ipv4_options),
		cmocka_unit_test(test_ipv6_extensions),
		cmocka_unit_test(test_every_ihl),
		cmocka_unit_test(test_every_version),
		cmocka_unit_test(test_ipv4_total_length),
		cmocka_unit_test(test_ipv6_payload_length),
		cmocka_unit_test(test_udp_length),
		cmocka_unit_test(test_ipv4_checksum),
		cmocka_unit_test(test_ipv4_checksum_zero),
		cmocka_unit_test(test_ethernet_padding),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_consistent_truncation),
		cmocka_unit_test(test_runts),
		cmocka_unit_test(test_mapped_addresses),
	};

	return steer_env_exit_code(cmocka_run_group_tests_name(
		"steer_packets", tests, steer_env_setup, steer_env_teardown));
}
