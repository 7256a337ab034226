// SPDX-License-Identifier: BSD-2-Clause
/* The merger between workers and streams: what is counted, what fits, and which stream is a side's.
 */
#include "watchdog.h"

#include "../bpf/require.h"
#include "dataplane/worker.h"
#include "lab.c"

/* For its static functions. */
#include "dataplane/merger.c"

#include "dataplane/merger_rules.h"
#include "dataplane/merger_thread.h"

#define FRAMES 256
#define FLOW   1

static struct rule_side sides[2];
static const struct rule merging = {.merge = MERGE_RTP, .nr_sides = 2, .sides = sides};

/* A stream of the first side. */
static struct stream *open_stream(struct merged *merged)
{
	struct rule rule = {.iface = "lo", .port = LAB_PORT, .nr_outputs = 2, .name = "film"};
	const struct egress_config egress = {.gso = 64, .send_buffer = 1 << 20};
	struct rule_output outputs[2] = {{.port = 9, .ttl = 1}, {.port = 10, .ttl = 1}};
	struct stream_failure failure;
	struct stream *stream;

	assert_true(addr_parse("239.1.1.1", &rule.group));
	assert_true(addr_parse("127.0.0.1", &outputs[0].to));
	assert_true(addr_parse("127.0.0.1", &outputs[1].to));
	rule.outputs = outputs;
	assert_int_equal(stream_open(&stream, &rule, 2, &egress, NULL, &failure), 0);
	merged_join(merged, stream);
	return stream;
}

static struct worker *open_worker(unsigned int mtu)
{
	struct worker_options options = {
		.iface = "lo",
		.mtu = mtu,
		.sizes = {.frames = FRAMES, .rx_ring = FRAMES},
		.egress = {.engine = ENGINE_SENDMMSG, .gso = 64, .wakeup = WAKEUP_EVENTFD},
	};
	struct worker *worker;

	assert_int_equal(worker_open(&worker, &options), 0);
	return worker;
}

static void start_merger(void)
{
	const struct egress_config egress = {
		.engine = ENGINE_SENDMMSG,
		.wakeup = WAKEUP_EVENTFD,
	};

	assert_int_equal(merger_start(&egress, 0), 0);
}

static uint32_t lengthen(uint32_t number)
{
	return 1500;
}

/* ---- cases ---- */

/* Its thread may look before anything is wanted. */
static void test_new_one_is_settled(void **state)
{
	struct frame_entry entry;

	assert_false(merger_take(merger_get(), &entry));
}

/* Drops without a slot are in the books of the worker, also if it has no feed. */
static void test_full(void **state)
{
	struct merged *merged;
	struct worker *worker;
	struct stream *stream;
	struct ruleset *ruleset;
	struct worker_state now;

	watchdog_start("full");
	merged = merged_new(merger_get(), &merging);
	stream = open_stream(merged);
	worker = open_worker(LAB_MTU);
	assert_int_equal(ruleset_new(&ruleset, &stream, NULL, 1), 0);
	assert_int_equal(worker_start(worker, ruleset), 0);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(lab_deliver(fake_xsk_last(), FLOW, i, lab_equal));
	assert_int_equal(worker_stop(worker), 0);
	worker_read(worker, &now);
	assert_int_equal(now.received, 3);
	assert_int_equal(now.withheld, 6);
	assert_int_equal(counter_read(&stream->outputs[1].shards[0].withheld[WITHHELD_MERGE_FULL]),
			 3);
	worker_close(worker);
	ruleset_free(ruleset);
	stream_put(stream);
	merged_put(merged);
	watchdog_stop();
}

/* The MTU grows while the socket is open: what the socket can receive fits. */
static void test_larger_than_the_mtu(void **state)
{
	struct merged *merged;
	struct worker *worker;
	struct stream *stream;
	struct ruleset *ruleset;
	struct worker_state now;

	watchdog_start("larger");
	start_merger();
	merged = merged_new(merger_get(), &merging);
	stream = open_stream(merged);
	worker = open_worker(1280);
	assert_int_equal(ruleset_new(&ruleset, &stream, NULL, 1), 0);
	assert_int_equal(worker_start(worker, ruleset), 0);
	assert_true(lab_deliver(fake_xsk_last(), FLOW, 0, lengthen));
	assert_int_equal(worker_stop(worker), 0);
	assert_true(merger_settle(merger_get(), merged, NULL));
	worker_read(worker, &now);
	assert_int_equal(now.received, 1);
	assert_int_equal(now.withheld, 0);
	worker_close(worker);
	ruleset_free(ruleset);
	stream_put(stream);
	merged_put(merged);
	merger_stop();
	watchdog_stop();
}

/* A change is rolled back: the stream before is the side's again. */
static void test_rolled_back(void **state)
{
	struct merged *merged = merged_new(merger_get(), &merging);
	struct stream *first = open_stream(merged);
	struct stream *second = open_stream(merged);
	struct stream *third;

	assert_ptr_equal(merged->streams[0], second);
	stream_put(second);
	assert_ptr_equal(merged->streams[0], first);
	/* A change is carried out: nothing leads to the one that is closed. */
	second = open_stream(merged);
	stream_put(first);
	assert_ptr_equal(merged->streams[0], second);
	third = open_stream(merged);
	stream_put(third);
	assert_ptr_equal(merged->streams[0], second);
	stream_put(second);
	assert_null(merged->streams[0]);
	merged_put(merged);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_one_is_settled),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_rolled_back),
		cmocka_unit_test(test_larger_than_the_mtu),
	};

	lab_enter();
	return cmocka_run_group_tests_name("merger", tests, NULL, NULL);
}
