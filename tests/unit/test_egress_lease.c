// SPDX-License-Identifier: BSD-2-Clause
/*
 * Egress of a rule with a lease that ends behind the thread's own check: the engine answers a batch
 * as the kernel would, after the lease has ended. Datagrams that are then sent one by one must not
 * leave. Real sockets send to a sink.
 */
#include "watchdog.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "dataplane/egress.h"
#include "lab.c"

#define FRAMES 64
#define COUNT  10

static struct {
	struct engine engine;
	struct send *pending;
	int answer;    /* to the batch; 0: all of it was sent */
	uint64_t ends; /* what then becomes of the lease's deadline */
	unsigned int batches;
	struct xmc_lease *lease;
} rig;

/* Replaces the library's. */
const struct engine_ops engine_mmsg;

static int rig_open(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		    int command_fd)
{
	rig.engine.ops = &engine_uring;
	rig.engine.handler = *handler;
	rig.engine.text = "rig";
	*out = &rig.engine;
	return 0;
}

static void rig_close(struct engine *engine)
{
	assert_null(rig.pending);
}

static void rig_send(struct engine *engine, struct send *send)
{
	assert_null(rig.pending);
	rig.pending = send;
}

static int rig_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	struct send *send = rig.pending;

	if (!send) {
		rig.engine.handler.shutdown(rig.engine.handler.context);
		return 0;
	}
	rig.pending = NULL;
	rig.batches++;
	rig.lease->until_ns = rig.ends;
	rig.engine.handler.sent(rig.engine.handler.context, send, rig.answer);
	return 0;
}

static unsigned int rig_overflows(const struct engine *engine)
{
	return 0;
}

const struct engine_ops engine_uring = {
	.open = rig_open,
	.close = rig_close,
	.send = rig_send,
	.enter = rig_enter,
	.overflows = rig_overflows,
};

static void queue_all(struct xsk *xsk, struct frame_queue *queue, struct stream *stream)
{
	for (uint32_t number = 0; number < COUNT; number++) {
		struct frame_entry entry = {.stream = stream,
					    .length = (uint16_t)lab_equal(number)};
		struct xsk_frame frame;

		assert_true(lab_deliver(xsk, 0, number, lab_equal));
		assert_int_equal(xsk_receive(xsk, &frame, 1), 1);
		entry.frame = frame.index;
		entry.udp = (uint16_t)(frame.offset + IPV4_PAYLOAD - sizeof(struct xmc_udp));
		xsk_hand_over(xsk, entry.frame, OWNER_INGRESS, OWNER_QUEUE);
		assert_true(frame_queue_push(queue, &entry));
	}
	frame_queue_publish(queue);
}

/* A batch is answered like this, and then the lease is held until then. */
static void run(struct sink *sink, int answer, uint64_t ends, struct output_shard *counts)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = FRAMES, .mtu = 1500, .rx_ring = FRAMES};
	struct egress *egress = aligned_alloc(CACHE_LINE, sizeof(*egress));
	struct xmc_lease lease = {.until_ns = UINT64_MAX / 2};
	struct frame_queue queue;
	struct egress_loop *loop;
	struct stream *stream;

	watchdog_start(__func__);
	memset(&rig, 0, sizeof(rig));
	memset(egress, 0, sizeof(*egress));
	rig.answer = answer;
	rig.ends = ends;
	rig.lease = &lease;
	sink_open(sink, "127.0.0.1", 0, lab_equal);
	stream = lab_stream(0, &sink->to, 1, 64);
	stream_set_lease(stream, &lease, 1, -1);
	assert_int_equal(xsk_open(&egress->xsk, &options), 0);
	assert_int_equal(frame_queue_init(&queue, FRAMES), 0);
	queue_all(egress->xsk, &queue, stream);
	egress->queue = &queue;
	egress->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(egress_loop_open(&loop, egress), 0);
	assert_int_equal(egress_loop_run(loop), 0);
	egress_loop_close(loop);
	assert_int_equal(rig.batches, 1);
	assert_true(fake_xsk_is_whole(egress->xsk));
	assert_int_equal(counter_read(&egress->counters.submitted),
			 counter_read(&stream->outputs[0].shards[0].submitted));
	assert_int_equal(counter_read(&egress->counters.withheld),
			 counter_read(&stream->outputs[0].shards[0].withheld[WITHHELD_STANDBY]));
	*counts = stream->outputs[0].shards[0];
	stream_put(stream);
	close(egress->notify_fd);
	frame_queue_destroy(&queue);
	xsk_close(egress->xsk);
	free(egress);
	watchdog_stop();
}

static void expect(const struct output_shard *counts, unsigned int submitted, unsigned int sent,
		   unsigned int standby)
{
	assert_int_equal(counter_read(&counts->submitted), submitted);
	assert_int_equal(counter_read(&counts->sent), sent);
	assert_int_equal(counter_read(&counts->withheld[WITHHELD_STANDBY]), standby);
}

/* A route without segmentation refuses a batch. */
static void test_refused_while_held(void **state)
{
	struct output_shard counts;
	struct sink sink;

	run(&sink, -EIO, UINT64_MAX / 2, &counts);
	expect(&counts, COUNT, COUNT, 0);
	sink_expect(&sink, COUNT);
	sink_close(&sink);
}

static void test_refused_after_the_end(void **state)
{
	struct output_shard counts;
	struct sink sink;

	run(&sink, -EIO, 1, &counts);
	expect(&counts, 0, 0, COUNT);
	assert_true(sink_is_empty(&sink));
	sink_close(&sink);
}

/* The kernel's own check has refused it, or, while the lease is held, a packet filter. */
static void test_not_permitted(void **state)
{
	struct output_shard counts;
	struct sink sink;

	run(&sink, -EPERM, 1, &counts);
	expect(&counts, 0, 0, COUNT);
	sink_close(&sink);
	run(&sink, -EPERM, UINT64_MAX / 2, &counts);
	expect(&counts, COUNT, 0, 0);
	assert_int_equal(counter_read(&counts.errors[send_error_slot(EPERM)]), COUNT);
	sink_close(&sink);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_while_held),
		cmocka_unit_test(test_refused_after_the_end),
		cmocka_unit_test(test_not_permitted),
	};

	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
