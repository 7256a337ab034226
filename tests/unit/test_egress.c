// SPDX-License-Identifier: BSD-2-Clause
/*
 * A packet from ingress through egress, refused sends, markers and commands: one thread over a fake
 * AF_XDP socket and real UDP sockets, with both engines.
 */
#include "watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "egress_rig.c"

static bool has_namespace;

/* ---- packets ---- */

static void test_nothing(void **state)
{
	struct rig *rig = rig_open(state);

	rig_relay(rig);
	rig_close(rig);
}

static void test_one_packet(void **state)
{
	struct rig *rig = rig_open(state);
	struct stream *stream;
	struct sink sink;

	stream = rig_add(rig, &sink, lab_equal, 64);
	rig_deliver(rig, 0, 1, lab_equal);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_expect_counts(stream, 0, 1, 1, 0);
	assert_int_equal(counter_read(&stream->outputs[0].shards[0].sent_bytes), 500);
	assert_int_equal(counter_read(&stream->shards[0].received), 1);
	assert_int_equal(counter_read(&stream->shards[0].received_bytes), 500);
	rig_close(rig);
}

static void test_fan_out(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[5];
	struct sink sinks[5];
	struct stream *stream;

	for (int i = 0; i < 5; i++) {
		sink_open(&sinks[i], i == 4 ? "239.7.7.7" : "127.0.0.1", 0, lab_mixed);
		outputs[i] = sinks[i].to;
	}
	stream = rig_add_outputs(rig, outputs, 5, 64);
	rig_deliver(rig, 0, 100, lab_mixed);
	rig_relay(rig);
	for (unsigned int i = 0; i < 5; i++) {
		rig_expect_all(rig, &sinks[i]);
		rig_expect_counts(stream, i, 100, 100, 0);
		assert_int_equal(counter_read(&stream->outputs[i].shards[0].sent_bytes),
				 counter_read(&stream->shards[0].received_bytes));
	}
	rig_close(rig);
}

/* Up to 64 equal datagrams leave with one send, and arrive as they were. */
static void test_gathered(void **state)
{
	struct rig *rig = rig_open(state);
	struct stream *stream;
	struct sink sink;

	stream = rig_add(rig, &sink, lab_equal, 64);
	rig_deliver(rig, 0, 64, lab_equal);
	rig_deliver(rig, 0, 32, lab_equal);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_expect_counts(stream, 0, 96, 96, 0);
	assert_int_equal(counter_read(&rig->egress.counters.sends), 2);
	rig_close(rig);
}

static void test_not_gathered(void **state)
{
	struct rig *rig = rig_open(state);
	struct sink sink;

	rig_add(rig, &sink, lab_equal, 1);
	rig_deliver(rig, 0, 96, lab_equal);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	assert_int_equal(counter_read(&rig->egress.counters.sends), 96);
	rig_close(rig);
}

/* Three interleaved flows of all lengths: each arrives in order, byte for byte. */
static void test_mixed(void **state)
{
	struct rig *rig = rig_open(state);
	struct sink sinks[3];

	for (int i = 0; i < 3; i++)
		rig_add(rig, &sinks[i], lab_mixed, i == 1 ? 1 : 64);
	for (int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < 3; i++)
			rig_deliver(rig, i, 1 + (round + i) % 4, lab_mixed);
	}
	rig_relay(rig);
	for (unsigned int i = 0; i < 3; i++) {
		rig_expect_counts(rig->streams[i], 0, rig->numbers[i], rig->numbers[i], 0);
		rig_expect_all(rig, &sinks[i]);
	}
	rig_close(rig);
}

/* More sends in one pass than there are requests, and many outputs with an open request. */
static void test_many_outputs(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[14];
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	for (unsigned int i = 0; i < 14; i++)
		outputs[i] = sink.to;
	for (unsigned int i = 0; i < RIG_STREAMS; i++)
		rig_add_outputs(rig, outputs, 14, i % 2 ? 64 : 1);
	for (unsigned int round = 0; round < 6; round++) {
		for (unsigned int i = 0; i < RIG_STREAMS; i++)
			rig_deliver(rig, i, 2, lab_equal);
	}
	rig_relay(rig);
	for (unsigned int i = 0; i < RIG_STREAMS; i++) {
		for (unsigned int j = 0; j < 14; j++)
			rig_expect_counts(rig->streams[i], j, 12, 12, 0);
	}
	sink_close(&sink);
	rig_close(rig);
}

/* All frames are queued at once. */
static void test_all_frames(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output output = {.port = 9, .ttl = 1};
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	output.to = sink.to.to;
	output.port = sink.to.port;
	rig_add_outputs(rig, &output, 1, 64);
	rig_deliver(rig, 0, RIG_FRAMES, lab_equal);
	assert_false(lab_deliver(rig->xsk, 0, RIG_FRAMES, lab_equal)); /* no free frame */
	rig_relay(rig);
	rig_expect_counts(rig->streams[0], 0, RIG_FRAMES, RIG_FRAMES, 0);
	sink_expect(&sink, sink.room < RIG_FRAMES ? sink.room : RIG_FRAMES);
	sink_close(&sink);
	rig_close(rig);
}

/* A packet that no rule matches is counted by reason, and its frame returns. */
static void test_not_matched(void **state)
{
	struct rig *rig = rig_open(state);
	struct packet packet;
	struct sink sink;

	rig_add(rig, &sink, lab_equal, 64);
	for (int i = 0; i < 10; i++) {
		rig_deliver(rig, 0, 1, lab_equal);
		rig_deliver(rig, 9, 1, lab_equal); /* no rule matches */
		packet_build_text(&packet, "10.9.9.9", "239.1.1.0", LAB_PORT, 100);
		packet_set8(&packet, IPV4_CHECKSUM, 0xff);
		packet_set8(&packet, IPV4_CHECKSUM + 1, 0xff);
		assert_true(fake_xsk_deliver(rig->xsk, packet.bytes, packet.length));
		assert_true(fake_xsk_deliver(rig->xsk, packet.bytes, (size_t)i * 4));
		rig->delivered += 2;
	}
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_expect_counts(rig->streams[0], 0, 10, 10, 0);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_INVALID]), 20);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_NO_RULE]), 10);
	rig_close(rig);
}

/* A frame without outputs returns at once. */
static void test_no_output(void **state)
{
	struct rig *rig = rig_open(state);
	struct sink sink;

	rig_add(rig, &sink, lab_equal, 64);
	rig_add_outputs(rig, NULL, 0, 64);
	for (int i = 0; i < 10; i++) {
		rig_deliver(rig, 0, 1, lab_equal);
		rig_deliver(rig, 1, 1, lab_equal);
	}
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

/* ---- refusals ---- */

static uint32_t small(uint32_t number)
{
	return 100;
}

/* A socket that refuses batches: after the first attempt each datagram is sent singly. */
static void refuse_batches(void **state, lab_lengths lengths)
{
	struct rig *rig = rig_open(state);
	const int on = 1;
	struct stream *stream;
	struct sink sink;

	stream = rig_add(rig, &sink, lengths, 64);
	/* Without checksums the kernel answers EINVAL to UDP_SEGMENT. */
	assert_int_equal(
		setsockopt(stream->outputs[0].fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	rig_deliver(rig, 0, 100, lengths);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_expect_counts(stream, 0, 100, 100, 0);
	assert_true(counter_read(&stream->outputs[0].shards[0].gso_refused) > 0);
	rig_close(rig);
}

static void test_batches_refused(void **state)
{
	refuse_batches(state, small);
}

static void test_mixed_batches_refused(void **state)
{
	refuse_batches(state, lab_mixed);
}

/* Eight small datagrams, eight that do not fit the MTU, and so on. */
static uint32_t above_mtu(uint32_t number)
{
	return number / 8 % 2 ? LAB_MTU + 100 : 300;
}

/* Segments above the MTU are refused as a batch, and fragmented if they are sent singly. The flow
 * keeps its order. */
static void test_above_mtu(void **state)
{
	struct rig *rig = rig_open(state);
	struct stream *stream;
	struct sink sink;

	if (!has_namespace)
		skip_for("needs a network namespace, for an MTU of 1500");
	stream = rig_add(rig, &sink, above_mtu, 64);
	rig_deliver(rig, 0, 200, above_mtu);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_expect_counts(stream, 0, 200, 200, 0);
	rig_close(rig);
}

/* An output whose socket fails does not affect the other ones. */
static void test_bad_descriptor(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[3];
	struct sink sinks[3];
	struct stream *stream;
	int fd;

	for (int i = 0; i < 3; i++) {
		sink_open(&sinks[i], "127.0.0.1", 0, lab_mixed);
		outputs[i] = sinks[i].to;
	}
	stream = rig_add_outputs(rig, outputs, 3, 64);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(dup2(fd, stream->outputs[1].fd), stream->outputs[1].fd);
	close(fd);
	rig_deliver(rig, 0, 100, lab_mixed);
	rig_relay(rig);
	rig_expect_all(rig, &sinks[0]);
	assert_true(sink_is_empty(&sinks[1]));
	sink_close(&sinks[1]);
	rig_expect_all(rig, &sinks[2]);
	rig_expect_counts(stream, 0, 100, 100, 0);
	rig_expect_counts(stream, 1, 100, 0, ENOTSOCK);
	rig_expect_counts(stream, 2, 100, 100, 0);
	rig_close(rig);
}

static void test_unreachable(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output output = {.port = 6000, .ttl = 1};
	struct stream *stream;

	if (!has_namespace)
		skip_for("needs a network namespace, for an address without a route");
	assert_true(addr_parse("192.0.2.1", &output.to));
	stream = rig_add_outputs(rig, &output, 1, 64);
	rig_deliver(rig, 0, 100, lab_equal);
	rig_relay(rig);
	rig_expect_counts(stream, 0, 100, 0, ENETUNREACH);
	rig_close(rig);
}

/* A listener that has ended: ICMP errors return, but every datagram is sent. */
static void test_port_unreachable(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[2];
	struct sink sinks[2];
	struct stream *stream;

	for (int i = 0; i < 2; i++) {
		sink_open(&sinks[i], "127.0.0.1", 0, lab_mixed);
		outputs[i] = sinks[i].to;
	}
	sink_close(&sinks[0]);
	stream = rig_add_outputs(rig, outputs, 2, 64);
	rig_deliver(rig, 0, 200, lab_mixed);
	rig_relay(rig);
	rig_expect_counts(stream, 0, 200, 200, 0);
	rig_expect_counts(stream, 1, 200, 200, 0);
	rig_expect_all(rig, &sinks[1]);
	rig_close(rig);
}

static uint32_t too_long(uint32_t number)
{
	return LAB_MAX_PAYLOAD;
}

static void test_message_size(void **state)
{
	struct rig *rig = rig_open(state);
	const int never_fragment = IP_PMTUDISC_DO;
	struct stream *stream;
	struct sink sink;

	if (!has_namespace)
		skip_for("needs a network namespace, for an MTU of 1500");
	stream = rig_add(rig, &sink, too_long, 64);
	assert_int_equal(setsockopt(stream->outputs[0].fd, IPPROTO_IP, IP_MTU_DISCOVER,
				    &never_fragment, sizeof(never_fragment)),
			 0);
	rig_deliver(rig, 0, 100, too_long);
	rig_relay(rig);
	rig_expect_counts(stream, 0, 100, 0, EMSGSIZE);
	assert_true(sink_is_empty(&sink));
	sink_close(&sink);
	rig_close(rig);
}

/* Packets for a neighbour that does not answer occupy the send buffer until it is full. What does
 * not fit is dropped and counted; nothing waits for it. */
static void test_full_buffer(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output output = {.port = 6000, .ttl = 1};
	const struct output_shard *queue;
	const int small_buffer = 1;
	struct stream *stream;

	if (!has_namespace ||
	    !lab_run("ip link add full0 type veth peer name full1 2>/dev/null && "
		     "ip addr add 198.51.100.1/24 dev full0 && ip link set full0 up && "
		     "ip link set full1 up"))
		skip_for("needs a network namespace and veth, for a missing neighbour");
	assert_true(addr_parse("198.51.100.2", &output.to));
	stream = rig_add_outputs(rig, &output, 1, 1);
	assert_int_equal(setsockopt(stream->outputs[0].fd, SOL_SOCKET, SO_SNDBUF, &small_buffer,
				    sizeof(small_buffer)),
			 0);
	rig_deliver(rig, 0, 200, lab_equal);
	rig_relay(rig);
	queue = &stream->outputs[0].shards[0];
	assert_true(counter_read(&queue->sent) > 0);
	assert_true(counter_read(&queue->sent) < 200);
	rig_expect_counts(stream, 0, 200, counter_read(&queue->sent), EAGAIN);
	rig_close(rig);
	lab_run("ip link del full0");
}

/* ---- markers and commands ---- */

static void push_marker(struct rig *rig, uint64_t generation)
{
	const struct frame_entry marker = {.kind = FRAME_MARKER, .generation = generation};

	assert_true(frame_queue_push(&rig->queue, &marker));
	frame_queue_publish(&rig->queue);
}

static void test_markers(void **state)
{
	struct rig *rig = rig_open(state);
	uint64_t notified = 0;
	struct sink sink;

	rig_add(rig, &sink, lab_mixed, 64);
	push_marker(rig, 1);
	for (uint64_t i = 0; i < 5; i++) {
		rig_deliver(rig, 0, 30, lab_mixed);
		ruleset_free(rig->ruleset);
		rig->ruleset = NULL;
		/* rig_receive() counts the frames that are queued; markers are none. */
		assert_int_equal(ruleset_new(&rig->ruleset, rig->streams, NULL, 1), 0);
		rig->ingress.ruleset = rig->ruleset;
		ingress_run(&rig->ingress);
		push_marker(rig, 2 * i + 2);
		push_marker(rig, 2 * i + 3);
	}
	rig_send_all_queued(rig);
	rig_expect_all(rig, &sink);
	assert_int_equal(atomic_load(&rig->egress.acknowledged), 11);
	assert_int_equal(read(rig->egress.notify_fd, &notified, sizeof(notified)),
			 sizeof(notified));
	assert_int_equal(notified, 11);
	rig_close(rig);
}

static void test_commands(void **state)
{
	struct rig *rig = rig_open(state);
	const struct egress_command command = {.kind = EGRESS_PING};
	struct sink sink;

	rig_add(rig, &sink, lab_mixed, 64);
	rig_deliver(rig, 0, 30, lab_mixed);
	rig_receive(rig);
	for (uint32_t i = 1; i <= 20; i++) {
		assert_int_equal(send(rig->command_fd, &command, sizeof(command), 0),
				 sizeof(command));
		/* A record that is too short is logged and ignored. */
		assert_int_equal(send(rig->command_fd, &command, 3, 0), 3);
	}
	rig_send_all_queued(rig);
	/* The thread sees each of them, before the end of the stream. */
	assert_true(counter_read(&rig->egress.counters.beats) >= 20);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

/* A ruleset handed over while packets wait in the RX ring applies to them, behind a marker. */
static void test_ruleset_handed_over(void **state)
{
	struct rig *rig = rig_open(state);
	struct ruleset *next;
	struct sink sinks[2];

	for (int i = 0; i < 2; i++)
		rig_add(rig, &sinks[i], lab_mixed, 64);
	rig_deliver(rig, 0, 40, lab_mixed);
	rig_deliver(rig, 1, 40, lab_mixed);
	rig_receive(rig);
	assert_int_equal(ruleset_new(&next, &rig->streams[1], NULL, 1), 0);
	atomic_store(&rig->ingress.next_generation, 7);
	atomic_store(&rig->ingress.next, next);
	rig_deliver(rig, 1, 40, lab_mixed);
	for (int i = 0; i < 5; i++)
		assert_true(lab_deliver(rig->xsk, 0, 40, lab_mixed));
	rig->delivered += 5;
	ingress_run(&rig->ingress);
	assert_null(atomic_load(&rig->ingress.next));
	rig_send_all_queued(rig);
	assert_int_equal(atomic_load(&rig->egress.acknowledged), 7);
	assert_int_equal(counter_read(&rig->ingress.counters.drops[INGRESS_NO_RULE]), 5);
	rig_expect_all(rig, &sinks[0]);
	rig_expect_all(rig, &sinks[1]);
	ruleset_free(next);
	rig_close(rig);
}

static void packets_and_the_end(void *context)
{
	struct rig *rig = context;

	rig_deliver(rig, 0, 3, lab_equal);
	atomic_store(&rig->ingress.stop, true);
}

/* Packets and the order to end arrive when ingress has just found nothing: it looks again. */
static void test_late_packets(void **state)
{
	struct rig *rig = rig_open(state);
	struct sink sink;

	rig_add(rig, &sink, lab_equal, 64);
	atomic_store(&rig->ingress.stop, false);
	fake_xsk_when_empty(packets_and_the_end, rig);
	rig_relay(rig);
	rig_expect_all(rig, &sink);
	rig_close(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_ENGINES(test_nothing),
		BOTH_ENGINES(test_one_packet),
		BOTH_ENGINES(test_fan_out),
		BOTH_ENGINES(test_gathered),
		BOTH_ENGINES(test_not_gathered),
		BOTH_ENGINES(test_mixed),
		BOTH_ENGINES(test_many_outputs),
		BOTH_ENGINES(test_all_frames),
		BOTH_ENGINES(test_not_matched),
		BOTH_ENGINES(test_no_output),
		BOTH_ENGINES(test_batches_refused),
		BOTH_ENGINES(test_mixed_batches_refused),
		BOTH_ENGINES(test_above_mtu),
		BOTH_ENGINES(test_bad_descriptor),
		BOTH_ENGINES(test_unreachable),
		BOTH_ENGINES(test_port_unreachable),
		BOTH_ENGINES(test_message_size),
		BOTH_ENGINES(test_full_buffer),
		BOTH_ENGINES(test_markers),
		BOTH_ENGINES(test_commands),
		BOTH_ENGINES(test_ruleset_handed_over),
		BOTH_ENGINES(test_late_packets),
	};

	has_namespace = lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
