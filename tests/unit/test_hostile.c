// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker whose packets nobody has checked, as if another XDP program redirected everything: the
 * random walk of tests/bpf goes straight into the RX ring. What user space drops and sends agrees
 * with the reference, byte for byte, and a flow beside it loses nothing.
 */
#include "watchdog.h"

#include <inttypes.h>

#include "../bpf/reference.h"
#include "../bpf/require.h"
#include "../bpf/walk.c"
#include "dataplane/worker.h"
#include "lab.c"

#define FRAMES 256

/* About a second; XMCAST_PACKETS overrides it. */
#define PACKETS 100000

/* Packets between two honest datagrams: fewer than there are frames. */
#define BATCH	     64

#define HONEST	     1
#define LIED_TO	     2
#define LIED_TO_TEXT "239.1.1.2"

struct bench {
	struct worker *worker;
	struct ruleset *ruleset;
	struct stream *streams[2];
	struct sink honest, lied_to;
	uint64_t invalid, no_rule, honest_packets;
	struct packet kept[BATCH]; /* what has to come out, payload only */
	unsigned int nr_kept;
};

static void open_bench(struct bench *bench)
{
	struct worker_options options = {
		.iface = "lo",
		.mtu = LAB_MTU,
		.sizes = {.frames = FRAMES, .rx_ring = FRAMES},
		.egress = {.engine = ENGINE_SENDMMSG, .gso = 64, .wakeup = WAKEUP_EVENTFD},
	};

	memset(bench, 0, sizeof(*bench));
	watchdog_start("hostile");
	assert_int_equal(worker_open(&bench->worker, &options), 0);
	sink_open(&bench->honest, "127.0.0.1", HONEST, lab_mixed);
	sink_open(&bench->lied_to, "127.0.0.1", LIED_TO, lab_mixed);
	bench->streams[0] = lab_stream(HONEST, &bench->honest.to, 1, 64);
	bench->streams[1] = lab_stream(LIED_TO, &bench->lied_to.to, 1, 64);
	assert_int_equal(ruleset_new(&bench->ruleset, bench->streams, NULL, 2), 0);
	assert_int_equal(worker_start(bench->worker, bench->ruleset), 0);
}

static void close_bench(struct bench *bench)
{
	watchdog_stop();
	worker_close(bench->worker);
	assert_true(sink_is_empty(&bench->honest) && sink_is_empty(&bench->lied_to));
	sink_close(&bench->honest);
	sink_close(&bench->lied_to);
	ruleset_free(bench->ruleset);
	stream_put(bench->streams[0]);
	stream_put(bench->streams[1]);
}

/* An honest datagram arrives at its sink; what was kept before it must have arrived at the other.
 */
static void collect(struct bench *bench)
{
	uint8_t found[LAB_MTU];

	lab_must(lab_deliver(fake_xsk_last(), HONEST, (uint32_t)bench->honest_packets++, lab_mixed),
		 "room for an honest packet");
	sink_expect(&bench->honest, 1);
	for (unsigned int i = 0; i < bench->nr_kept; i++) {
		const struct packet *kept = &bench->kept[i];
		ssize_t n = recv(bench->lied_to.fd, found, sizeof(found), 0);

		if (n == (ssize_t)kept->length && memcmp(found, kept->bytes, kept->length) == 0)
			continue;
		packet_dump(kept);
		fail_msg("%zd bytes came out, not these %zu, or others", n, kept->length);
	}
	bench->nr_kept = 0;
}

/* Deliver it, and note what has to happen to it. */
static void deliver(struct bench *bench, const struct packet *packet)
{
	const struct xmc_rule_key flow = packet_flow(NULL, LIED_TO_TEXT, LAB_PORT);
	struct reference reference = {};
	struct packet *kept;

	lab_must(fake_xsk_deliver(fake_xsk_last(), packet->bytes, packet->length),
		 "room for a packet");
	if (reference_parse(packet->bytes, packet->length, &reference) != XMC_STEERED) {
		bench->invalid++;
		return;
	}
	if (memcmp(&reference.key.group, &flow.group, sizeof(flow.group)) != 0 ||
	    reference.key.port != flow.port || reference.key.tags) {
		bench->no_rule++;
		return;
	}
	kept = &bench->kept[bench->nr_kept++];
	kept->length = reference.payload_length;
	memcpy(kept->bytes, packet->bytes + reference.payload_offset, kept->length);
}

static void generate(struct packet *packet)
{
	static const size_t lengths[] = {0, 1, 18, 64, 500, 1472};
	bool ipv4 = walk_below(8) > 0;
	size_t length = lengths[walk_below(6)];

	do {
		packet_build_text(packet, ipv4 ? "10.9.9.9" : "2001:db8::9",
				  ipv4 ? LIED_TO_TEXT : "ff3e::1", LAB_PORT, length);
		for (size_t i = ipv4 ? IPV4_PAYLOAD : IPV6_PAYLOAD; i < packet->length; i++)
			packet->bytes[i] = (uint8_t)walk_random();
		walk_mutate(packet);
	} while (packet->length > LAB_MTU + PACKET_ETH_HEADER);
}

static void test_nothing_wrong_comes_out(void **state)
{
	const char *wanted = getenv("XMCAST_PACKETS");
	uint64_t packets = wanted ? strtoull(wanted, NULL, 0) : PACKETS;
	struct worker_state end;
	struct packet packet;
	struct bench bench;
	uint64_t relayed;

	open_bench(&bench);
	walk_begin(20261122);
	for (uint64_t i = 1; i <= packets; i++) {
		generate(&packet);
		deliver(&bench, &packet);
		if (i % BATCH == 0)
			collect(&bench);
	}
	collect(&bench);
	assert_int_equal(worker_stop(bench.worker), 0);
	worker_read(bench.worker, &end);
	relayed = packets - bench.invalid - bench.no_rule;
	print_message("invalid=%" PRIu64 " no_rule=%" PRIu64 " relayed=%" PRIu64 "\n",
		      bench.invalid, bench.no_rule, relayed);
	assert_true(packets < 10000 || (bench.invalid && bench.no_rule && relayed));
	assert_int_equal(end.received, packets + bench.honest_packets);
	assert_int_equal(end.drops[INGRESS_INVALID], bench.invalid);
	assert_int_equal(end.drops[INGRESS_NO_RULE], bench.no_rule);
	assert_int_equal(end.kernel_frames, FRAMES);
	assert_int_equal(counter_read(&bench.streams[1]->outputs[0].shards[0].sent), relayed);
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_wrong_comes_out),
	};

	lab_enter();
	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
