// SPDX-License-Identifier: BSD-2-Clause
/*
 * Header rewriting on the kernel path, byte by byte. Packets with one output are rewritten by the
 * steering program itself, given one packet at a time by BPF_PROG_TEST_RUN. The kernel does not run
 * the program of a devmap that way, so packets with several outputs travel through veths.
 */
#include <errno.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>

#include <xmcast/packet.h>

#include "dataplane/xsk.h"
#include "require.h"
#include "rewrite_case.h"

/* Around the blocks in which the programs sum, and the largest of Ethernet and of the test run. */
static const size_t sizes[] = {0,   1,	 2,   3,   7,	 8,    31,   54,   55,	 56,  57,  58,
			       61,  62,	 63,  64,  65,	 118,  119,  120,  121,	 127, 128, 129,
			       511, 512, 513, 999, 1399, 1400, 1471, 1472, 1473, 1900};

static void test_sizes_and_checksums(void **state)
{
	char what[80];

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);

		for (size_t i = 0; i < COUNT(sizes); i++) {
			for (enum written written = 0; written < WRITTENS; written++) {
				struct packet packet;

				build(&packet, family, sizes[i], written);
				snprintf(what, sizeof(what), "IPv%c, %zu bytes, checksum %d",
					 family ? '6' : '4', sizes[i], written);
				expect_forwarded(&fixture, &packet, what);
			}
		}
		rewrite_end(&fixture);
	}
}

/* Tags are removed on the way. */
static void test_tags(void **state)
{
	static const uint32_t tags[] = {0, 0x1064, 0x20c81064};

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		for (size_t i = 0; i < COUNT(tags) * COUNT(sizes) * WRITTENS; i++) {
			uint32_t tag = tags[i / WRITTENS / COUNT(sizes)];
			size_t size = sizes[i / WRITTENS % COUNT(sizes)];
			struct xmc_rule_key key = key_of(family, PORT);
			struct packet packet, wanted, made;
			struct fixture fixture;
			enum xmc_reason reason;

			key.tags = tag;
			if (i % (WRITTENS * COUNT(sizes)) == 0)
				fixture = rewrite_begin(family, &key, 6000);
			build(&packet, family, size, i % WRITTENS);
			wanted = packet;
			rewrite_expected(&wanted, &fixture.output.header, fixture.sent++);
			if (!tag) /* a priority */
				packet_add_tag(&packet, 0x8100, 0xe000);
			for (uint32_t left = tag; left; left >>= 16)
				packet_add_tag(&packet, left & 0x2000 ? 0x88a8 : 0x8100,
					       left & 0xfff);
			made = packet;
			assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
			assert_int_equal(reason, XMC_FORWARDED);
			expect_equal(&made, &wanted, "tags");
			/* In skb mode the user path takes the packet, as it is. */
			assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_SKB), 0);
			made = packet;
			assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
			assert_int_equal(reason, XMC_STEERED);
			expect_equal(&made, &packet, "tags in skb mode");
			assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
			if ((i + 1) % (WRITTENS * COUNT(sizes)) == 0)
				rewrite_end(&fixture);
		}
	}
}

/* Ethernet pads; and the UDP length may be less than the IP packet has room for. */
static void test_padding(void **state)
{
	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);

		for (size_t payload = 0; payload < 20; payload++) {
			for (enum written written = 0; written < WRITTENS; written++) {
				struct packet packet;

				build(&packet, family, payload, written);
				packet_resize(&packet, packet.length + 1 + payload % 4);
				memset(packet.bytes + packet.length - 1, 0xee, 1);
				expect_forwarded(&fixture, &packet, "padding after the packet");
				build(&packet, family, payload + 5, WRITTEN_NONE);
				packet_set16(&packet, family ? 58 : 38, (uint16_t)(8 + payload));
				write_checksum(&packet, written);
				expect_forwarded(&fixture, &packet, "bytes after the datagram");
			}
		}
		rewrite_end(&fixture);
	}
}

/* Any port, and the packet keeps its own. */
static void test_ports(void **state)
{
	static const uint16_t ports[] = {1, 5000, 6000, 65535};

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, 0);
		struct fixture fixture = rewrite_begin(family, &key, 0);

		for (size_t i = 0; i < COUNT(ports); i++) {
			for (enum written written = 0; written < WRITTENS; written++) {
				struct packet packet;

				build(&packet, family, 100, WRITTEN_NONE);
				packet_set16(&packet, family ? 56 : 36, ports[i]);
				write_checksum(&packet, written);
				expect_forwarded(&fixture, &packet, "kept port");
			}
		}
		rewrite_end(&fixture);
	}
}

/* Every TTL and every traffic class. */
static void test_ttl_and_tos(void **state)
{
	struct packet packet;

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);

		for (unsigned int i = 0; i < 256; i++) {
			fixture.output.header.ttl = (uint8_t)i;
			fixture.output.header.tos = (uint8_t)(i * 5);
			assert_int_equal(forward_set(fixture.forward, &fixture.output), 0);
			build(&packet, family, 20, WRITTEN_COMPLETE);
			packet_set8(&packet, 15, (uint8_t)(i * 3));
			if (!family)
				packet_fix_ipv4_checksum(&packet);
			expect_forwarded(&fixture, &packet, "TTL and traffic class");
		}
		rewrite_end(&fixture);
	}
}

/* What a packet keeps, in every combination, with every TTL and DSCP; ECN is not kept. */
static void test_kept_headers(void **state)
{
	static const uint8_t ttls[] = {0, 1, 2, 3, 64, 254, 255};
	struct xmc_tally tally;
	struct packet packet;

	forward_env_need();
	for (unsigned int i = 0; i < FAMILIES * 16 * WRITTENS; i++) {
		unsigned int family = i % FAMILIES, flags = i / FAMILIES % 16;
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture;
		uint64_t expired = 0;

		if (flags & XMC_KEEP_TTL && flags & XMC_DECREMENT_TTL)
			continue;
		fixture = rewrite_begin(family, &key, 6000);
		fixture.output.header.flags = flags;
		fixture.output.header.tos = 0x88;
		assert_int_equal(forward_set(fixture.forward, &fixture.output), 0);
		for (unsigned int j = 0; j < COUNT(ttls) * 256; j++) {
			build(&packet, family, j % 67, WRITTEN_COMPLETE);
			packet_set8(&packet, family ? 21 : 22, ttls[j / 256]);
			if (family) {
				packet_set8(&packet, 14, (uint8_t)(0x60 + j % 256 / 16));
				packet_set8(&packet, 15, (uint8_t)(j % 16 * 16 + 7));
			} else {
				packet_set8(&packet, 15, (uint8_t)j);
				packet_fix_ipv4_checksum(&packet);
			}
			packet_set16(&packet, family ? 54 : 34, (uint16_t)(j * 37));
			write_checksum(&packet, i / FAMILIES / 16);
			if (expected_to_expire(&packet, &fixture.output.header)) {
				expect_dropped(&packet);
				expired++;
			} else {
				expect_forwarded(&fixture, &packet, "kept headers");
			}
		}
		forward_read_output(fixture.forward, 0, &tally);
		assert_int_equal(tally.ttl_expired, expired);
		assert_int_equal(tally.sent, COUNT(ttls) * 256 - expired);
		rewrite_end(&fixture);
	}
}

/* 0.0.0.0 and :: cannot be kept: the user path takes the packet, which counts it. */
static void test_no_source(void **state)
{
	struct packet packet, made;
	enum xmc_reason reason;

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);

		for (unsigned int byte = 0; byte <= (family ? 16U : 4U); byte++) {
			build(&packet, family, 20, WRITTEN_COMPLETE);
			memset(packet.bytes + (family ? 22 : 26), 0, family ? 16 : 4);
			/* Any other address is a source, whatever byte of it is not 0. */
			if (byte)
				packet_set8(&packet, (family ? 22 : 26) + byte - 1, 1);
			if (!family)
				packet_fix_ipv4_checksum(&packet);
			write_checksum(&packet, WRITTEN_COMPLETE);
			if (byte) {
				expect_forwarded(&fixture, &packet, "a source");
				continue;
			}
			made = packet;
			assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
			assert_int_equal(reason, XMC_STEERED);
			expect_equal(&made, &packet, "no source");
		}
		rewrite_end(&fixture);
	}
}

/* A checksum that comes out as 0 is sent as 0xffff: 0 would mean that there is none. */
static void test_checksum_of_zero(void **state)
{
	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);
		size_t field = family ? 60 : 40;
		size_t payload = family ? 62 : 42;

		for (enum written written = 0; written < WRITTEN_WRONG; written++) {
			struct packet packet, wanted;

			if (written == WRITTEN_NONE)
				continue;
			build(&packet, family, 100, WRITTEN_COMPLETE);
			packet_set16(&packet, payload, 0);
			write_checksum(&packet, written);
			wanted = packet;
			rewrite_expected(&wanted, &fixture.output.header, 0);
			packet_set16(&packet, payload, packet_get16(&wanted, field));
			write_checksum(&packet, written);
			wanted = packet;
			rewrite_expected(&wanted, &fixture.output.header, 0);
			assert_int_equal(packet_get16(&wanted, field), 0xffff);
			expect_forwarded(&fixture, &packet, "a checksum of 0");
		}
		rewrite_end(&fixture);
	}
}

/* Rules for a protocol take packets of that protocol, rules for any port only UDP. */
static void test_protocols(void **state)
{
	static const uint8_t protocols[] = {1, 47, 50, 51, 89, 115, 132, 255};

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key any_port = key_of(family, 0), key = key_of(family, 0);
		struct fixture udp = rewrite_begin(family, &any_port, 0), other;

		for (size_t i = 0; i < COUNT(protocols); i++) {
			struct packet packet;

			if (family && protocols[i] == 51) /* an extension header of IPv6 */
				continue;
			key.protocol = protocols[i];
			for (size_t payload = 0; payload < 40; payload++) {
				build(&packet, family, payload, WRITTEN_COMPLETE);
				make_protocol(&packet, protocols[i]);
				expect_passed(&packet, XMC_NOT_UDP);
			}
			other = rewrite_begin(family, &key, 6000);
			for (size_t payload = 0; payload < 40; payload++) {
				build(&packet, family, payload, WRITTEN_COMPLETE);
				make_protocol(&packet, protocols[i]);
				expect_forwarded(&other, &packet, "another protocol");
				make_protocol(&packet, protocols[i] + 2);
				expect_passed(&packet, XMC_NOT_UDP);
				make_protocol(&packet, 17);
				expect_forwarded(&udp, &packet, "UDP to any port");
			}
			rewrite_end(&other);
		}
		rewrite_end(&udp);
	}
}

/* Without its UDP header, nothing but the IP header is there. */
static void test_protocol_without_payload(void **state)
{
	struct xmc_rule_key key = key_of(0, 0);
	struct fixture fixture;
	struct packet packet;

	forward_env_need();
	key.protocol = 50;
	fixture = rewrite_begin(0, &key, 0);
	build(&packet, 0, 0, WRITTEN_NONE);
	make_protocol(&packet, 50);
	packet_resize(&packet, 34);
	packet_set_ipv4_total(&packet, 20);
	expect_forwarded(&fixture, &packet, "no payload");
	/* Fragments, options and wrong checksums are the kernel's. */
	packet_set8(&packet, 20, 0x20);
	packet_fix_ipv4_checksum(&packet);
	expect_passed(&packet, XMC_NOT_UDP);
	packet_set8(&packet, 20, 0);
	expect_passed(&packet, XMC_NOT_UDP);
	rewrite_end(&fixture);
}

static void test_counters_and_mtu(void **state)
{
	struct xmc_tally rule, output;

	forward_env_need();
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);
		unsigned int headers = family ? 48 : 28;
		struct packet packet;

		fixture.output.mtu = 1000;
		assert_int_equal(forward_set(fixture.forward, &fixture.output), 0);
		build(&packet, family, 1000 - headers, WRITTEN_UNFINISHED);
		packet_resize(&packet, packet.length + 100); /* padding does not count */
		expect_forwarded(&fixture, &packet, "as large as the MTU");
		build(&packet, family, 1001 - headers, WRITTEN_COMPLETE);
		expect_dropped(&packet);
		forward_read_rule(fixture.forward, &rule);
		forward_read_output(fixture.forward, 0, &output);
		assert_int_equal(rule.received, 2);
		assert_int_equal(rule.received_bytes, 2001 - 2 * headers);
		assert_int_equal(rule.too_large, 1);
		assert_int_equal(rule.sent, 0);
		assert_int_equal(output.sent, 1);
		assert_int_equal(output.sent_bytes, 1000 - headers);
		assert_int_equal(output.received, 0);
		rewrite_end(&fixture);
	}
}

/* An output that is not usable, and a rule without one, send nothing and count all. */
static void test_unusable_outputs(void **state)
{
	struct xmc_rule_key key = key_of(0, PORT);
	struct forward_output outputs[3];
	struct forward *forward;
	struct xmc_tally tally;
	struct packet packet, wanted;
	enum xmc_reason reason;

	forward_env_need();
	for (unsigned int i = 0; i < COUNT(outputs); i++) {
		outputs[i] = forward_env_output(0, families[0].from, families[0].to, 6000);
		outputs[i].ifindex = 0;
	}
	forward = forward_env_add(&key, outputs, COUNT(outputs));
	build(&packet, 0, 100, WRITTEN_COMPLETE);
	expect_dropped(&packet);
	/* Only the second one: its counters are not those of the rule. */
	outputs[1].ifindex = forward_env.out[1];
	assert_int_equal(forward_set(forward, outputs), 0);
	wanted = packet;
	rewrite_expected(&wanted, &outputs[1].header, 0);
	assert_int_equal(forward_env_run(&packet, &reason), XDP_REDIRECT);
	expect_equal(&packet, &wanted, "the second output");
	forward_read_rule(forward, &tally);
	assert_int_equal(tally.received, 2);
	for (unsigned int i = 0; i < COUNT(outputs); i++) {
		forward_read_output(forward, i, &tally);
		assert_int_equal(tally.sent, i == 1);
		assert_int_equal(tally.sent_bytes, i == 1 ? 100 : 0);
	}
	forward_env_remove(&key, forward);
}

/* What must never happen, but if it does, no packet may leave with wrong headers. */
static void test_damaged_maps(void **state)
{
	const struct pins *pins = steer_pins(forward_env.steer);
	struct xmc_rule_key key = key_of(0, PORT);
	struct xmc_rule rule, damaged;
	struct fixture fixture;
	struct packet packet, made;
	enum xmc_reason reason;

	forward_env_need();
	fixture = rewrite_begin(0, &key, 6000);
	build(&packet, 0, 100, WRITTEN_UNFINISHED);
	assert_int_equal(bpf_map_lookup_elem(pins->fds[PIN_RULES], &key, &rule), 0);
	for (unsigned int bit = 0; bit < 8 * sizeof(rule); bit++) {
		damaged = rule;
		((uint8_t *)&damaged)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (damaged.kind == XMC_TO_USER)
			continue;
		assert_int_equal(pins_write_rule(pins, &key, &damaged, BPF_EXIST), 0);
		made = packet;
		/* The user path takes it, unchanged. */
		assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
		assert_int_equal(reason, XMC_STEERED);
		expect_equal(&made, &packet, "a rule that does not belong to the packet");
	}
	/* Sealed, but with slots that nobody has taken. */
	damaged = rule;
	damaged.output = XMC_CHUNK * XMC_CHUNKS - 1;
	damaged.seal = xmc_seal(&key, &damaged);
	assert_int_equal(pins_write_rule(pins, &key, &damaged, BPF_EXIST), 0);
	expect_dropped(&packet);
	damaged = rule;
	damaged.target = XMC_MAX_DEVICES - 1;
	damaged.seal = xmc_seal(&key, &damaged);
	assert_int_equal(pins_write_rule(pins, &key, &damaged, BPF_EXIST), 0);
	expect_dropped(&packet);
	assert_int_equal(pins_write_rule(pins, &key, &rule, BPF_EXIST), 0);
	expect_forwarded(&fixture, &packet, "repaired");
	rewrite_end(&fixture);
}

/* Without a socket, which means that the daemon has died, the stack gets the packet as it came;
 * unless the program is attached by the daemon's own link: then a successor opens its sockets just
 * now. */
static void test_no_socket(void **state)
{
	int sockets = steer_pins(forward_env.steer)->fds[PIN_SOCKETS];
	struct xmc_rule_key key = key_of(0, PORT);
	struct fixture fixture;
	struct packet packet;
	__u32 queue = 0;

	forward_env_need();
	fixture = rewrite_begin(0, &key, 6000);
	build(&packet, 0, 100, WRITTEN_UNFINISHED);
	assert_int_equal(bpf_map_delete_elem(sockets, &queue), 0);
	expect_passed(&packet, XMC_NO_SOCKET);
	assert_int_equal(steer_set_own(forward_env.steer, true), 0);
	expect_forwarded(&fixture, &packet, "by our own link");
	assert_int_equal(steer_set_own(forward_env.steer, false), 0);
	expect_passed(&packet, XMC_NO_SOCKET);
	assert_int_equal(steer_set_socket(forward_env.steer, 0, xsk_fd(forward_env.xsk)), 0);
	expect_forwarded(&fixture, &packet, "with a socket");
	rewrite_end(&fixture);
}

/* Several outputs, set before it was known that the program runs in skb mode: the user path. */
static void test_skb_mode_with_copies(void **state)
{
	struct xmc_rule_key key = key_of(0, PORT);
	struct forward_output outputs[2];
	struct forward *forward;
	struct packet packet, made;
	enum xmc_reason reason;

	forward_env_need();
	for (unsigned int i = 0; i < COUNT(outputs); i++)
		outputs[i] = forward_env_output(i, families[0].from, families[0].to, 6000);
	forward = forward_env_add(&key, outputs, COUNT(outputs));
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_SKB), 0);
	build(&packet, 0, 100, WRITTEN_UNFINISHED);
	made = packet;
	assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
	assert_int_equal(reason, XMC_STEERED);
	expect_equal(&made, &packet, "several outputs in skb mode");
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
	forward_env_remove(&key, forward);
}

/* In skb mode, unfinished checksums stay unfinished, and the device finishes them. If the field is
 * also right as a finished checksum, only the user path can tell. */
static void test_skb_mode(void **state)
{
	forward_env_need();
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_SKB), 0);
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, 6000);
		size_t field = family ? 60 : 40;
		size_t payload = family ? 62 : 42;
		struct packet packet, made, wanted;
		enum xmc_reason reason;
		uint16_t unfinished;

		for (size_t i = 0; i < COUNT(sizes); i++) {
			build(&packet, family, sizes[i], WRITTEN_UNFINISHED);
			wanted = made = packet;
			rewrite_expected_unfinished(&wanted, &fixture.output.header,
						    fixture.sent++);
			assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
			assert_int_equal(reason, XMC_FORWARDED);
			expect_equal(&made, &wanted, "unfinished in skb mode");
			build(&packet, family, sizes[i], WRITTEN_COMPLETE);
			expect_forwarded(&fixture, &packet, "complete in skb mode");
			build(&packet, family, sizes[i], WRITTEN_NONE);
			expect_forwarded(&fixture, &packet, "none in skb mode");
		}
		build(&packet, family, 100, WRITTEN_UNFINISHED);
		unfinished = packet_get16(&packet, field);
		packet_set16(&packet, payload, 0);
		write_checksum(&packet, WRITTEN_COMPLETE);
		/* Then the sum over all is 0 with this field as well. */
		packet_set16(
			&packet, payload,
			(uint16_t)((packet_get16(&packet, field) + 65535 - unfinished) % 65535));
		packet_set16(&packet, field, unfinished);
		made = packet;
		assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
		assert_int_equal(reason, XMC_STEERED);
		expect_equal(&made, &packet, "either in skb mode");
		rewrite_end(&fixture);
	}
	assert_int_equal(steer_set_mode(forward_env.steer, IFACE_MODE_NATIVE), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_and_checksums),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_ttl_and_tos),
		cmocka_unit_test(test_kept_headers),
		cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_checksum_of_zero),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_protocol_without_payload),
		cmocka_unit_test(test_counters_and_mtu),
		cmocka_unit_test(test_unusable_outputs),
		cmocka_unit_test(test_damaged_maps),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_skb_mode),
		cmocka_unit_test(test_skb_mode_with_copies),
	};

	return forward_env_exit_code(cmocka_run_group_tests_name(
		"rewrite", tests, forward_env_setup, forward_env_teardown));
}
