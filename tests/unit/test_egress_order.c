// SPDX-License-Identifier: BSD-2-Clause
/*
 * Order when batches are refused: an engine over real sockets that from some time on refuses the
 * batches of an output, all of them or those above a size, like a route whose MTU shrinks or a
 * device that does not segment any more. It accepts single datagrams and smaller batches all the
 * time, which must not overtake the datagrams of a refused batch. Sinks check that each output's
 * datagrams arrive completely, once and in order.
 *
 * The engine sends in order, like the kernel. It reports what it has sent in a call at once, as
 * io_uring does with MSG_DONTWAIT, or sends and reports late, a random few at a time.
 */
#include "watchdog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "dataplane/egress.h"
#include "lab.c"

#define FRAMES	2048
#define STREAMS 4
#define OUTPUTS 3
#define MARKERS 4

/* Which batches the network accepts from an output. */
struct route {
	struct sink sink;
	uint32_t limit;	    /* batches with larger segments are refused */
	int error;	    /* how */
	unsigned int taken; /* requests until that changes again; 0: never */
	unsigned int refused;
};

struct rig {
	struct engine engine;
	struct send_request *pending[ENGINE_SENDS]; /* a ring; oldest at `reported` */
	int results[ENGINE_SENDS];
	unsigned int reported; /* counts that only rise */
	unsigned int executed;
	unsigned int prepared;
	bool late;
	uint32_t random;
	struct egress egress;
	struct frame_queue queue;
	unsigned int nr_outputs; /* of each stream */
	bool one_stream;	 /* of any port: each flow to another port of the one output */
	struct stream *streams[STREAMS];
	struct route routes[STREAMS][OUTPUTS];
	uint32_t numbers[STREAMS]; /* of the next datagram */
};

static struct rig *rig;

/* Replaces the library's. */
const struct engine_ops engine_mmsg;

static bool by_chance(uint32_t one_in)
{
	return next_random(&rig->random) % one_in == 0;
}

/* ---- the network ---- */

static struct route *route_of(const struct send_request *request)
{
	const struct output_shard *to = request->to;
	unsigned int flow = 0;

	if (rig->one_stream) {
		while (rig->routes[flow][0].sink.to.port != ntohs(request->key.port))
			assert_true(++flow < STREAMS);
		return &rig->routes[flow][0];
	}
	while (to->output < rig->streams[flow]->outputs ||
	       to->output >= rig->streams[flow]->outputs + rig->nr_outputs)
		flow++;
	return &rig->routes[flow][to->output - rig->streams[flow]->outputs];
}

/* Seven times out of eight it accepts only smaller segments than before, otherwise no batches. */
static void worsen(struct route *route)
{
	static const int errors[] = {EMSGSIZE, EINVAL};
	uint32_t limit = 549 + next_random(&rig->random) % 900;

	route->error = errors[next_random(&rig->random) % 2];
	if (route->limit > limit)
		route->limit = limit;
	route->taken = 1 + next_random(&rig->random) % 30;
	if (by_chance(8)) {
		route->error = EIO;
		route->limit = 0;
		route->taken = 0;
	}
}

/* Receive what has arrived, so that no receive buffer overflows. */
static void drain(struct sink *sink)
{
	while (!sink_is_empty(sink))
		sink_expect(sink, 1);
}

static int execute(const struct send_request *request)
{
	struct route *route = route_of(request);
	ssize_t n;

	drain(&route->sink);
	if (route->taken && --route->taken == 0)
		worsen(route);
	if (request->count > 1 && request->segment_size > route->limit) {
		route->refused++;
		return -route->error;
	}
	n = sendmsg(request->send.fd, &request->send.message, MSG_DONTWAIT);
	assert_int_equal(n, request->bytes);
	return (int)n;
}

/* ---- the engine ---- */

static int fake_open(struct engine **out, const struct engine_handler *handler, int wakeup_fd,
		     int command_fd)
{
	rig->engine.ops = &engine_uring;
	rig->engine.handler = *handler;
	rig->engine.text = "fake";
	*out = &rig->engine;
	return 0;
}

static void fake_close(struct engine *engine)
{
	assert_int_equal(rig->reported, rig->prepared);
}

static void fake_send(struct engine *engine, struct send *send)
{
	assert_true(rig->prepared - rig->reported < ENGINE_SENDS);
	rig->pending[rig->prepared++ % ENGINE_SENDS] = (struct send_request *)send;
}

static void execute_some(unsigned int count)
{
	for (; count && rig->executed < rig->prepared; count--, rig->executed++) {
		unsigned int slot = rig->executed % ENGINE_SENDS;

		rig->results[slot] = execute(rig->pending[slot]);
	}
}

static void report_some(unsigned int count)
{
	for (; count && rig->reported < rig->executed; count--) {
		unsigned int slot = rig->reported++ % ENGINE_SENDS;
		struct send_request *request = rig->pending[slot];
		struct sink *sink = &route_of(request)->sink;

		rig->engine.handler.sent(rig->engine.handler.context, &request->send,
					 rig->results[slot]);
		drain(sink);
	}
}

static int fake_enter(struct engine *engine, bool wait, uint64_t until_ns)
{
	unsigned int first = rig->reported;

	if (wait && rig->reported == rig->prepared)
		fail_msg("waits for nothing");
	if (!rig->late) {
		execute_some(UINT32_MAX);
		report_some(UINT32_MAX);
	} else {
		execute_some(next_random(&rig->random) % 100);
		report_some(next_random(&rig->random) % 100);
	}
	while (wait && rig->reported == first) {
		execute_some(1);
		report_some(1);
	}
	/* The command stream is closed from the start: the loop ends when everything is done. */
	rig->engine.handler.shutdown(rig->engine.handler.context);
	return 0;
}

static unsigned int fake_overflows(const struct engine *engine)
{
	return 0;
}

const struct engine_ops engine_uring = {
	.open = fake_open,
	.close = fake_close,
	.send = fake_send,
	.enter = fake_enter,
	.overflows = fake_overflows,
};

/* ---- the rig ---- */

/* One stream for all flows, which keeps their ports. */
static void open_one_stream(unsigned int gso)
{
	struct rule_output output = rig->routes[0][0].sink.to;

	output.port = RULE_PORT_KEPT;
	rig->one_stream = true;
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (rig->streams[i])
			stream_put(rig->streams[i]);
		rig->streams[i] = i ? rig->streams[0] : lab_stream(0, &output, 1, gso);
		if (i)
			stream_hold(rig->streams[i]);
	}
}

/* `nr_streams` flows, each to `nr_outputs` sinks, over routes that accept every batch. */
static void rig_open(unsigned int nr_streams, unsigned int nr_outputs, lab_lengths lengths)
{
	const struct xsk_options options = {
		.iface = "lo", .frames = FRAMES, .mtu = 1500, .rx_ring = FRAMES};

	watchdog_start("order");
	rig = aligned_alloc(CACHE_LINE, (sizeof(*rig) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	rig->nr_outputs = nr_outputs;
	for (unsigned int i = 0; i < nr_streams; i++) {
		struct rule_output outputs[OUTPUTS];

		for (unsigned int j = 0; j < nr_outputs; j++) {
			sink_open(&rig->routes[i][j].sink, "127.0.0.1", i, lengths);
			outputs[j] = rig->routes[i][j].sink.to;
			rig->routes[i][j].limit = UINT16_MAX;
		}
		rig->streams[i] = lab_stream(i, outputs, nr_outputs, 64);
	}
	assert_int_equal(xsk_open(&rig->egress.xsk, &options), 0);
	assert_int_equal(frame_queue_init(&rig->queue, FRAMES + MARKERS), 0);
	rig->egress.queue = &rig->queue;
	rig->egress.notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void rig_close(void)
{
	for (unsigned int i = 0; i < STREAMS && rig->streams[i]; i++) {
		for (unsigned int j = 0; j < rig->nr_outputs; j++)
			sink_close(&rig->routes[i][j].sink);
		stream_put(rig->streams[i]);
	}
	close(rig->egress.notify_fd);
	frame_queue_destroy(&rig->queue);
	xsk_close(rig->egress.xsk);
	free(rig);
	watchdog_stop();
}

/* A frame of the fill ring, with the next datagram of this flow, into the queue. */
static void queue_datagram(unsigned int flow)
{
	struct route *route = &rig->routes[flow][0];
	struct xsk *xsk = rig->egress.xsk;
	uint32_t number = rig->numbers[flow]++;
	struct frame_entry entry = {.stream = rig->streams[flow],
				    .length = route->sink.lengths(number)};
	struct xsk_frame frame;

	assert_true(lab_deliver(xsk, flow, number, route->sink.lengths));
	assert_int_equal(xsk_receive(xsk, &frame, 1), 1);
	entry.frame = frame.index;
	entry.udp = frame.offset + IPV4_PAYLOAD - sizeof(struct xmc_udp);
	if (rig->one_stream) {
		in_port_t port = htons(route->sink.to.port);

		memcpy(xsk_frame(xsk, frame.index) + frame.offset + IPV4_UDP_PORT, &port,
		       sizeof(port));
	}
	xsk_hand_over(xsk, entry.frame, OWNER_INGRESS, OWNER_QUEUE);
	assert_true(frame_queue_push(&rig->queue, &entry));
}

static void queue_marker(uint64_t generation)
{
	const struct frame_entry marker = {.kind = FRAME_MARKER, .generation = generation};

	assert_true(frame_queue_push(&rig->queue, &marker));
}

/* What the one output of all flows has counted. */
static void check_one_stream(void)
{
	const struct output_shard *to = &rig->streams[0]->outputs[0].shards[0];
	uint32_t numbers = 0, refused = 0;

	for (unsigned int i = 0; i < STREAMS; i++) {
		sink_expect(&rig->routes[i][0].sink, rig->numbers[i] - rig->routes[i][0].sink.next);
		assert_true(sink_is_empty(&rig->routes[i][0].sink));
		numbers += rig->numbers[i];
		refused += rig->routes[i][0].refused;
	}
	assert_int_equal(counter_read(&to->submitted), numbers);
	assert_int_equal(counter_read(&to->sent), numbers);
	assert_int_equal(counter_read(&to->gso_refused), refused);
	assert_int_equal(to->gso.unfinished, 0);
}

/* Send everything that is queued: each output's sink receives its complete flow, in order. */
static void relay(void)
{
	struct egress_loop *loop;

	frame_queue_publish(&rig->queue);
	assert_int_equal(egress_loop_open(&loop, &rig->egress), 0);
	assert_int_equal(egress_loop_run(loop), 0);
	egress_loop_close(loop);
	assert_true(fake_xsk_is_whole(rig->egress.xsk));
	if (rig->one_stream) {
		check_one_stream();
		return;
	}
	for (unsigned int i = 0; i < STREAMS && rig->streams[i]; i++) {
		for (unsigned int j = 0; j < rig->nr_outputs; j++) {
			const struct output_shard *to = &rig->streams[i]->outputs[j].shards[0];
			struct route *route = &rig->routes[i][j];

			sink_expect(&route->sink, rig->numbers[i] - route->sink.next);
			assert_true(sink_is_empty(&route->sink));
			assert_int_equal(counter_read(&to->submitted), rig->numbers[i]);
			assert_int_equal(counter_read(&to->sent), rig->numbers[i]);
			assert_int_equal(counter_read(&to->gso_refused), route->refused);
			assert_int_equal(to->gso.unfinished, 0);
		}
	}
}

/* ---- order ---- */

/* Runs of any length of each flow, so that batches of all shapes occur, and markers. */
static unsigned int relay_over_bad_routes(uint32_t seed, bool late)
{
	unsigned int refused = 0;
	unsigned int flow = 0;

	rig_open(STREAMS, OUTPUTS, lab_mixed);
	rig->late = late;
	rig->random = seed;
	for (unsigned int i = 0; i < STREAMS * OUTPUTS; i++)
		rig->routes[i / OUTPUTS][i % OUTPUTS].taken = 1 + next_random(&rig->random) % 100;
	for (uint32_t i = 0; i < FRAMES; i++) {
		if (by_chance(5))
			flow = next_random(&rig->random) % STREAMS;
		queue_datagram(flow);
		if (i % (FRAMES / MARKERS) == FRAMES / MARKERS - 1)
			queue_marker(i / (FRAMES / MARKERS) + 1);
	}
	relay();
	assert_int_equal(atomic_load(&rig->egress.acknowledged), MARKERS);
	for (unsigned int i = 0; i < STREAMS * OUTPUTS; i++)
		refused += rig->routes[i / OUTPUTS][i % OUTPUTS].refused;
	rig_close();
	return refused;
}

static void test_refused_at_once(void **state)
{
	unsigned int refused = 0;

	for (uint32_t seed = 1; seed <= 20; seed++)
		refused += relay_over_bad_routes(seed, false);
	assert_true(refused > 20);
}

static void test_refused_late(void **state)
{
	unsigned int refused = 0;

	for (uint32_t seed = 1; seed <= 20; seed++)
		refused += relay_over_bad_routes(seed, true);
	assert_true(refused > 20);
}

/* ---- ports ---- */

/* Flows of one stream and output, each to its port, over routes that refuse batches: interleaved
 * one by one, and in runs. */
static unsigned int relay_ports(uint32_t seed, bool late, unsigned int gso)
{
	unsigned int refused = 0;
	unsigned int flow = 0;

	rig_open(STREAMS, 1, lab_mixed);
	open_one_stream(gso);
	rig->late = late;
	rig->random = seed;
	for (unsigned int i = 0; i < STREAMS; i++)
		rig->routes[i][0].taken = 1 + next_random(&rig->random) % 100;
	for (uint32_t i = 0; i < FRAMES; i++) {
		if (by_chance(1 + seed % 8))
			flow = next_random(&rig->random) % STREAMS;
		queue_datagram(flow);
	}
	relay();
	for (unsigned int i = 0; i < STREAMS; i++)
		refused += rig->routes[i][0].refused;
	rig_close();
	return refused;
}

static void test_ports(void **state)
{
	unsigned int refused = 0;

	for (uint32_t seed = 1; seed <= 20; seed++) {
		refused += relay_ports(seed, false, 64);
		refused += relay_ports(seed, true, 64);
		assert_int_equal(relay_ports(seed, seed % 2, 1), 0);
	}
	assert_true(refused > 20);
}

/* A change of port ends a batch, and nothing else does. */
static void test_runs_to_a_port(void **state)
{
	static const unsigned int runs[] = {1, 2, 32, 64};

	for (unsigned int i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		rig_open(STREAMS, 1, lab_equal);
		open_one_stream(64);
		for (unsigned int j = 0; j < FRAMES; j++)
			queue_datagram(j / runs[i] % STREAMS);
		relay();
		assert_int_equal(counter_read(&rig->egress.counters.sends), FRAMES / runs[i]);
		rig_close();
	}
}

/* ---- cost ---- */

/* A flow of equal datagrams does not wait: the first batch is handed over alone, because it is a
 * trial, all others 64 at a time. */
static void test_equal_sizes_wait_for_nothing(void **state)
{
	rig_open(1, 1, lab_equal);
	for (unsigned int i = 0; i < FRAMES; i++)
		queue_datagram(0);
	relay();
	assert_int_equal(counter_read(&rig->egress.counters.sends), FRAMES / 64);
	assert_int_equal(counter_read(&rig->egress.counters.submits), 2);
	assert_int_equal(counter_read(&rig->egress.counters.sleeps), 0);
	rig_close();
}

/* The same for several outputs, each with a trial. */
static void test_outputs_do_not_wait_for_each_other(void **state)
{
	rig_open(2, 3, lab_equal);
	for (unsigned int i = 0; i < FRAMES; i++)
		queue_datagram(i % 2);
	relay();
	assert_int_equal(counter_read(&rig->egress.counters.sends), FRAMES * 3 / 64);
	assert_int_equal(counter_read(&rig->egress.counters.submits),
			 6 + (FRAMES * 3 / 64 - 6 + 63) / 64);
	rig_close();
}

/* 1000 1000 500: a batch, whose last is shorter, and so on; every fourth is followed by 400. */
static uint32_t batches_and_one(uint32_t number)
{
	static const uint32_t cycle[] = {1000, 1000, 500,  1000, 1000, 500, 1000,
					 1000, 500,  1000, 1000, 500,  400};

	return cycle[number % 13];
}

/* Only a request that could overtake a batch costs a call; equal batches share one. */
static void test_smaller_waits(void **state)
{
	rig_open(1, 1, batches_and_one);
	for (unsigned int i = 0; i < 13 * 10; i++)
		queue_datagram(0);
	relay();
	/* 400 stays alone, because the 1000 behind it begins a new request. */
	assert_int_equal(counter_read(&rig->egress.counters.sends), 5 * 10);
	/* The first batch, before each of the ten that are alone, and the end. */
	assert_int_equal(counter_read(&rig->egress.counters.submits), 1 + 10 + 1);
	rig_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_at_once),
		cmocka_unit_test(test_refused_late),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_runs_to_a_port),
		cmocka_unit_test(test_equal_sizes_wait_for_nothing),
		cmocka_unit_test(test_outputs_do_not_wait_for_each_other),
		cmocka_unit_test(test_smaller_waits),
	};

	log_set_level(LOG_FACILITIES, LOG_LEVEL_ERROR);
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
