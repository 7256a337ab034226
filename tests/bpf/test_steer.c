// SPDX-License-Identifier: BSD-2-Clause
/*
 * The steering program, packet by packet: each must get the expected verdict and move the expected
 * counter, that one alone, by one; and come back as it went in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>

#include "require.h"
#include "steer_env.h"

#define SOURCE4	  "10.9.9.9"
#define GROUP4	  "239.1.1.1"
#define SOURCE6	  "2001:db8::9"
#define GROUP6	  "ff3e::1"
#define PORT	  5000

#define MIN_FRAME 60 /* Ethernet's 64 bytes less its checksum: shorter frames are padded */

static struct steer_env *env;
static char lacking[128]; /* why there is no `env` */

static void add_rule(const char *source, const char *group, uint16_t port)
{
	struct xmc_rule_key key = packet_flow(source, group, port);

	assert_int_equal(steer_env_add_rule(env, &key), 0);
}

static void remove_rule(const char *source, const char *group, uint16_t port)
{
	struct xmc_rule_key key = packet_flow(source, group, port);

	assert_int_equal(steer_env_remove_rule(env, &key), 0);
}

/* What every test starts from: a socket on queue 0, and one (*,G) rule of each family. */
static void begin(void)
{
	int err;

	if (!env)
		skip_for(lacking);
	steer_env_remove_rules(env);
	steer_env_remove_socket(env, 1);
	err = steer_env_add_socket(env, 0);
	if (err && steer_env_is_lacking(err))
		skip_for("no AF_XDP sockets (CAP_NET_RAW, CONFIG_XDP_SOCKETS)");
	assert_int_equal(err, 0);
	add_rule(NULL, GROUP4, PORT);
	add_rule(NULL, GROUP6, PORT);
}

static void expect_at(const struct packet *packet, enum xmc_reason reason, int line)
{
	uint32_t action = reason == XMC_STEERED ? XDP_REDIRECT : XDP_PASS;
	struct steer_result result;
	int err;

	err = steer_env_run(env, packet, &result);
	if (!err && result.action == action && result.reason == reason && result.counted == 1 &&
	    result.unchanged)
		return;
	packet_dump(packet);
	if (err)
		fail_msg("line %d: BPF_PROG_TEST_RUN: %s", line, strerror(-err));
	fail_msg("line %d: action %u, not %u; reason %s, not %s; counted %llu; %s", line,
		 result.action, action, steer_reason_name(result.reason), steer_reason_name(reason),
		 (unsigned long long)result.counted, result.unchanged ? "unchanged" : "CHANGED");
}

#define expect(packet, reason) expect_at(packet, reason, __LINE__)

static void build4(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE4, GROUP4, PORT, payload);
}

static void build6(struct packet *packet, size_t payload)
{
	packet_build_text(packet, SOURCE6, GROUP6, PORT, payload);
}

/* Which rule takes a packet. */

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

	/* The rule's port is the destination's, not the source's. */
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
	assert_int_equal(steer_env_add_socket(env, 1), 0); /* another queue's */
	expect(&packet, XMC_NO_SOCKET);
	packet_build_text(&packet, SOURCE4, GROUP4, PORT + 1, 10);
	expect(&packet, XMC_NO_RULE);
	assert_int_equal(steer_env_remove_socket(env, 1), 0);
	assert_int_equal(steer_env_add_socket(env, 0), 0);
	build4(&packet, 10);
	expect(&packet, XMC_STEERED);
}

/* Not for us: other protocols and tags. */

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
	/* The other family's type: the version says that it is not. */
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
		packet_add_tag(&packet, 0x8100, 0); /* a priority tag */
		expect(&packet, XMC_VLAN);
		build6(&packet, 10);
		packet_add_tag(&packet, tpids[i], 100);
		expect(&packet, XMC_VLAN);
		packet_resize(&packet, PACKET_ETH_HEADER);
		expect(&packet, XMC_VLAN);
	}
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
		{IPV4_MORE_FRAGMENTS | IPV4_DONT_FRAGMENT, XMC_FRAGMENT}, /* absurd */
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

/* Lies and damage. */

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

		/* The same, in a packet that has no room for more than 28 bytes of header. */
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

		/* With bytes behind the packet, it may be longer than its datagram. */
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
		/* Shorter than the IP payload is allowed; longer is not, whatever the frame holds.
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
	/* One flipped bit of a field that nothing else checks. */
	for (size_t bit = 0; bit < PACKET_IPV4_HEADER * 8; bit++) {
		size_t offset = IP_START + bit / 8;

		if (offset == IPV4_VERSION_IHL || offset == IPV4_PROTOCOL)
			continue;
		build4(&packet, 10);
		packet.bytes[offset] ^= 1 << bit % 8;
		expect(&packet, XMC_MALFORMED);
	}
}

/* RFC 1071: both forms of zero add up to the same. */
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
	packet_resize(&packet, packet.length + 4); /* a frame check sequence left on */
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

/* Cut, with an IP header that knows it: only UDP can tell. */
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

/* Shorter than an Ethernet header: most kernels do not even run the program. */
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

/* An IPv6 packet that dresses up as a packet of an IPv4 rule. */
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

	/* Nearly so: IPv4-compatible, and all zero, are plain IPv6. */
	packet_build_text(&packet, "::10.9.9.9", GROUP6, PORT, 10);
	expect(&packet, XMC_STEERED);
	packet_build_text(&packet, "::", GROUP6, PORT, 10);
	expect(&packet, XMC_STEERED);
	packet_build_text(&packet, SOURCE6, "::239.1.1.1", PORT, 10);
	expect(&packet, XMC_NO_RULE);
}

static int setup(void **state)
{
	const char *step;
	int err = steer_env_open(&env, &step);

	if (!err)
		return 0;
	snprintf(lacking, sizeof(lacking), "%s: %s", step, strerror(-err));
	if (steer_env_is_lacking(err))
		return 0; /* each test skips */
	fprintf(stderr, "%s\n", lacking);
	return -1;
}

static int teardown(void **state)
{
	steer_env_close(env);
	return 0;
}

/* A rule for a prefix of `host_bits`. */
static struct xmc_rule_key prefix_key(const char *source, uint8_t host_bits, const char *group)
{
	struct xmc_rule_key key = packet_flow(source, group, PORT);

	key.host_bits = host_bits;
	return key;
}

/* A prefix takes its sources, from the first to the last, and none beside it. */
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

		assert_int_equal(steer_env_add_rule(env, &key), 0);
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

/* A rule of any port takes every port of its group but 0, beside one of a port, and without it. */
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

			if (round == 1) /* the one with the port, which begin() has */
				remove_rule(NULL, cases[i].group, PORT);
			assert_int_equal(steer_env_add_rule(env, key), 0);
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

/* With a port and with any are two shapes, whatever the source. */
static void test_shapes_of_ports(void **state)
{
	struct xmc_rule_key any = packet_flow(NULL, GROUP4, 0), other = any;

	begin();
	other.group.b[15]++;
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
	assert_int_equal(steer_env_add_rule(env, &any), 0);
	assert_int_equal(steer_env_add_rule(env, &other), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 2);
	assert_int_equal(steer_env_add_rule(env, &any), -EEXIST);
	assert_int_equal(steer_env_remove_rule(env, &any), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 2);
	assert_int_equal(steer_env_remove_rule(env, &other), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
}

/* All slots full: every shape is looked at, one more is refused, and one that goes makes room. */
static void test_shapes(void **state)
{
	struct xmc_rule_key key, more = prefix_key("2000::", 125, GROUP6);
	struct packet packet;

	begin();
	/* Beside any source, which begin() has. */
	for (uint8_t bits = 0; bits < XMC_SHAPE_SLOTS - 1; bits++) {
		key = prefix_key("2001:db8:1::", bits, "ff3e::9");
		assert_int_equal(steer_env_add_rule(env, &key), 0);
		packet_build_text(&packet, "2001:db8:1::", "ff3e::9", PORT, 9);
		expect(&packet, XMC_STEERED);
		if (bits) {
			key = prefix_key("2001:db8:1::", bits - 1, "ff3e::9");
			assert_int_equal(steer_env_remove_rule(env, &key), 0);
			assert_int_equal(steer_env_add_rule(env, &key), 0);
		}
	}
	assert_int_equal(steer_env_shapes(env, XMC_IPV6, XMC_SHAPE_USED), XMC_SHAPE_SLOTS);
	assert_int_equal(steer_env_shapes(env, XMC_IPV4, XMC_SHAPE_USED), 1);
	assert_int_equal(steer_env_add_rule(env, &more), -ENOSPC);
	build6(&packet, 9);
	expect(&packet, XMC_STEERED);
	key = prefix_key("2001:db8:1::", 7, "ff3e::9");
	assert_int_equal(steer_env_remove_rule(env, &key), 0);
	assert_int_equal(steer_env_shapes(env, XMC_IPV6, XMC_SHAPE_FREE), 1);
	assert_int_equal(steer_env_add_rule(env, &more), 0);
	packet_build_text(&packet, "3fff::1", GROUP6, PORT, 9);
	expect(&packet, XMC_STEERED);
	steer_env_remove_rules(env);
	for (enum xmc_family family = XMC_IPV4; family < XMC_FAMILIES; family++)
		assert_int_equal(steer_env_shapes(env, family, XMC_SHAPE_END), XMC_SHAPE_SLOTS);
	expect(&packet, XMC_NO_RULE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steered),
		cmocka_unit_test(test_no_rule),
		cmocka_unit_test(test_source_rule),
		cmocka_unit_test(test_unicast_destination),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_vlan),
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
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_any_port),
		cmocka_unit_test(test_shapes_of_ports),
		cmocka_unit_test(test_shapes),
	};
	int failed = cmocka_run_group_tests_name("steer", tests, setup, teardown);

	if (!failed && lacking[0])
		return EXIT_SKIPPED;
	return failed;
}
