// SPDX-License-Identifier: BSD-2-Clause
/*
 * Egress over an engine whose sends complete late, a random few at a time. Real engines complete
 * UDP sends during submission, so only this test shows what has to wait for a completion: a frame
 * must stay untouched until the last of its sends has completed, and until then a marker must not
 * be acknowledged and the loop must not end. No sockets send anything.
 */
#include "watchdog.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "dataplane/egress.h"
#include "dataplane/stamp.h"
#include "lab.c"

#define FRAMES	2048
#define OUTPUTS 24
#define STREAMS 3
#define MARKERS 8
#define EVERY	(FRAMES / MARKERS) /* entries from one marker to the next */

struct late {
	struct engine engine;
	struct send_request *pending[ENGINE_SENDS]; /* a ring, oldest at `first` */
	unsigned int first;
	unsigned int count;
	uint32_t random;
	unsigned int enters;
	unsigned int shutdown_at;  /* the command stream ends with this call of enter */
	uint64_t completed;	   /* datagrams */
	uint64_t refused;	   /* of these */
	uint64_t timed;		   /* sends of datagrams with a stamp */
	uint64_t due[MARKERS + 1]; /* datagrams that must have completed before each marker */
	uint32_t next[STREAMS][OUTPUTS];
	struct stream *streams[STREAMS];
	struct egress *egress;
};

static struct late late;

/* Replaces the library's. */
const struct engine_ops engine_mmsg;

/* The datagram is the next of its flow on this output, and its bytes are still there. */
static void check_datagram(const struct output_shard *to, const struct iovec *payload)
{
	uint8_t expected[LAB_MAX_PAYLOAD];
	unsigned int flow = 0;
	unsigned int output;
	uint32_t number;

	while (to->output < late.streams[flow]->outputs ||
	       to->output >= late.streams[flow]->outputs + OUTPUTS)
		flow++;
	output = (unsigned int)(to->output - late.streams[flow]->outputs);
	number = late.next[flow][output]++;
	assert_int_equal(payload->iov_len, lab_mixed(number));
	fill_payload(expected, flow, number, lab_mixed(number));
	assert_memory_equal(payload->iov_base, expected, payload->iov_len);
}

static void complete_one(void)
{
	struct send_request *request = late.pending[late.first];
	int result = (int)request->bytes;

	for (unsigned int i = 0; i < request->count; i++)
		check_datagram(request->to, &request->payloads[i]);
	late.completed += request->count;
	if (next_random(&late.random) % 5 == 0) {
		late.refused += request->count;
		result = -EAGAIN;
	}
	late.first = (late.first + 1) % ENGINE_SENDS;
	late.count--;
	late.engine.handler.sent(late.engine.handler.context, &request->send, result);
}

static int late_open(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		     int command_fd)
{
	late.engine.ops = &engine_uring;
	late.engine.handler = *handler;
	late.engine.text = "late";
	*out = &late.engine;
	return 0;
}

static void late_close(struct engine *engine)
{
	assert_int_equal(late.count, 0);
}

static void late_send(struct engine *engine, struct send *send)
{
	assert_true(late.count < ENGINE_SENDS);
	late.pending[(late.first + late.count++) % ENGINE_SENDS] = (struct send_request *)send;
}

static int late_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	uint64_t acknowledged = atomic_load(&late.egress->acknowledged);
	unsigned int finish = next_random(&late.random) % 20;

	/* Few complete unless the loop waits, so that it runs out of requests now and then. */
	if (!wait && next_random(&late.random) % 8)
		finish = 0;
	assert_true(late.completed >= late.due[acknowledged]);
	if (++late.enters == late.shutdown_at)
		late.engine.handler.shutdown(late.engine.handler.context);
	else if (wait && !late.count)
		fail_msg("waits for nothing, after %u calls", late.enters);
	if (wait && !finish)
		finish = 1;
	while (finish-- && late.count)
		complete_one();
	return 0;
}

static unsigned int late_overflows(const struct engine *engine)
{
	return 0;
}

const struct engine_ops engine_uring = {
	.open = late_open,
	.close = late_close,
	.send = late_send,
	.enter = late_enter,
	.overflows = late_overflows,
};

/* A frame of the fill ring, with the next datagram of this flow, into the queue. */
static void queue_datagram(struct xsk *xsk, struct frame_queue *queue, unsigned int flow,
			   uint32_t number)
{
	struct frame_entry entry = {.stream = late.streams[flow], .length = lab_mixed(number)};
	struct xsk_frame frame;

	if (number % STAMP_EVERY == 0) {
		entry.stamp = stamp_now();
		late.timed += OUTPUTS;
	}
	assert_true(lab_deliver(xsk, flow, number, lab_mixed));
	assert_int_equal(xsk_receive(xsk, &frame, 1), 1);
	entry.frame = frame.index;
	entry.udp = frame.offset + IPV4_PAYLOAD - sizeof(struct xmc_udp);
	xsk_hand_over(xsk, entry.frame, OWNER_INGRESS, OWNER_QUEUE);
	assert_true(frame_queue_push(queue, &entry));
}

static void fill_queue(struct xsk *xsk, struct frame_queue *queue)
{
	uint32_t numbers[STREAMS] = {0};
	uint64_t datagrams = 0;

	for (uint32_t i = 0; i < FRAMES; i++) {
		/* Runs of one flow, so that some are gathered. */
		unsigned int flow = i / 3 % STREAMS;

		queue_datagram(xsk, queue, flow, numbers[flow]++);
		datagrams += OUTPUTS;
		if (i % EVERY == EVERY - 1) {
			struct frame_entry marker = {.kind = FRAME_MARKER,
						     .generation = i / EVERY + 1};

			late.due[marker.generation] = datagrams;
			assert_true(frame_queue_push(queue, &marker));
		}
	}
	frame_queue_publish(queue);
}

static void expect_books(uint64_t datagrams)
{
	struct histogram_counts latency = {0};
	uint64_t errors = 0;
	uint64_t sent = 0;

	for (unsigned int i = 0; i < STREAMS; i++) {
		histogram_sum(&late.streams[i]->latency[0], &latency);
		for (unsigned int j = 0; j < OUTPUTS; j++) {
			const struct output_shard *queue = &late.streams[i]->outputs[j].shards[0];

			sent += counter_read(&queue->sent);
			errors += counter_read(&queue->errors[send_error_slot(EAGAIN)]);
		}
	}
	assert_int_equal(late.completed, datagrams);
	assert_int_equal(errors, late.refused);
	assert_int_equal(sent, datagrams - late.refused);
	/* A refused send counts as well, until its refusal is known. */
	assert_int_equal(latency.samples, late.timed);
}

static void run_late(uint32_t seed, unsigned int shutdown_at)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = FRAMES, .mtu = 1500, .rx_ring = FRAMES};
	struct egress *egress = aligned_alloc(CACHE_LINE, sizeof(*egress));
	struct rule_output outputs[OUTPUTS];
	struct frame_queue queue;
	struct egress_loop *loop;

	memset(&late, 0, sizeof(late));
	memset(egress, 0, sizeof(*egress));
	late.random = seed;
	late.shutdown_at = shutdown_at;
	late.egress = egress;
	for (unsigned int i = 0; i < OUTPUTS; i++) {
		outputs[i] = (struct rule_output){.port = 9, .ttl = 1};
		assert_true(addr_parse("127.0.0.1", &outputs[i].to));
	}
	for (unsigned int i = 0; i < STREAMS; i++)
		late.streams[i] = lab_stream(i, outputs, OUTPUTS, 64);
	assert_int_equal(xsk_open(&egress->xsk, &options), 0);
	assert_int_equal(frame_queue_init(&queue, FRAMES + MARKERS), 0);
	fill_queue(egress->xsk, &queue);
	egress->queue = &queue;
	egress->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(egress_loop_open(&loop, egress), 0);
	assert_int_equal(egress_loop_run(loop), 0);
	egress_loop_close(loop);
	assert_int_equal(atomic_load(&egress->acknowledged), MARKERS);
	assert_true(fake_xsk_is_whole(egress->xsk));
	assert_int_equal(counter_read(&egress->counters.in_flight), 0);
	expect_books((uint64_t)FRAMES * OUTPUTS);
	for (unsigned int i = 0; i < STREAMS; i++)
		stream_put(late.streams[i]);
	close(egress->notify_fd);
	frame_queue_destroy(&queue);
	xsk_close(egress->xsk);
	free(egress);
}

/* The command stream closes at once, or in the middle. */
static void test_late_completions(void **state)
{
	watchdog_start(__func__);
	for (uint32_t seed = 1; seed <= 5; seed++) {
		run_late(seed, 1);
		run_late(seed, 50 * seed);
	}
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_completions),
	};

	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
