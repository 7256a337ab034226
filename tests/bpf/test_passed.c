// SPDX-License-Identifier: BSD-2-Clause
/* What the steering program notes about packets that no rule takes (bpf/passed.h). */
#include <arpa/inet.h>

#include <xmcast/packet.h>

#include "steer_case.h"

#define IGMP 2
#define TCP  6

/* The only note that this packet leaves. */
static struct xmc_passed only_note(const struct packet *packet)
{
	struct steer_result result;
	struct xmc_passed notes[2];

	assert_int_equal(steer_env_run(env, packet, &result), 0);
	assert_int_equal(steer_env_passed(env, notes, 2), 1);
	return notes[0];
}

static void expect_note(const struct packet *packet, enum xmc_reason reason, uint16_t port,
			uint8_t protocol, uint32_t tags)
{
	struct xmc_passed note = only_note(packet);

	assert_int_equal(note.reason, reason);
	assert_int_equal(ntohs(note.port), port);
	assert_int_equal(note.protocol, protocol);
	assert_int_equal(note.tags, tags);
	assert_int_equal(note.packets, 1);
	assert_int_equal(note.group, packet->bytes[0] & 1);
	assert_true(note.last_ns > 0);
}

static void expect_nothing(const struct packet *packet)
{
	struct steer_result result;
	struct xmc_passed note;

	assert_int_equal(steer_env_run(env, packet, &result), 0);
	assert_int_equal(steer_env_passed(env, &note, 1), 0);
}

static void start(void)
{
	struct xmc_passed note;

	begin();
	steer_env_passed(env, &note, 1);
}

static void test_no_rule(void **state)
{
	struct packet packet;
	struct xmc_passed note;

	start();
	build4(&packet, 10);
	expect_nothing(&packet);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	expect_note(&packet, XMC_NO_RULE, PORT + 1, 0, 0);
	note = only_note(&packet);
	assert_memory_equal(&note.source.b[12], packet.bytes + IPV4_SOURCE, 4);
	assert_memory_equal(&note.destination.b[12], packet.bytes + IPV4_DESTINATION, 4);
	packet_build_text(&packet, SOURCE6, GROUP6, PORT + 1, 10);
	expect_note(&packet, XMC_NO_RULE, PORT + 1, 0, 0);
}

static void test_tags(void **state)
{
	struct packet packet;

	start();
	build4(&packet, 10);
	packet_add_tag(&packet, 0x8100, 7);
	expect_note(&packet, XMC_VLAN, PORT, 0, XMC_TAG_8021Q | 7);
	packet_add_tag(&packet, 0x88a8, 9);
	expect_note(&packet, XMC_VLAN, PORT, 0, (XMC_TAG_8021AD | 9) << 16 | XMC_TAG_8021Q | 7);
}

/* The first fragment has the port. */
static void test_fragments(void **state)
{
	struct packet packet;

	start();
	build4(&packet, 64);
	packet_set16(&packet, IPV4_FRAGMENT, IPV4_MORE_FRAGMENTS);
	packet_fix_ipv4_checksum(&packet);
	expect_note(&packet, XMC_FRAGMENT, PORT, 0, 0);
	packet_set16(&packet, IPV4_FRAGMENT, IPV4_MORE_FRAGMENTS | 9);
	packet_fix_ipv4_checksum(&packet);
	expect_note(&packet, XMC_FRAGMENT, 0, 0, 0);
	build6(&packet, 64);
	packet_add_ipv6_extension(&packet, XMC_PROTO_FRAGMENT, 0);
	expect_note(&packet, XMC_FRAGMENT, PORT, 0, 0);
	packet_set16(&packet, IP_START + PACKET_IPV6_HEADER + 2, 9 << 3);
	expect_note(&packet, XMC_FRAGMENT, 0, 0, 0);
}

static void test_options(void **state)
{
	struct packet packet;

	start();
	build4(&packet, 10);
	packet_add_ipv4_options(&packet, 1);
	expect_note(&packet, XMC_IP_OPTIONS, 0, 0, 0);
	build6(&packet, 10);
	packet_add_ipv6_extension(&packet, XMC_PROTO_HOP_BY_HOP, 0);
	expect_note(&packet, XMC_IP_OPTIONS, 0, 0, 0);
}

/* Queries of multicast routers have an option; TCP has not, and would fill all places. */
static void test_other_protocols(void **state)
{
	struct packet packet;

	start();
	packet_build_text(&packet, SOURCE4, "224.0.0.1", PORT, 10);
	packet_set8(&packet, IPV4_PROTOCOL, IGMP);
	packet_add_ipv4_options(&packet, 1);
	expect_note(&packet, XMC_NOT_UDP, 0, IGMP, 0);
	build4(&packet, 64);
	packet_set8(&packet, IPV4_PROTOCOL, TCP);
	packet_fix_ipv4_checksum(&packet);
	expect_nothing(&packet);
	packet_set16(&packet, ETH_TYPE, 0x0806);
	expect_nothing(&packet);
}

/* More kinds of packets than there are places: those to a group are noted in any case. */
static void test_full(void **state)
{
	static struct xmc_passed notes[XMC_PASSED_NOTES];
	struct steer_result result;
	struct packet packet;
	int count, groups = 0;

	start();
	for (unsigned int i = 0; i < 2 * XMC_PASSED_NOTES; i++) {
		packet_build_text(&packet, SOURCE4, "10.1.1.1", (uint16_t)(1000 + i), 10);
		packet_set8(&packet, 0, 2);
		assert_int_equal(steer_env_run(env, &packet, &result), 0);
	}
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	packet_set8(&packet, 0, 1);
	assert_int_equal(steer_env_run(env, &packet, &result), 0);
	count = steer_env_passed(env, notes, XMC_PASSED_NOTES);
	assert_in_range(count, XMC_PASSED_NOTES / 2, XMC_PASSED_NOTES);
	for (int i = 0; i < count; i++)
		groups += notes[i].group;
	assert_int_equal(groups, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rule),		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_fragments),	cmocka_unit_test(test_options),
		cmocka_unit_test(test_other_protocols), cmocka_unit_test(test_full),
	};

	return steer_env_exit_code(
		cmocka_run_group_tests_name("passed", tests, steer_env_setup, steer_env_teardown));
}
