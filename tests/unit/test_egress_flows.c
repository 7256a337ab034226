// SPDX-License-Identifier: BSD-2-Clause
/* Sources of `from keep` that take turns: each fills requests of its own, and keeps its order. */
#include "watchdog.h"

#include <arpa/inet.h>

#include "dataplane/outbox.h"

#define MOST 60 /* sends, fewer than SUBMIT_AT: nothing is submitted */

static uint8_t payload[100];

struct rig {
	struct engine engine;
	struct egress_counters counters;
	struct outbox outbox;
	struct output output;
	struct output_shard shard;
	struct send_request requests[MOST];
	struct send_request *buckets[OPEN_BUCKETS];
	unsigned int sent;
	struct send_request *sends[MOST];
};

static struct rig *rig;

static void record(struct engine *engine, struct send *send)
{
	rig->sends[rig->sent++] = (struct send_request *)send;
}

static const struct engine_ops recorder = {.send = record};

static int open_rig(void **state)
{
	rig = aligned_alloc(CACHE_LINE, sizeof(*rig));
	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	rig->engine.ops = &recorder;
	rig->outbox.counters = &rig->counters;
	rig->outbox.engine = &rig->engine;
	for (unsigned int i = 0; i < MOST; i++) {
		rig->requests[i].next = rig->outbox.free_requests;
		rig->outbox.free_requests = &rig->requests[i];
	}
	assert_true(addr_parse("10.2.0.2", &rig->output.rule.to));
	rig->output.rule.from_kept = true;
	rig->shard.output = &rig->output;
	rig->shard.buckets = rig->buckets;
	gso_init(&rig->shard.gso, 64);
	gso_accepted(&rig->shard.gso, sizeof(payload)); /* no trial */
	return 0;
}

static int close_rig(void **state)
{
	free(rig);
	return 0;
}

static struct send_key key_of(unsigned int source, uint8_t ttl)
{
	struct send_key key = {.source_port = htons(40000), .ttl = ttl};

	xmc_addr_from_ipv4(&key.source, htonl(0x0a090000 + source));
	return key;
}

static void add(struct send_key key, uint32_t frame)
{
	const struct frame_entry entry = {.frame = frame, .length = sizeof(payload)};
	const struct datagram datagram = {
		.entry = &entry, .pieces = 1, .payloads = {{payload, sizeof(payload)}}};

	assert_int_equal(outbox_add(&rig->outbox, &rig->shard, &datagram, &key), 0);
}

static void expect_send(unsigned int i, struct send_key key, unsigned int count, uint32_t frame,
			uint32_t step)
{
	const struct send_request *request = rig->sends[i];

	assert_true(i < rig->sent);
	assert_memory_equal(&request->key, &key, sizeof(key));
	assert_int_equal(request->count, count);
	for (unsigned int j = 0; j < count; j++)
		assert_int_equal(request->frames[j], frame + j * step);
}

static void test_take_turns(void **state)
{
	bool seen[50] = {false};

	for (uint32_t i = 0; i < 50 * 30; i++)
		add(key_of(i % 50, 0), i);
	assert_int_equal(rig->sent, 0);
	assert_int_equal(outbox_flush(&rig->outbox), 0);
	assert_int_equal(rig->sent, 50);
	for (unsigned int i = 0; i < 50; i++) {
		unsigned int source = ntohl(rig->sends[i]->key.source.w[3]) - 0x0a090000;

		assert_true(source < 50 && !seen[source]);
		seen[source] = true;
		expect_send(i, key_of(source, 0), 30, source, 50);
	}
	assert_null(rig->outbox.open);
	for (unsigned int i = 0; i < OPEN_BUCKETS; i++)
		assert_null(rig->buckets[i]);
}

static void test_full(void **state)
{
	for (uint32_t i = 0; i < 2 * 66; i++)
		add(key_of(i % 2, 0), i);
	assert_int_equal(rig->sent, 2);
	expect_send(0, key_of(0, 0), 64, 0, 2);
	expect_send(1, key_of(1, 0), 64, 1, 2);
	assert_int_equal(outbox_flush(&rig->outbox), 0);
	assert_int_equal(rig->sent, 4);
}

/* What changes in one source begins a new request behind the one before; other sources go on. */
static void test_order_of_a_source(void **state)
{
	for (uint32_t i = 0; i < 12; i++)
		add(key_of(i % 2, i % 2 ? 9 : (uint8_t)(5 + i / 4)), i);
	assert_int_equal(rig->sent, 2);
	expect_send(0, key_of(0, 5), 2, 0, 2);
	expect_send(1, key_of(0, 6), 2, 4, 2);
	assert_int_equal(outbox_flush(&rig->outbox), 0);
	assert_int_equal(rig->sent, 4);
	for (unsigned int i = 2; i < 4; i++) {
		if (rig->sends[i]->key.ttl == 9)
			expect_send(i, key_of(1, 9), 6, 1, 2);
		else
			expect_send(i, key_of(0, 7), 2, 8, 2);
	}
}

/* An output that keeps only the TTL is one flow. */
static void test_one_flow(void **state)
{
	rig->output.rule.from_kept = false;
	rig->shard.buckets = NULL;
	for (uint32_t i = 0; i < 12; i++) {
		const struct send_key key = {.ttl = (uint8_t)(1 + i / 3)};

		add(key, i);
	}
	assert_int_equal(outbox_flush(&rig->outbox), 0);
	assert_int_equal(rig->sent, 4);
	for (unsigned int i = 0; i < 4; i++)
		expect_send(i, (struct send_key){.ttl = (uint8_t)(1 + i)}, 3, 3 * i, 1);
}

#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_RIG(test_take_turns),
		IN_RIG(test_full),
		IN_RIG(test_order_of_a_source),
		IN_RIG(test_one_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
