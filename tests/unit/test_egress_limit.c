// SPDX-License-Identifier: BSD-2-Clause
/*
 * Limited outputs beside outputs without a limit: what passes leaves complete and in order, what
 * does not is counted, and every frame returns. Ingress and egress one after the other in one
 * thread, over a fake AF_XDP socket and real UDP sockets, with both engines.
 */
#include "watchdog.h"

#include "base/clock.h"
#include "egress_rig.c"

#define PACKETS 400

/* Longer than any test lasts: a limit with such a debt passes nothing. */
#define DEBT_SECONDS 500

/* The next PACKETS packets of the flow arrive and are relayed. */
static void relay(struct rig *rig, lab_lengths lengths)
{
	rig_deliver(rig, 0, PACKETS, lengths);
	rig_relay(rig);
}

/* `passed` datagrams were sent, the others are counted as over the limit. */
static void expect_passed(const struct stream *stream, unsigned int output, uint64_t passed)
{
	const struct output_shard *queue = &stream->outputs[output].shards[0];

	rig_expect_counts(stream, output, passed, passed, 0);
	assert_int_equal(counter_read(&queue->rate_limited), PACKETS - passed);
}

/* The first, the second or the third of three outputs is limited to a burst, which ends within a
 * batch that is not the first. */
static void run_burst(void **state, unsigned int limited, lab_lengths lengths, unsigned int gso)
{
	struct rig *rig = rig_open(state);
	struct rule_output outputs[3];
	struct stream *stream;
	struct sink sinks[3];
	uint64_t passed;

	for (unsigned int i = 0; i < 3; i++) {
		sink_open(&sinks[i], "127.0.0.1", 0, lengths);
		outputs[i] = sinks[i].to;
	}
	/* One more passes with each second, so not while this runs. */
	outputs[limited].rate_pps = 1;
	outputs[limited].burst_ms = 10000;
	stream = rig_add_outputs(rig, outputs, 3, gso);
	relay(rig, lengths);
	passed = counter_read(&stream->outputs[limited].shards[0].sent);
	assert_int_equal(passed, 11); /* 10, and the one that overdraws the bucket */
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t expected = i == limited ? passed : PACKETS;

		expect_passed(stream, i, expected);
		rig_expect_only(&sinks[i], (uint32_t)expected);
	}
	rig_close(rig);
}

static void test_first(void **state)
{
	run_burst(state, 0, lab_equal, 8);
}

static void test_middle(void **state)
{
	run_burst(state, 1, lab_mixed, 8);
}

static void test_last_singly(void **state)
{
	run_burst(state, 2, lab_equal, 1);
}

/* A single output that passes nothing, so that nothing of a frame is sent. */
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
	stream = rig_add_outputs(rig, outputs, 2, 64);
	for (unsigned int i = 0; i < 2; i++) {
		struct rate_limit *limit = stream->outputs[i].limit;
		struct rate_bucket *bucket = i ? &limit->packets : &limit->bits;

		atomic_fetch_add(&bucket->paid_at,
				 (uint64_t)DEBT_SECONDS * NS_PER_SECOND << RATE_TICK_BITS);
	}
	relay(rig, lab_equal);
	expect_passed(stream, 0, 0);
	expect_passed(stream, 1, 0);
	assert_int_equal(counter_read(&rig->egress.counters.sends), 0);
	rig_expect_only(&sink, 0);
	rig_close(rig);
}

/* A limit that is never reached changes nothing: batches are as large as without it. */
static void test_within(void **state)
{
	struct rig *rig = rig_open(state);
	struct stream *stream;
	struct sink sink;

	sink_open(&sink, "127.0.0.1", 0, lab_equal);
	sink.to.rate_bps = RATE_BPS_MAX;
	sink.to.rate_pps = RATE_PPS_MAX;
	stream = rig_add_outputs(rig, &sink.to, 1, 64);
	relay(rig, lab_equal);
	expect_passed(stream, 0, PACKETS);
	assert_int_equal(counter_read(&rig->egress.counters.sends), (PACKETS + 63) / 64);
	rig_expect_only(&sink, PACKETS);
	rig_close(rig);
}

/* Two outputs that share a socket have separate limits. */
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
	/* All shards have the limit of the output. */
	assert_ptr_equal(after->outputs[0].shards[0].limit, after->outputs[0].limit);
	assert_ptr_equal(after->outputs[0].shards[1].limit, after->outputs[0].limit);
	stream_put(before);
	output.rate_pps = 0;
	assert_int_equal(stream_open(&before, &rule, 1, &egress, after, &failure), 0);
	assert_null(before->outputs[0].limit);
	assert_null(before->outputs[0].shards[0].limit);
	stream_put(before);
	stream_put(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_ENGINES(test_first),	BOTH_ENGINES(test_middle),
		BOTH_ENGINES(test_last_singly), BOTH_ENGINES(test_nothing_passes),
		BOTH_ENGINES(test_within),	cmocka_unit_test(test_shared_socket),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
