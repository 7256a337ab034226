// SPDX-License-Identifier: BSD-2-Clause
/*
 * Header rewriting on the kernel path: random packets, rewritten by BPF, by user space, compiled
 * from the same headers, and by the reference.
 *
 * XMCAST_SEED and XMCAST_PACKETS as for test_differential.
 */
#include <inttypes.h>
#include <linux/bpf.h>

#include <xmcast/packet.h>
#include <xmcast/rewrite.h>

#include "require.h"
#include "rewrite_case.h"
#include "walk.h"

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* As the program does it. False: the packet does not belong to the rule. *expired: it must be
 * dropped. */
static bool rewrite_here(struct packet *packet, const struct fixture *fixture, bool *expired)
{
	uint8_t *end = packet->bytes + packet->length;
	struct xmc_datagram dgram;

	if (xmc_parse(packet->bytes, end, &dgram) != XMC_STEERED ||
	    memcmp(&dgram.destination, &fixture->key.group, sizeof(dgram.destination)) != 0 ||
	    dgram.port != fixture->key.port || dgram.tags != fixture->key.tags)
		return false;
	packet_cut_tags(packet, dgram.ip_offset);
	end = packet->bytes + packet->length;
	if (xmc_checksum_kind(packet->bytes, end) == XMC_CHECKSUM_UNFINISHED)
		assert_int_equal(xmc_finish(packet->bytes, end, 0), XMC_CHECKSUM_FINISHED);
	assert_int_equal(xmc_payload_length(packet->bytes, end), dgram.payload_length);
	*expired = expected_to_expire(packet, &fixture->output.header);
	assert_int_equal(xmc_rewrite(packet->bytes, end, &fixture->output.header, fixture->sent, 0),
			 *expired ? XMC_TTL_EXPIRED : 0);
	return true;
}

/* What packets keep from now on. */
static void choose_flags(struct fixture *fixture)
{
	uint32_t flags = walk_below(16);

	if (flags & XMC_KEEP_TTL)
		flags &= ~(uint32_t)XMC_DECREMENT_TTL;
	fixture->output.header.flags = flags;
	assert_int_equal(forward_set(fixture->forward, &fixture->output), 0);
}

static void check_random(struct fixture *fixture, uint64_t index, uint64_t *forwarded)
{
	struct packet packet, made, here, wanted;
	enum xmc_reason reason;
	uint32_t action;
	bool expired;
	char what[40];

	snprintf(what, sizeof(what), "packet %" PRIu64, index);
	build(&packet, fixture->family, walk_below(8) ? walk_below(80) : walk_below(1473),
	      walk_below(WRITTENS));
	for (unsigned int i = walk_below(4); i > 0; i--)
		packet.bytes[walk_below((uint32_t)packet.length)] = (uint8_t)walk_random();
	if (walk_below(2))
		write_checksum(&packet, walk_below(WRITTENS));
	if (walk_below(2) && !fixture->family)
		packet_fix_ipv4_checksum(&packet);
	if (walk_below(2))
		walk_mutate(&packet);
	made = here = wanted = packet;
	action = forward_env_run(&made, &reason);
	if (!rewrite_here(&here, fixture, &expired)) {
		assert_int_equal(action, XDP_PASS);
		expect_equal(&made, &packet, what);
		return;
	}
	assert_int_equal(reason, XMC_FORWARDED);
	if (expired) {
		assert_int_equal(action, XDP_DROP);
		return;
	}
	assert_int_equal(action, XDP_REDIRECT);
	expect_equal(&made, &here, what);
	rewrite_expected(&wanted, &fixture->output.header, fixture->sent++);
	expect_equal(&made, &wanted, what);
	++*forwarded;
}

static void test_random(void **state)
{
	uint64_t packets = from_environment("XMCAST_PACKETS", 50000);
	uint64_t seed = from_environment("XMCAST_SEED", 0x726577726974ULL);
	uint64_t forwarded = 0;

	forward_env_need();
	fprintf(stderr, "XMCAST_SEED=%#" PRIx64 " XMCAST_PACKETS=%" PRIu64 "\n", seed, packets);
	walk_begin(seed);
	for (unsigned int family = 0; family < FAMILIES; family++) {
		struct xmc_rule_key key = key_of(family, PORT);
		struct fixture fixture = rewrite_begin(family, &key, family ? 0 : 6000);

		for (uint64_t i = 0; i < packets / FAMILIES; i++) {
			if (i % 500 == 0)
				choose_flags(&fixture);
			check_random(&fixture, i, &forwarded);
		}
		rewrite_end(&fixture);
	}
	fprintf(stderr, "forwarded=%" PRIu64 "\n", forwarded);
	assert_true(forwarded > packets / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return forward_env_exit_code(cmocka_run_group_tests_name(
		"rewrite_random", tests, forward_env_setup, forward_env_teardown));
}
