// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker with both threads: a fake AF_XDP socket, the real frame queue, engines and wake-ups, and
 * real UDP sockets. Each test runs with every engine and every wake-up strategy.
 */
#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "../bpf/require.h"
#include "base/capture_ring.h"
#include "base/clock.h"
#include "base/log.h"
#include "dataplane/health.h"
#include "dataplane/worker.h"
#include "lab.c"

#define FRAMES	 256
#define PACKETS	 20000
#define SWITCHES 300

struct setup {
	enum egress_engine engine;
	enum egress_wakeup wakeup;
};

static const struct setup setups[] = {
	{ENGINE_IO_URING, WAKEUP_EVENTFD}, {ENGINE_IO_URING, WAKEUP_HYBRID},
	{ENGINE_IO_URING, WAKEUP_SPIN},	   {ENGINE_SENDMMSG, WAKEUP_EVENTFD},
	{ENGINE_SENDMMSG, WAKEUP_HYBRID},  {ENGINE_SENDMMSG, WAKEUP_SPIN},
};

static struct worker_options options_of(void **state)
{
	const struct setup *setup = *state;

	return (struct worker_options){
		.iface = "lo",
		.mtu = LAB_MTU,
		.sizes = {.frames = FRAMES, .rx_ring = FRAMES},
		.egress = {.engine = setup->engine, .gso = 64, .wakeup = setup->wakeup},
	};
}

static struct worker *open_worker(void **state)
{
	struct worker_options options = options_of(state);
	struct worker *worker;

	watchdog_start("dataplane");
	assert_int_equal(worker_open(&worker, &options), 0);
	return worker;
}

static void start_worker(void **state, struct worker *worker, const struct ruleset *ruleset)
{
	assert_int_equal(worker_start(worker, ruleset), 0);
	if (((const struct setup *)*state)->engine == ENGINE_IO_URING &&
	    strncmp(worker_engine(worker), "io_uring", 8) != 0)
		skip_for("no io_uring here (sysctl kernel.io_uring_disabled)");
}

/* Stop it: nothing may be left behind, and no frame lost. Returns what it has counted. */
static struct worker_state stop_worker(struct worker *worker)
{
	struct worker_state end;

	assert_int_equal(worker_stop(worker), 0);
	worker_read(worker, &end);
	assert_int_equal(end.kernel_frames, FRAMES);
	assert_int_equal(end.queued, 0);
	assert_int_equal(end.in_flight, 0);
	assert_int_equal(end.cq_overflows, 0);
	assert_true(fake_xsk_is_whole(fake_xsk_last()));
	worker_close(worker);
	watchdog_stop();
	return end;
}

static struct ruleset *rules_of(struct stream *const *streams, unsigned int count)
{
	struct ruleset *ruleset;

	assert_int_equal(ruleset_new(&ruleset, streams, NULL, count), 0);
	return ruleset;
}

static void expect_sent(const struct stream *stream, unsigned int output, uint64_t count)
{
	const struct output_shard *queue = &stream->outputs[output].shards[0];

	assert_int_equal(counter_read(&queue->submitted), count);
	assert_int_equal(counter_read(&queue->sent), count);
}

/* Sometimes pause long enough for the threads to fall asleep. */
static void pause_at_random(uint32_t *random)
{
	const struct timespec moment = {.tv_nsec = next_random(random) % 300000};

	if (next_random(random) % 4 == 0)
		nanosleep(&moment, NULL);
}

static void must_deliver(struct xsk *xsk, unsigned int flow, uint32_t number, lab_lengths lengths)
{
	/* All frames may be in the queue for a moment. */
	while (!lab_deliver(xsk, flow, number, lengths))
		sched_yield();
}

/* ---- packets ---- */

/* Three flows to two outputs each, in bursts and with pauses: everything arrives, in order. */
static void test_relay(void **state)
{
	struct worker *worker = open_worker(state);
	struct stream *streams[3];
	struct sink sinks[3][2];
	struct ruleset *ruleset;
	uint32_t random = 1;
	uint32_t burst;

	for (unsigned int i = 0; i < 3; i++) {
		struct rule_output outputs[2];

		for (unsigned int j = 0; j < 2; j++) {
			sink_open(&sinks[i][j], "127.0.0.1", i, lab_mixed);
			outputs[j] = sinks[i][j].to;
		}
		streams[i] = lab_stream(i, outputs, 2, i == 2 ? 1 : 64);
	}
	ruleset = rules_of(streams, 3);
	start_worker(state, worker, ruleset);
	for (uint32_t sent = 0; sent < PACKETS / 3; sent += burst) {
		burst = 1 + next_random(&random) % 48;
		for (uint32_t k = 0; k < burst; k++) {
			for (unsigned int i = 0; i < 3; i++)
				must_deliver(fake_xsk_last(), i, sent + k, lab_mixed);
		}
		for (unsigned int i = 0; i < 6; i++)
			sink_expect(&sinks[i / 2][i % 2], burst);
		pause_at_random(&random);
	}
	stop_worker(worker);
	for (unsigned int i = 0; i < 6; i++) {
		expect_sent(streams[i / 2], i % 2, sinks[i / 2][i % 2].next);
		assert_true(sink_is_empty(&sinks[i / 2][i % 2]));
		sink_close(&sinks[i / 2][i % 2]);
	}
	ruleset_free(ruleset);
	for (unsigned int i = 0; i < 3; i++)
		stream_put(streams[i]);
}

/* Single packets, without another one behind them that would push them out. */
static void test_lone_packets(void **state)
{
	struct worker *worker = open_worker(state);
	struct worker_state now;
	struct ruleset *ruleset;
	struct stream *stream;
	uint32_t random = 2;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_mixed);
	stream = lab_stream(0, &sink.to, 1, 64);
	ruleset = rules_of(&stream, 1);
	start_worker(state, worker, ruleset);
	for (uint32_t i = 0; i < 2000; i++) {
		must_deliver(fake_xsk_last(), 0, i, lab_mixed);
		sink_expect(&sink, 1);
		pause_at_random(&random);
	}
	worker_read(worker, &now);
	assert_int_equal(now.received, 2000);
	assert_true(now.wakeups <= 2000);
	if (((const struct setup *)*state)->wakeup == WAKEUP_SPIN)
		assert_int_equal(now.wakeups, 0);
	stop_worker(worker);
	expect_sent(stream, 0, 2000);
	sink_close(&sink);
	ruleset_free(ruleset);
	stream_put(stream);
}

/* What has reached the RX ring is relayed, however soon the worker is stopped. */
static void test_stop_with_a_backlog(void **state)
{
	for (uint32_t round = 0; round < 50; round++) {
		struct worker *worker = open_worker(state);
		struct ruleset *ruleset;
		struct stream *stream;
		struct sink sink;
		uint32_t count;

		sink_open(&sink, "127.0.0.1", 0, lab_mixed);
		stream = lab_stream(0, &sink.to, 1, 64);
		ruleset = rules_of(&stream, 1);
		count = round * 7 % (sink.room < FRAMES ? sink.room : FRAMES);
		if (round % 2)
			start_worker(state, worker, ruleset);
		for (uint32_t i = 0; i < count; i++)
			must_deliver(fake_xsk_last(), 0, i, lab_mixed);
		if (round % 2 == 0)
			start_worker(state, worker, ruleset);
		stop_worker(worker);
		expect_sent(stream, 0, count);
		sink_expect(&sink, count);
		assert_true(sink_is_empty(&sink));
		sink_close(&sink);
		ruleset_free(ruleset);
		stream_put(stream);
	}
}

/* Without a free frame the kernel drops the packet; frames that return are used again. */
static void test_no_frame_left(void **state)
{
	struct worker *worker = open_worker(state);
	struct worker_state now;
	struct ruleset *ruleset;
	struct stream *stream;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	stream = lab_stream(0, &sink.to, 1, 64);
	ruleset = rules_of(&stream, 1);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_true(lab_deliver(fake_xsk_last(), 0, i, lab_equal));
	for (uint32_t i = 0; i < 10; i++)
		assert_false(lab_deliver(fake_xsk_last(), 0, FRAMES + i, lab_equal));
	worker_read(worker, &now);
	assert_int_equal(now.kernel.rx_dropped, 10);
	assert_int_equal(now.kernel.fill_ring_empty, 10);
	assert_int_equal(now.frames, FRAMES);
	assert_int_equal(now.kernel_frames, FRAMES);
	start_worker(state, worker, ruleset);
	if (sink.room >= FRAMES)
		sink_expect(&sink, FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		must_deliver(fake_xsk_last(), 0, FRAMES + i, lab_equal);
		if (sink.room >= FRAMES)
			sink_expect(&sink, 1);
	}
	stop_worker(worker);
	expect_sent(stream, 0, 2 * FRAMES);
	sink_close(&sink);
	ruleset_free(ruleset);
	stream_put(stream);
}

static uint32_t two_packets(uint32_t number)
{
	return 2 * TS_PACKET_SIZE;
}

static struct health_counts health_of(const struct stream *stream)
{
	struct health_counts counts = {};

	health_read(stream->health, &counts);
	assert_int_equal(counts.figures[HEALTH_TS_UNCHECKED] +
				 counts.figures[HEALTH_TS_FIRST + TS_PACKETS] / 2,
			 counter_read(&stream->shards[0].received));
	return counts;
}

/* Each datagram of a transport stream is checked, unless most frames wait to be relayed. */
static void test_behind(void **state)
{
	struct worker *worker = open_worker(state);
	struct ruleset *ruleset;
	struct stream *stream;
	struct sink sink;
	uint32_t sent;

	sink_open(&sink, "127.0.0.1", 0, two_packets);
	stream = lab_stream(0, &sink.to, 1, 64);
	stream->rule.watch = WATCH_TS;
	stream->health = health_new(&stream->rule, 1);
	ruleset = rules_of(&stream, 1);
	start_worker(state, worker, ruleset);
	for (sent = 0; sent < 1000; sent++) {
		must_deliver(fake_xsk_last(), 0, sent, two_packets);
		sink_expect(&sink, 1);
	}
	assert_int_equal(worker_pause(worker), 0);
	assert_int_equal(health_of(stream).figures[HEALTH_TS_UNCHECKED], 0);
	/* All frames are in its RX ring whenever it goes on. */
	while (!health_of(stream).figures[HEALTH_TS_UNCHECKED]) {
		while (lab_deliver(fake_xsk_last(), 0, sent, two_packets))
			sent++;
		start_worker(state, worker, ruleset);
		while (xsk_waiting(fake_xsk_last()))
			sched_yield();
		assert_int_equal(worker_pause(worker), 0);
	}
	start_worker(state, worker, ruleset);
	stop_worker(worker);
	expect_sent(stream, 0, sent);
	sink_close(&sink);
	ruleset_free(ruleset);
	stream_put(stream);
}

/* A zero-copy driver that waits for a wake-up which nobody owes it any more: all frames are back in
 * the fill ring. A thread that spins never calls poll(2), which wakes it otherwise. */
static void test_stopped_driver(void **state)
{
	struct worker *worker = open_worker(state);
	struct ruleset *ruleset;
	struct stream *stream;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	stream = lab_stream(0, &sink.to, 1, 64);
	ruleset = rules_of(&stream, 1);
	start_worker(state, worker, ruleset);
	for (uint32_t i = 0; i < 100; i++) {
		fake_xsk_stop_driver(fake_xsk_last());
		must_deliver(fake_xsk_last(), 0, i, lab_equal);
		sink_expect(&sink, 1);
	}
	stop_worker(worker);
	expect_sent(stream, 0, 100);
	sink_close(&sink);
	ruleset_free(ruleset);
	stream_put(stream);
}

/* ---- rulesets ---- */

/* Two flows arrive all the time, in a thread of their own. */
struct feeder {
	struct xsk *xsk;
	uint32_t window;	/* packets of flow 0 that may be in transit */
	_Atomic uint32_t seen;	/* of flow 0, by the sink */
	_Atomic uint32_t count; /* delivered of each */
	atomic_bool stop;
};

static void *feed_flows(void *arg)
{
	struct feeder *feed = arg;
	uint32_t random = 3;
	uint32_t number = 0;

	while (!atomic_load(&feed->stop)) {
		if (number - atomic_load(&feed->seen) >= feed->window) {
			sched_yield();
			continue;
		}
		must_deliver(feed->xsk, 0, number, lab_mixed);
		must_deliver(feed->xsk, 1, number, lab_mixed);
		atomic_store(&feed->count, ++number);
		if (number % 32 == 0)
			pause_at_random(&random);
	}
	return NULL;
}

/* Receive what has arrived of flow 0. */
static void drain(struct feeder *feed, struct sink *sink)
{
	while (!sink_is_empty(sink)) {
		sink_expect(sink, 1);
		atomic_store(&feed->seen, sink->next);
	}
}

/*
 * The rule of flow 1 is added and removed while packets flow, each time with a new stream, which is
 * freed after the next change (AddressSanitizer would report a later use). No packet of flow 0 is
 * lost or overtaken.
 */
static void test_change_rules(void **state)
{
	struct worker *worker = open_worker(state);
	static struct feeder feed; /* its thread may outlive a failed test */
	struct ruleset *ruleset;
	struct worker_state end;
	struct stream *streams[2];
	struct sink sinks[2];
	uint64_t received = 0;
	pthread_t thread;

	memset(&feed, 0, sizeof(feed));
	feed.xsk = fake_xsk_last();
	for (unsigned int i = 0; i < 2; i++)
		sink_open(&sinks[i], "127.0.0.1", i, lab_mixed);
	feed.window = sinks[0].room < 64 ? sinks[0].room : 64;
	streams[0] = lab_stream(0, &sinks[0].to, 1, 64);
	ruleset = rules_of(streams, 1);
	start_worker(state, worker, ruleset);
	assert_int_equal(pthread_create(&thread, NULL, feed_flows, &feed), 0);
	for (unsigned int i = 0; i < SWITCHES; i++) {
		struct ruleset *next;

		streams[1] = lab_stream(1, &sinks[1].to, 1, i % 3 ? 64 : 1);
		next = rules_of(streams, 2);
		assert_int_equal(worker_update(worker, next), 0);
		ruleset_free(ruleset);
		drain(&feed, &sinks[0]);
		ruleset = rules_of(streams, 1);
		assert_int_equal(worker_update(worker, ruleset), 0);
		/* Everything that it received has been sent. */
		received += counter_read(&streams[1]->shards[0].received);
		expect_sent(streams[1], 0, counter_read(&streams[1]->shards[0].received));
		ruleset_free(next);
		stream_put(streams[1]);
		drain(&feed, &sinks[0]);
	}
	atomic_store(&feed.stop, true);
	for (uint32_t seen = sinks[0].next; seen < atomic_load(&feed.count); seen++)
		sink_expect(&sinks[0], 1);
	atomic_store(&feed.seen, sinks[0].next);
	pthread_join(thread, NULL);
	sink_expect(&sinks[0], atomic_load(&feed.count) - sinks[0].next);
	assert_true(sink_is_empty(&sinks[0]));
	end = stop_worker(worker);
	assert_int_equal(end.received, 2ULL * atomic_load(&feed.count));
	assert_int_equal(end.drops[INGRESS_NO_RULE] + received, atomic_load(&feed.count));
	assert_int_equal(end.drops[INGRESS_INVALID], 0);
	expect_sent(streams[0], 0, atomic_load(&feed.count));
	sink_close(&sinks[0]);
	sink_close(&sinks[1]);
	ruleset_free(ruleset);
	stream_put(streams[0]);
}

/* Rulesets change without traffic, too, when no packet wakes the threads. */
static void test_change_rules_at_rest(void **state)
{
	struct worker *worker = open_worker(state);
	struct ruleset *ruleset = rules_of(NULL, 0);

	/* Before the start it applies at once. */
	assert_int_equal(worker_update(worker, ruleset), 0);
	start_worker(state, worker, ruleset);
	for (int i = 0; i < 500; i++) {
		struct ruleset *next = rules_of(NULL, 0);

		assert_int_equal(worker_update(worker, next), 0);
		ruleset_free(ruleset);
		ruleset = next;
	}
	stop_worker(worker);
	ruleset_free(ruleset);
}

/* ---- capture ---- */

#define CAPTURES 8

/* What a capture has seen: every packet that was taken has its copy, and no packet is in it twice.
 */
static void check_capture(const struct capture *capture)
{
	const struct capture_layout *layout = capture_memory(capture);
	const struct capture_counts *counts = capture_counts(capture);
	struct capture_record *record = malloc(sizeof(*record) + layout->snap);
	struct capture_reader reader;
	uint64_t read[CAPTURE_KINDS] = {};

	assert_non_null(record);
	capture_reader_init(&reader, counts, layout);
	while (capture_reader_next(&reader, record, clock_ns(), true))
		read[record->kind]++;
	for (unsigned int i = 0; i <= CAPTURE_SENT + 1; i++)
		assert_int_equal(counts[i].matched,
				 counts[i].taken + counts[i].limited + counts[i].lost);
	assert_int_equal(counts[CAPTURE_SENT + 1].taken, counts[CAPTURE_SENT].taken);
	if (!reader.lost) {
		assert_int_equal(read[CAPTURE_RECEIVED], counts[CAPTURE_SENT + 1].taken);
		assert_int_equal(read[CAPTURE_SUBMITTED], counts[CAPTURE_SENT].taken);
	}
	free(record);
}

/* Captures begin and end while packets flow, the first before the threads start: no packet is lost,
 * and what a capture has taken is whole. */
static void test_captures(void **state)
{
	const struct capture_options options = {.rate = 5000, .snap = CAPTURE_SNAP_LEAST};
	struct worker *worker = open_worker(state);
	static struct feeder feed; /* its thread may outlive a failed test */
	struct capture *capture;
	struct ruleset *ruleset;
	struct stream *stream;
	struct worker_state end;
	struct sink sink;
	pthread_t thread;

	memset(&feed, 0, sizeof(feed));
	feed.xsk = fake_xsk_last();
	sink_open(&sink, "127.0.0.1", 0, lab_mixed);
	feed.window = sink.room < 64 ? sink.room : 64;
	stream = lab_stream(0, &sink.to, 1, 64);
	ruleset = rules_of(&stream, 1);
	assert_int_equal(capture_new(&capture, &options), 0);
	assert_int_equal(worker_capture(worker, capture), 0);
	start_worker(state, worker, ruleset);
	assert_int_equal(pthread_create(&thread, NULL, feed_flows, &feed), 0);
	for (unsigned int i = 0; i < CAPTURES; i++) {
		for (uint32_t wanted = sink.next + 50; sink.next < wanted;) {
			sink_expect(&sink, 1);
			atomic_store(&feed.seen, sink.next);
		}
		assert_int_equal(worker_capture(worker, NULL), 0);
		assert_true(capture_counts(capture)[CAPTURE_SENT + 1].taken > 0);
		check_capture(capture);
		capture_free(capture);
		drain(&feed, &sink);
		assert_int_equal(capture_new(&capture, &options), 0);
		assert_int_equal(worker_capture(worker, capture), 0);
		drain(&feed, &sink);
	}
	atomic_store(&feed.stop, true);
	for (uint32_t seen = sink.next; seen < atomic_load(&feed.count); seen++)
		sink_expect(&sink, 1);
	atomic_store(&feed.seen, sink.next);
	pthread_join(thread, NULL);
	sink_expect(&sink, atomic_load(&feed.count) - sink.next);
	end = stop_worker(worker);
	check_capture(capture);
	capture_free(capture);
	expect_sent(stream, 0, atomic_load(&feed.count));
	assert_int_equal(end.drops[INGRESS_NO_RULE], atomic_load(&feed.count));
	sink_close(&sink);
	ruleset_free(ruleset);
	stream_put(stream);
}

/* ---- life ---- */

/* Threads without work sleep, and their heartbeats move each time that they are woken; the seconds
 * are made up, so that it does not matter how long they take. */
static void test_heartbeats(void **state)
{
	struct worker *worker = open_worker(state);
	struct ruleset *ruleset = rules_of(NULL, 0);
	uint64_t now = 1000 * NS_PER_SECOND;

	worker_check(worker, now);
	assert_int_equal(worker_overdue_ns(worker), 0);
	start_worker(state, worker, ruleset);
	for (int i = 0; i < 500; i++) {
		now += NS_PER_SECOND;
		worker_check(worker, now); /* wakes them if they have not moved since then */
		do {
			sched_yield();
			worker_check(worker, ++now);
		} while (worker_overdue_ns(worker));
	}
	assert_false(worker_failed(worker));
	assert_null(worker_find_stuck());
	stop_worker(worker);
	ruleset_free(ruleset);
}

static void test_never_started(void **state)
{
	struct worker *worker = open_worker(state);

	assert_int_equal(worker_stop(worker), 0);
	worker_check(worker, NS_PER_SECOND);
	assert_int_equal(worker_overdue_ns(worker), 0);
	worker_close(worker);
	worker_close(NULL);
	watchdog_stop();
}

/* Threads that wait for worker_go() leave the rings alone, also when they are stopped: they are
 * another process's. */
static void test_prepared(void **state)
{
	struct worker *worker = open_worker(state);
	struct ruleset *ruleset = rules_of(NULL, 0);

	assert_true(lab_deliver(fake_xsk_last(), 0, 0, lab_equal));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(worker_prepare(worker), 0);
		worker_check(worker, (uint64_t)(i + 1) * 1000 * NS_PER_SECOND);
		assert_int_equal(worker_overdue_ns(worker), 0);
		assert_int_equal(worker_stop(worker), 0);
		assert_int_equal(xsk_waiting(fake_xsk_last()), 1);
	}
	assert_int_equal(worker_prepare(worker), 0);
	worker_go(worker, ruleset);
	stop_worker(worker);
	ruleset_free(ruleset);
}

static void test_open_fails(void **state)
{
	struct worker_options options = options_of(state);
	struct worker *worker = NULL;

	fake_xsk_fail_open(-EBUSY);
	assert_int_equal(worker_open(&worker, &options), -EBUSY);
	assert_null(worker);
	fake_xsk_fail_open(-ENOBUFS);
	assert_int_equal(worker_open(&worker, &options), -ENOBUFS);
	assert_null(worker);
}

/* cmocka has no parameters: each test runs six times, with its setup in the state. */
#define ONE(test, n, name)                                                                         \
	{                                                                                          \
#test ":" name, test, NULL, NULL, (void *)&setups[n]                               \
	}
#define ALL(test)                                                                                  \
	ONE(test, 0, "io_uring:eventfd"), ONE(test, 1, "io_uring:hybrid"),                         \
		ONE(test, 2, "io_uring:spin"), ONE(test, 3, "sendmmsg:eventfd"),                   \
		ONE(test, 4, "sendmmsg:hybrid"), ONE(test, 5, "sendmmsg:spin")

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALL(test_relay),
		ALL(test_lone_packets),
		ALL(test_stop_with_a_backlog),
		ALL(test_no_frame_left),
		ALL(test_behind),
		ONE(test_stopped_driver, 2, "io_uring:spin"),
		ONE(test_stopped_driver, 5, "sendmmsg:spin"),
		ALL(test_change_rules),
		ALL(test_change_rules_at_rest),
		ALL(test_captures),
		ALL(test_heartbeats),
		ONE(test_never_started, 0, "once"),
		ALL(test_prepared),
		ONE(test_open_fails, 0, "once"),
	};

	log_set_level(LOG_FACILITIES, LOG_LEVEL_WARNING);
	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
