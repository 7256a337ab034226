// SPDX-License-Identifier: BSD-2-Clause
#include "rewrite_case.h"

#include <linux/bpf.h>

#include "require.h"

const struct family families[] = {
	{"10.9.9.9", "239.1.1.1", "192.0.2.1", "239.2.2.2"},
	{"2001:db8::9", "ff3e::1", "2001:db8:1::1", "ff3e::2"},
};

struct fixture rewrite_begin(unsigned int family, const struct xmc_rule_key *key, uint16_t port)
{
	struct fixture fixture = {.family = family, .key = *key};

	fixture.output = forward_env_output(0, families[family].from, families[family].to, port);
	fixture.output.mtu = 3000;
	fixture.forward = forward_env_add(key, &fixture.output, 1);
	return fixture;
}

struct xmc_rule_key key_of(unsigned int family, uint16_t port)
{
	return packet_flow(NULL, families[family].group, port);
}

void rewrite_end(struct fixture *fixture)
{
	forward_env_remove(&fixture->key, fixture->forward);
}

void build(struct packet *packet, unsigned int family, size_t payload, enum written written)
{
	packet_build_text(packet, families[family].source, families[family].group, PORT, payload);
	write_checksum(packet, written);
}

void expect_equal(const struct packet *packet, const struct packet *wanted, const char *what)
{
	if (packet->length == wanted->length &&
	    memcmp(packet->bytes, wanted->bytes, packet->length) == 0)
		return;
	fprintf(stderr, "came out:\n");
	packet_dump(packet);
	fprintf(stderr, "expected:\n");
	packet_dump(wanted);
	fail_msg("%s", what);
}

void expect_forwarded(struct fixture *fixture, const struct packet *packet, const char *what)
{
	struct packet wanted = *packet, made = *packet;
	enum xmc_reason reason;

	rewrite_expected(&wanted, &fixture->output.header, fixture->sent++);
	assert_int_equal(forward_env_run(&made, &reason), XDP_REDIRECT);
	assert_int_equal(reason, XMC_FORWARDED);
	expect_equal(&made, &wanted, what);
}

void expect_dropped(const struct packet *packet)
{
	struct packet made = *packet;
	enum xmc_reason reason;

	assert_int_equal(forward_env_run(&made, &reason), XDP_DROP);
	assert_int_equal(reason, XMC_FORWARDED);
}

void expect_passed(const struct packet *packet, enum xmc_reason wanted)
{
	struct packet made = *packet;
	enum xmc_reason reason;

	assert_int_equal(forward_env_run(&made, &reason), XDP_PASS);
	assert_int_equal(reason, wanted);
	expect_equal(&made, packet, "a packet that passes");
}
