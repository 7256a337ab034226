// SPDX-License-Identifier: BSD-2-Clause
/*
 * Datagrams whose packets lie in several frames: they leave whole and in order, every frame of them
 * returns once, and what has more frames than are supported is counted.
 */
#include "watchdog.h"

#include "egress_rig.c"

#define PIECE 3840

static uint32_t large(uint32_t number)
{
	return 8958 - number % 7;
}

/* Of one frame, two and three, down to the byte at which a frame ends. */
static uint32_t mixed(uint32_t number)
{
	static const uint32_t lengths[] = {
		0,	    1,	  1316, PIECE - 43, PIECE - 42,
		PIECE - 41, 1316, 1316, 1316,	    2 * PIECE - 42,
		7000,	    8958, 8958, 8957,	    1400,
		1400,	    0,	  9000, 3,
	};

	return lengths[number % (sizeof(lengths) / sizeof(lengths[0]))];
}

static void deliver(struct rig *rig, uint32_t count, lab_lengths lengths, size_t piece)
{
	while (count--) {
		assert_true(lab_deliver_pieces(rig->xsk, 0, rig->numbers[0]++, lengths, piece));
		rig->delivered++;
	}
}

static void relay(struct rig *rig)
{
	if (!rig->ruleset)
		assert_int_equal(ruleset_new(&rig->ruleset, rig->streams, NULL, rig->nr_streams),
				 0);
	rig->ingress.ruleset = rig->ruleset;
	ingress_run(&rig->ingress);
	rig_send_all_queued(rig);
}

static void expect_relayed(void **state, uint32_t count, lab_lengths lengths)
{
	struct rig *rig = rig_open_for(state, 9000);
	struct stream *stream;
	struct sink sink;

	stream = rig_add(rig, &sink, lengths, 64);
	deliver(rig, count, lengths, PIECE);
	relay(rig);
	rig_expect_counts(stream, 0, count, count, 0);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

static void test_whole_and_in_order(void **state)
{
	expect_relayed(state, 190, mixed);
}

/* The boundary of one look at the RX ring, 64 frames, is inside a packet. */
static void test_across_looks(void **state)
{
	expect_relayed(state, 100, large);
}

static void test_several_outputs(void **state)
{
	struct rule_output outputs[3] = {0};
	struct rig *rig = rig_open_for(state, 9000);
	struct stream *stream;
	struct sink sinks[3];

	for (int i = 0; i < 3; i++) {
		sink_open(&sinks[i], "127.0.0.1", 0, mixed);
		outputs[i] = sinks[i].to;
	}
	stream = rig_add_outputs(rig, outputs, 3, 64);
	deliver(rig, 57, mixed, PIECE);
	relay(rig);
	for (unsigned int i = 0; i < 3; i++) {
		rig_expect_counts(stream, i, 57, 57, 0);
		rig_expect_all(rig, &sinks[i]);
	}
	rig_close(rig);
}

/* Frames return as well if nothing is sent: no rule, no output, a wrong checksum. */
static void test_not_sent(void **state)
{
	struct rig *rig = rig_open_for(state, 9000);
	struct packet packet;

	rig_add_outputs(rig, NULL, 0, 64);
	deliver(rig, 10, large, PIECE);
	for (int i = 0; i < 10; i++) {
		assert_true(lab_deliver_pieces(rig->xsk, 9, (uint32_t)i, large, PIECE));
		packet_build_text(&packet, "10.9.9.9", "239.1.1.0", LAB_PORT, 8000);
		packet_set8(&packet, IPV4_CHECKSUM, 0xff);
		packet_set8(&packet, IPV4_CHECKSUM + 1, 0xff);
		assert_true(fake_xsk_deliver_pieces(rig->xsk, packet.bytes, packet.length, PIECE));
		rig->delivered += 2;
	}
	relay(rig);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_NO_RULE]), 10);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_INVALID]), 10);
	rig_close(rig);
}

static void test_too_many_frames(void **state)
{
	struct rig *rig = rig_open_for(state, 9000);
	struct stream *stream;
	struct sink sink;

	stream = rig_add(rig, &sink, large, 64);
	/* 9,000 bytes in frames of 2,048 are five; of 1,024 they are nine. */
	deliver(rig, 10, large, 2048);
	for (int i = 0; i < 10; i++) {
		assert_true(lab_deliver_pieces(rig->xsk, 0, 0, large, 1024));
		rig->delivered++;
	}
	deliver(rig, 10, large, 2048);
	relay(rig);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_TOO_LARGE]), 10);
	rig_expect_counts(stream, 0, 20, 20, 0);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

/* Frames with padding or another trailer behind the packet, which may be a frame of its own. */
static void test_padding(void **state)
{
	struct rig *rig = rig_open_for(state, 9000);
	struct packet packet;
	struct stream *stream;
	struct sink sink;
	uint8_t frame[12000] = {0};

	stream = rig_add(rig, &sink, large, 64);
	for (int i = 0; i < 5; i++) {
		uint32_t length = large(rig->numbers[0]);

		packet_build_text(&packet, "10.9.9.9", "239.1.1.0", LAB_PORT, length);
		fill_payload(packet.bytes + IPV4_PAYLOAD, 0, rig->numbers[0]++, length);
		memcpy(frame, packet.bytes, packet.length);
		assert_true(fake_xsk_deliver_pieces(rig->xsk, frame, sizeof(frame), PIECE));
		rig->delivered++;
	}
	relay(rig);
	rig_expect_counts(stream, 0, 5, 5, 0);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

/* All frames of the kernel are used, and 20 packets more find none. */
static void test_all_frames(void **state)
{
	struct rig *rig = rig_open_for(state, 9000);
	struct rule_output output = {.port = 9, .ttl = 1};
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, large);
	output.to = sink.to.to;
	output.port = sink.to.port;
	rig_add_outputs(rig, &output, 1, 64);
	deliver(rig, RIG_FRAMES / 3, large, PIECE);
	for (int i = 0; i < 20; i++)
		assert_false(lab_deliver_pieces(rig->xsk, 0, 0, large, PIECE));
	assert_int_equal(counter_read(&rig->xsk->rx_dropped), 20);
	relay(rig);
	rig_expect_counts(rig->streams[0], 0, RIG_FRAMES / 3, RIG_FRAMES / 3, 0);
	sink_close(&sink);
	rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_ENGINES(test_whole_and_in_order), BOTH_ENGINES(test_across_looks),
		BOTH_ENGINES(test_several_outputs),    BOTH_ENGINES(test_not_sent),
		BOTH_ENGINES(test_too_many_frames),    BOTH_ENGINES(test_padding),
		BOTH_ENGINES(test_all_frames),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
