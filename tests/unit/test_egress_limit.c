// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limited outputs: what passes leaves in order and whole beside outputs without a limit, what does
 * not is counted, and every frame goes back. Ingress and egress one after the other in one thread,
 * over a fake AF_XDP socket and real UDP sockets, with both engines.
 */
#include "watchdog.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "../bpf/require.h"
#include "base/clock.h"
#include "dataplane/egress.h"
#include "dataplane/ingress.h"
#include "lab.c"

#define FRAMES	1024
#define PACKETS 400

/* Longer than any test takes: a limit with such a debt lets nothing pass. */
#define DEBT_SECONDS 500

struct rig {
	struct xsk *xsk;
	struct frame_queue queue;
	struct ingress ingress;
	struct egress egress;
	int command_fd;
};

static struct rig *rig_open(void **state)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = FRAMES, .frame_size = 2048, .rx_ring = FRAMES};
	struct rig *rig = aligned_alloc(CACHE_LINE, sizeof(*rig));
	int stream[2];

	watchdog_start("egress limit");
	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	assert_int_equal(xsk_open(&rig->xsk, &options), 0);
	assert_int_equal(frame_queue_init(&rig->queue, FRAMES + 16), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stream), 0);
	rig->ingress.xsk = rig->egress.xsk = rig->xsk;
	rig->ingress.queue = rig->egress.queue = &rig->queue;
	rig->egress.engine = *(const enum egress_engine *)*state;
	rig->egress.wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig->egress.notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rig->ingress.egress_wakeup_fd = rig->egress.wakeup_fd;
	rig->ingress.control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&rig->ingress.stop, true);
	rig->command_fd = stream[0];
	rig->egress.command_fd = stream[1];
	return rig;
}

/* The next PACKETS packets of the flow arrive and are relayed; the command stream ends. */
static void relay(struct rig *rig, struct stream *stream, lab_lengths lengths)
{
	struct egress_loop *loop;
	struct ruleset *ruleset;

	for (uint32_t i = 0; i < PACKETS; i++)
		assert_true(lab_deliver(rig->xsk, 0, i, lengths));
	assert_int_equal(ruleset_new(&ruleset, &stream, 1), 0);
	rig->ingress.ruleset = ruleset;
	ingress_run(&rig->ingress);
	close(rig->command_fd);
	assert_int_equal(egress_loop_open(&loop, &rig->egress), 0);
	if (rig->egress.engine == ENGINE_IO_URING &&
	    strncmp(egress_loop_engine(loop), "io_uring", 8) != 0)
		skip_for("no io_uring here (sysctl kernel.io_uring_disabled)");
	assert_int_equal(egress_loop_run(loop), 0);
	egress_loop_close(loop);
	ruleset_free(ruleset);
}

static void rig_close(struct rig *rig)
{
	assert_true(fake_xsk_is_whole(rig->xsk));
	assert_int_equal(xsk_kernel_frames(rig->xsk), FRAMES);
	assert_int_equal(counter_read(&rig->egress.counters.in_flight), 0);
	close(rig->egress.wakeup_fd);
	close(rig->egress.notify_fd);
	close(rig->ingress.control_fd);
	close(rig->egress.command_fd);
	frame_queue_destroy(&rig->queue);
	xsk_close(rig->xsk);
	free(rig);
	watchdog_stop();
}

/* So many passed and were sent, the rest is counted as over the limit. */
static void expect_passed(const struct stream *stream, unsigned int output, uint64_t passed)
{
	const struct output_queue *queue = &stream->outputs[output].queues[0];

	assert_int_equal(counter_read(&queue->submitted), passed);
	assert_int_equal(counter_read(&queue->sent), passed);
	assert_int_equal(counter_read(&queue->rate_limited), PACKETS - passed);
	assert_null(queue->open);
	assert_false(queue->listed);
}

static void expect_sink(struct sink *sink, uint32_t passed)
{
	sink_expect(sink, passed);
	assert_true(sink_is_empty(sink));
	sink_close(sink);
}

/* The first, the middle and the last of three outputs is limited to what a burst lets pass. */
static void run_burst(void **state, unsigned int limited, lab_lengths lengths, unsigned int gso)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[3];
	struct stream *stream;
	struct sink sinks[3];
	uint64_t passed, started;

	for (unsigned int i = 0; i < 3; i++) {
		sink_open(&sinks[i], "127.0.0.1", 0, lengths);
		outputs[i] = sinks[i].to;
	}
	outputs[limited].rate_pps = 10;
	outputs[limited].burst_ms = 10000;
	started = clock_ns();
	stream = lab_stream(0, outputs, 3, gso);
	relay(rig, stream, lengths);
	passed = counter_read(&stream->outputs[limited].queues[0].sent);
	/* 100 and the one that overdraws the bucket, and what the time since has given. */
	assert_in_range(passed, 101, 101 + (clock_ns() - started) / (NS_PER_SECOND / 10));
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t expected = i == limited ? passed : PACKETS;

		expect_passed(stream, i, expected);
		expect_sink(&sinks[i], (uint32_t)expected);
	}
	stream_put(stream);
	rig_close(rig);
}

static void test_first(void **state)
{
	run_burst(state, 0, lab_equal, 64);
}

static void test_middle(void **state)
{
	run_burst(state, 1, lab_mixed, 64);
}

static void test_last_singly(void **state)
{
	run_burst(state, 2, lab_equal, 1);
}

/* An output that lets nothing pass: alone, so that a frame has nothing to be sent at all. */
static void test_nothing_passes(void **state)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[2];
	struct stream *stream;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	outputs[0] = outputs[1] = sink.to;
	outputs[0].rate_bps = RATE_BPS_MIN;
	outputs[1].rate_pps = 1;
	stream = lab_stream(0, outputs, 2, 64);
	for (unsigned int i = 0; i < 2; i++) {
		struct rate_limit *limit = stream->outputs[i].limit;
		struct rate_bucket *bucket = i ? &limit->packets : &limit->bits;

		atomic_fetch_add(&bucket->paid_at,
				 (uint64_t)DEBT_SECONDS * NS_PER_SECOND << RATE_TICK_BITS);
	}
	relay(rig, stream, lab_equal);
	expect_passed(stream, 0, 0);
	expect_passed(stream, 1, 0);
	assert_int_equal(counter_read(&rig->egress.counters.sends), 0);
	expect_sink(&sink, 0);
	stream_put(stream);
	rig_close(rig);
}

/* One that is never reached changes nothing: batches are as large as without. */
static void test_within(void **state)
{
	struct rig *rig = rig_open(state);
	struct stream *stream;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	sink.to.rate_bps = RATE_BPS_MAX;
	sink.to.rate_pps = RATE_PPS_MAX;
	stream = lab_stream(0, &sink.to, 1, 64);
	relay(rig, stream, lab_equal);
	expect_passed(stream, 0, PACKETS);
	assert_int_equal(counter_read(&rig->egress.counters.sends), (PACKETS + 63) / 64);
	expect_sink(&sink, PACKETS);
	stream_put(stream);
	rig_close(rig);
}

/* Two limits of one destination, which share a socket, are two limits. */
static void test_shared_socket(void **state)
{
	const struct egress_config egress = {.gso = 64, .send_buffer = 4 << 20};
	struct rule_output output = {.port = 9, .ttl = 1, .rate_pps = 10};
	struct rule rule = {.name = "r", .port = 5000, .iface = "lo", .nr_outputs = 1};
	struct stream_failure failure;
	struct stream *before, *after;

	assert_true(addr_parse("127.0.0.1", &output.to));
	assert_true(addr_parse("239.1.1.1", &rule.group));
	rule.outputs = &output;
	assert_int_equal(stream_open(&before, &rule, 2, &egress, NULL, &failure), 0);
	output.rate_pps = 20;
	assert_int_equal(stream_open(&after, &rule, 2, &egress, before, &failure), 0);
	assert_int_equal(before->outputs[0].fd, after->outputs[0].fd);
	assert_ptr_not_equal(before->outputs[0].limit, after->outputs[0].limit);
	assert_true(before->outputs[0].limit->packet_cost ==
		    2 * after->outputs[0].limit->packet_cost);
	/* All queues have the one of the output. */
	assert_ptr_equal(after->outputs[0].queues[0].limit, after->outputs[0].limit);
	assert_ptr_equal(after->outputs[0].queues[1].limit, after->outputs[0].limit);
	stream_put(before);
	output.rate_pps = 0;
	assert_int_equal(stream_open(&before, &rule, 1, &egress, after, &failure), 0);
	assert_null(before->outputs[0].limit);
	assert_null(before->outputs[0].queues[0].limit);
	stream_put(before);
	stream_put(after);
}

#define ENGINES(test)                                                                              \
	{#test " with io_uring", test, NULL, NULL, (void *)&engines[0]},                           \
	{                                                                                          \
#test " with sendmmsg", test, NULL, NULL, (void *)&engines[1]                      \
	}

int main(void)
{
	static const enum egress_engine engines[] = {ENGINE_IO_URING, ENGINE_SENDMMSG};
	const struct CMUnitTest tests[] = {
		ENGINES(test_first),	   ENGINES(test_middle),
		ENGINES(test_last_singly), ENGINES(test_nothing_passes),
		ENGINES(test_within),	   cmocka_unit_test(test_shared_socket),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
