// SPDX-License-Identifier: BSD-2-Clause
/* The rules of the steering program: which packets they take, and how many shapes fit. */
#include <arpa/inet.h>
#include <errno.h>

#include "steer_case.h"

static void test_steered(void **state)
{
	static const size_t payloads[] = {0, 1, 17, 18, 19, 64, 1400, 1472};
	struct packet packet;

	begin();
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		build4(&packet, payloads[i]);
		expect(&packet, XMC_STEERED);
		build6(&packet, payloads[i]);
		expect(&packet, XMC_STEERED);
	}
}

static void test_no_rule(void **state)
{
	struct packet packet;

	begin();
	packet_build_text(&packet, SOURCE4, "239.1.1.2", PORT, 10);
	expect(&packet, XMC_NO_RULE);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	expect(&packet, XMC_NO_RULE);
	packet_build_text(&packet, SOURCE4, GROUP4, htons(PORT), 10);
	expect(&packet, XMC_NO_RULE);
	packet_build_text(&packet, GROUP4, SOURCE4, PORT, 10);
	expect(&packet, XMC_NO_RULE);
	packet_build_text(&packet, SOURCE6, "ff3e::2", PORT, 10);
	expect(&packet, XMC_NO_RULE);
	packet_build_text(&packet, SOURCE6, GROUP6, PORT + 1, 10);
	expect(&packet, XMC_NO_RULE);

	/* A rule's port is the destination port, not the source port. */
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	packet_set16(&packet, IPV4_UDP_PORT - 2, PORT);
	expect(&packet, XMC_NO_RULE);

	steer_env_remove_rules(env);
	build4(&packet, 10);
	expect(&packet, XMC_NO_RULE);
	build6(&packet, 10);
	expect(&packet, XMC_NO_RULE);
}

static void check_source_rule(const char *source, const char *other, const char *group)
{
	struct packet mine, others;

	packet_build_text(&mine, source, group, PORT, 10);
	packet_build_text(&others, other, group, PORT, 10);

	steer_env_remove_rules(env);
	add_rule(source, group, PORT);
	expect(&mine, XMC_STEERED);
	expect(&others, XMC_NO_RULE);

	add_rule(NULL, group, PORT); /* (S,G) and (*,G) */
	expect(&mine, XMC_STEERED);
	expect(&others, XMC_STEERED);

	remove_rule(source, group, PORT);
	expect(&mine, XMC_STEERED);
	expect(&others, XMC_STEERED);

	remove_rule(NULL, group, PORT);
	expect(&mine, XMC_NO_RULE);
	expect(&others, XMC_NO_RULE);
}

static void test_source_rule(void **state)
{
	begin();
	check_source_rule("10.9.9.9", "10.9.9.8", "239.1.1.1");
	check_source_rule("2001:db8::9", "2001:db8::8", "ff3e::1");
	check_source_rule("0.0.0.0", "10.9.9.9", "239.1.1.1");
}

static void test_unicast_destination(void **state)
{
	struct packet packet4, packet6;

	begin();
	packet_build_text(&packet4, SOURCE4, "192.0.2.1", PORT, 10);
	packet_build_text(&packet6, SOURCE6, "2001:db8::1", PORT, 10);
	expect(&packet4, XMC_NO_RULE);
	expect(&packet6, XMC_NO_RULE);
	add_rule(NULL, "192.0.2.1", PORT);
	add_rule(NULL, "2001:db8::1", PORT);
	expect(&packet4, XMC_STEERED);
	expect(&packet6, XMC_STEERED);
}

static void test_no_socket(void **state)
{
	struct packet packet;

	begin();
	build4(&packet, 10);
	assert_int_equal(steer_env_remove_socket(env, 0), 0);
	expect(&packet, XMC_NO_SOCKET);
	assert_int_equal(steer_env_add_socket(env, 1), 0); /* of another queue */
	expect(&packet, XMC_NO_SOCKET);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	expect(&packet, XMC_NO_RULE);
	assert_int_equal(steer_env_remove_socket(env, 1), 0);
	assert_int_equal(steer_env_add_socket(env, 0), 0);
	build4(&packet, 10);
	expect(&packet, XMC_STEERED);
}

/* A packet that does not fit the sockets goes to the stack, if it matches a rule. */
static void test_capacity(void **state)
{
	struct packet packet;

	begin();
	build4(&packet, 1000); /* 1042 bytes */
	assert_int_equal(steer_env_set_capacity(env, 1042), 0);
	expect(&packet, XMC_STEERED);
	assert_int_equal(steer_env_set_capacity(env, 1041), 0);
	expect(&packet, XMC_TOO_LARGE);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 1000);
	expect(&packet, XMC_NO_RULE);
	build6(&packet, 979);
	expect(&packet, XMC_STEERED);
	packet_add_tag(&packet, 0x8100, 0); /* counts as well */
	expect(&packet, XMC_TOO_LARGE);
	assert_int_equal(steer_env_set_capacity(env, 0), 0);
	expect(&packet, XMC_STEERED);
}

/* On the members of a bond each has slots of its own. */
static void test_members(void **state)
{
	struct packet packet;

	begin();
	build4(&packet, 10);
	assert_int_equal(steer_env_set_member(env, true, 0), 0);
	expect(&packet, XMC_STEERED);
	assert_int_equal(steer_env_set_member(env, true, XMC_MAX_QUEUES), 0);
	expect(&packet, XMC_NO_SOCKET);
	assert_int_equal(steer_env_add_socket(env, XMC_MAX_QUEUES), 0);
	expect(&packet, XMC_STEERED);
	assert_int_equal(steer_env_remove_socket(env, XMC_MAX_QUEUES), 0);
	/* It is no member, or the bond does not use it. */
	assert_int_equal(steer_env_set_member(env, true, XMC_SOCKET_SLOTS), 0);
	expect(&packet, XMC_NO_SOCKET);
	assert_int_equal(steer_env_set_member(env, true, XMC_INACTIVE_SLOT), 0);
	expect(&packet, XMC_INACTIVE_MEMBER);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	expect(&packet, XMC_NO_RULE);
	assert_int_equal(steer_env_set_member(env, false, 0), 0);
	build4(&packet, 10);
	expect(&packet, XMC_STEERED);
}

/* The key of a rule for a source prefix. */
static struct xmc_rule_key prefix_key(const char *source, uint8_t host_bits, const char *group)
{
	struct xmc_rule_key key = packet_flow(source, group, PORT);

	key.host_bits = host_bits;
	return key;
}

/* A prefix takes its sources from the first to the last, and no others. */
static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix, *group;
		uint8_t host_bits;
		const char *inside[2], *outside[2];
	} cases[] = {
		{"10.9.0.0",
		 GROUP4,
		 16,
		 {"10.9.0.0", "10.9.255.255"},
		 {"10.8.255.255", "10.10.0.0"}},
		{"10.9.9.8", GROUP4, 1, {"10.9.9.8", "10.9.9.9"}, {"10.9.9.7", "10.9.9.10"}},
		{"128.0.0.0",
		 GROUP4,
		 31,
		 {"128.0.0.0", "223.255.255.255"},
		 {"127.255.255.255", "1.1.1.1"}},
		{"2001:db8::",
		 GROUP6,
		 96,
		 {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
		 {"2001:db7:ffff::", "2001:db9::"}},
		{"2001:db8::8",
		 GROUP6,
		 1,
		 {"2001:db8::8", "2001:db8::9"},
		 {"2001:db8::7", "2001:db8::a"}},
		{"2000::", GROUP6, 125, {"2000::", "3fff::1"}, {"4000::", "1fff::"}},
	};

	begin();
	remove_rule(NULL, GROUP4, PORT);
	remove_rule(NULL, GROUP6, PORT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xmc_rule_key key =
			prefix_key(cases[i].prefix, cases[i].host_bits, cases[i].group);
		struct packet packet;

		assert_int_equal(steer_env_add_rule(env, &key, 0), 0);
		for (int side = 0; side < 2; side++) {
			packet_build_text(&packet, cases[i].inside[side], cases[i].group, PORT, 9);
			expect(&packet, XMC_STEERED);
			packet_build_text(&packet, cases[i].outside[side], cases[i].group, PORT, 9);
			expect(&packet, XMC_NO_RULE);
		}
		assert_int_equal(steer_env_remove_rule(env, &key), 0);
		packet_build_text(&packet, cases[i].inside[0], cases[i].group, PORT, 9);
		expect(&packet, XMC_NO_RULE);
	}
}

/* A rule for any port takes every port of its group except 0, with and without a rule for one port.
 */
static void test_any_port(void **state)
{
	static const uint16_t ports[] = {1, PORT, PORT + 1, 0xff00, 0x00ff, 65535};
	static const struct {
		const char *source, *group, *prefix;
		uint8_t host_bits;
	} cases[] = {
		{"10.9.9.9", GROUP4, "10.9.0.0", 16},
		{"2001:db8::9", GROUP6, "2001:db8::", 96},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xmc_rule_key any = packet_flow(NULL, cases[i].group, 0);
		struct xmc_rule_key net =
			prefix_key(cases[i].prefix, cases[i].host_bits, cases[i].group);
		struct packet packet;

		begin();
		net.port = 0;
		for (int round = 0; round < 3; round++) {
			struct xmc_rule_key *key = round < 2 ? &any : &net;

			if (round == 1) /* the rule with a port, from begin() */
				remove_rule(NULL, cases[i].group, PORT);
			assert_int_equal(steer_env_add_rule(env, key, 0), 0);
			for (size_t j = 0; j < sizeof(ports) / sizeof(ports[0]); j++) {
				packet_build_text(&packet, cases[i].source, cases[i].group,
						  ports[j], 9);
				expect(&packet, XMC_STEERED);
			}
			packet_build_text(&packet, cases[i].source, cases[i].group, 0, 9);
			expect(&packet, XMC_NO_RULE);
			assert_int_equal(steer_env_remove_rule(env, key), 0);
			packet_build_text(&packet, cases[i].source, cases[i].group, PORT, 9);
			expect(&packet, round ? XMC_NO_RULE : XMC_STEERED);
			packet_build_text(&packet, cases[i].source, cases[i].group, 1, 9);
			expect(&packet, XMC_NO_RULE);
		}
	}
}

/* Rules with a port and for any port have different shapes. */
static void test_shapes_of_ports(void **state)
{
	struct xmc_rule_key any = packet_flow(NULL, GROUP4, 0), other = any;

	begin();
	other.group.b[15]++;
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
	assert_int_equal(steer_env_add_rule(env, &any, 0), 0);
	assert_int_equal(steer_env_add_rule(env, &other, 0), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 2);
	assert_int_equal(steer_env_add_rule(env, &any, 0), -EEXIST);
	assert_int_equal(steer_env_remove_rule(env, &any), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 2);
	assert_int_equal(steer_env_remove_rule(env, &other), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
}

/* With all slots in use every shape is found, one more is refused, and removing one makes room. */
static void test_shapes(void **state)
{
	struct xmc_rule_key key, more = prefix_key("2000::", 125, GROUP6);
	struct packet packet;

	begin();
	/* In addition to the shape for any source, from begin(). */
	for (uint8_t bits = 0; bits < XMC_SHAPE_SLOTS - 1; bits++) {
		key = prefix_key("2001:db8:1::", bits, "ff3e::9");
		assert_int_equal(steer_env_add_rule(env, &key, 0), 0);
		packet_build_text(&packet, "2001:db8:1::", "ff3e::9", PORT, 9);
		expect(&packet, XMC_STEERED);
		if (bits) {
			key = prefix_key("2001:db8:1::", bits - 1, "ff3e::9");
			assert_int_equal(steer_env_remove_rule(env, &key), 0);
			assert_int_equal(steer_env_add_rule(env, &key, 0), 0);
		}
	}
	assert_int_equal(steer_env_shapes(env, XMC_IPV6, XMC_SHAPE_USED), XMC_SHAPE_SLOTS);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
	assert_int_equal(steer_env_add_rule(env, &more, 0), -ENOSPC);
	build6(&packet, 9);
	expect(&packet, XMC_STEERED);
	key = prefix_key("2001:db8:1::", 7, "ff3e::9");
	assert_int_equal(steer_env_remove_rule(env, &key), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV6, XMC_SHAPE_FREE), 1);
	assert_int_equal(steer_env_add_rule(env, &more, 0), 0);
	packet_build_text(&packet, "3fff::1", GROUP6, PORT, 9);
	expect(&packet, XMC_STEERED);
	steer_env_remove_rules(env);
	for (enum xmc_family family = XMC_IPV4; family < XMC_FAMILIES; family++)
		assert_int_equal(steer_env_shapes(env, family, XMC_SHAPE_END), XMC_SHAPE_SLOTS);
	expect(&packet, XMC_NO_RULE);
}

/* Of several rules that take a packet the most specific is found, in whatever order they were
 * added. */
static void check_most_specific(const char *source, const char *group, const char *prefix,
				uint8_t host_bits)
{
	/* from the most specific to the least */
	struct xmc_rule_key keys[] = {
		packet_flow(source, group, PORT),     prefix_key(prefix, host_bits, group),
		packet_flow(NULL, group, PORT),	      packet_flow(source, group, 0),
		prefix_key(prefix, host_bits, group), packet_flow(NULL, group, 0),
	};
	const unsigned int count = sizeof(keys) / sizeof(keys[0]);
	struct packet packet;
	uint32_t number;

	keys[4].port = 0;
	packet_build_text(&packet, source, group, PORT, 9);
	for (unsigned int order = 0; order < 2 * count; order++) {
		for (unsigned int i = 0; i < count; i++) {
			unsigned int n = (order + i) % count;

			if (order >= count)
				n = count - 1 - n;
			assert_int_equal(steer_env_add_rule(env, &keys[n], n), 0);
		}
		for (unsigned int n = 0; n < count; n++) {
			assert_int_equal(steer_env_find(env, &packet, &number), 1);
			assert_int_equal(number, n);
			expect(&packet, XMC_STEERED);
			assert_int_equal(steer_env_remove_rule(env, &keys[n]), 0);
		}
		assert_int_equal(steer_env_find(env, &packet, &number), 0);
		expect(&packet, XMC_NO_RULE);
	}
}

static void test_most_specific(void **state)
{
	begin();
	steer_env_remove_rules(env);
	check_most_specific("10.9.9.9", GROUP4, "10.9.0.0", 16);
	check_most_specific("2001:db8::9", GROUP6, "2001:db8::", 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steered),	    cmocka_unit_test(test_no_rule),
		cmocka_unit_test(test_source_rule), cmocka_unit_test(test_unicast_destination),
		cmocka_unit_test(test_no_socket),   cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_members),	    cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_any_port),    cmocka_unit_test(test_shapes_of_ports),
		cmocka_unit_test(test_shapes),	    cmocka_unit_test(test_most_specific),
	};

	return steer_env_exit_code(
		cmocka_run_group_tests_name("steer", tests, steer_env_setup, steer_env_teardown));
}
