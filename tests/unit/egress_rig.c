// SPDX-License-Identifier: BSD-2-Clause
#include "egress_rig.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include "watchdog.h"
#include "../bpf/require.h"

/* Included like lab.c, so that a unit test remains one file. */
#include "lab.c"

const enum egress_engine rig_engines[2] = {ENGINE_IO_URING, ENGINE_SENDMMSG};

struct rig *rig_open_for(void **state, unsigned int mtu)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = RIG_FRAMES, .mtu = mtu, .rx_ring = RIG_FRAMES};
	struct rig *rig = aligned_alloc(CACHE_LINE, sizeof(*rig));
	int stream[2];

	watchdog_start("egress");
	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	assert_int_equal(xsk_open(&rig->xsk, &options), 0);
	assert_int_equal(frame_queue_init(&rig->queue, RIG_FRAMES + 16), 0);
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

struct rig *rig_open(void **state)
{
	return rig_open_for(state, 1500);
}

void rig_close(struct rig *rig)
{
	assert_true(fake_xsk_is_whole(rig->xsk));
	assert_int_equal(xsk_kernel_frames(rig->xsk), RIG_FRAMES);
	assert_int_equal(counter_read(&rig->egress.counters.in_flight), 0);
	assert_int_equal(counter_read(&rig->egress.counters.cq_overflows), 0);
	assert_int_equal(counter_read(&rig->ingress.counters.received), rig->delivered);
	assert_true(frame_queue_empty(&rig->queue));
	ruleset_free(rig->ruleset);
	for (unsigned int i = 0; i < rig->nr_streams; i++)
		stream_put(rig->streams[i]);
	close(rig->egress.wakeup_fd);
	close(rig->egress.notify_fd);
	close(rig->ingress.control_fd);
	close(rig->egress.command_fd);
	frame_queue_destroy(&rig->queue);
	xsk_close(rig->xsk);
	free(rig);
	watchdog_stop();
}

struct stream *rig_add_outputs(struct rig *rig, const struct rule_output *outputs,
			       unsigned int count, unsigned int gso)
{
	unsigned int flow = rig->nr_streams++;

	rig->streams[flow] = lab_stream(flow, outputs, count, gso);
	return rig->streams[flow];
}

struct stream *rig_add(struct rig *rig, struct sink *sink, lab_lengths lengths, unsigned int gso)
{
	sink_open(sink, "127.0.0.1", rig->nr_streams, lengths);
	return rig_add_outputs(rig, &sink->to, 1, gso);
}

void rig_deliver(struct rig *rig, unsigned int flow, uint32_t count, lab_lengths lengths)
{
	while (count--) {
		assert_true(lab_deliver(rig->xsk, flow, rig->numbers[flow]++, lengths));
		rig->delivered++;
	}
}

void rig_receive(struct rig *rig)
{
	if (!rig->ruleset)
		assert_int_equal(ruleset_new(&rig->ruleset, rig->streams, NULL, rig->nr_streams),
				 0);
	rig->ingress.ruleset = rig->ruleset;
	ingress_run(&rig->ingress);
	assert_int_equal(frame_queue_length(&rig->queue) + counter_read(&rig->xsk->returned) -
				 RIG_FRAMES,
			 rig->delivered);
}

void rig_send_all_queued(struct rig *rig)
{
	struct egress_loop *loop;

	close(rig->command_fd);
	assert_int_equal(egress_loop_open(&loop, &rig->egress), 0);
	if (rig->egress.engine == ENGINE_IO_URING &&
	    strncmp(egress_loop_engine(loop), "io_uring", 8) != 0)
		skip_for("no io_uring here (sysctl kernel.io_uring_disabled)");
	assert_int_equal(egress_loop_run(loop), 0);
	egress_loop_close(loop);
}

void rig_relay(struct rig *rig)
{
	rig_receive(rig);
	rig_send_all_queued(rig);
}

static uint64_t sum_errors(const struct output_shard *queue)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < SEND_ERRORS; i++)
		sum += counter_read(&queue->errors[i]);
	return sum;
}

void rig_expect_counts(const struct stream *stream, unsigned int output, uint64_t submitted,
		       uint64_t sent, int error)
{
	const struct output_shard *queue = &stream->outputs[output].shards[0];

	assert_int_equal(counter_read(&queue->submitted), submitted);
	assert_int_equal(counter_read(&queue->sent), sent);
	assert_int_equal(sum_errors(queue), submitted - sent);
	if (submitted > sent)
		assert_int_equal(counter_read(&queue->errors[send_error_slot(error)]),
				 submitted - sent);
	assert_null(queue->open);
	assert_null(queue->next_open);
	assert_false(queue->listed);
}

void rig_expect_only(struct sink *sink, uint32_t count)
{
	sink_expect(sink, count);
	assert_true(sink_is_empty(sink));
	sink_close(sink);
}

void rig_expect_all(struct rig *rig, struct sink *sink)
{
	rig_expect_only(sink, rig->numbers[sink->flow] - sink->next);
}
