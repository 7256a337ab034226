// SPDX-License-Identifier: BSD-2-Clause
/* The frame queue: order, limits, wrap-around, and the sleep handshake between two threads. */
#include "watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/clock.h"
#include "dataplane/frame_queue.h"

/* Sanitizers make each step many times slower. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOWER 10
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SLOWER 10
#endif
#endif
#ifndef SLOWER
#define SLOWER 1
#endif

/* Fewer on a busy host, where each turn of a thread can take a time slice: see MOST_S. */
#define STRESS_ENTRIES	 (10000000 / SLOWER)
#define HANDSHAKE_ROUNDS (300000 / SLOWER)
#define MOST_S		 30

/* A queue whose indices start at `start`. */
static void open_queue(struct frame_queue *queue, uint32_t entries, uint32_t start)
{
	assert_int_equal(frame_queue_init(queue, entries), 0);
	atomic_store(&queue->head, start);
	atomic_store(&queue->tail, start);
	queue->pushed = queue->seen_head = queue->seen_tail = start;
}

/* The n-th entry: every field depends on n. */
static struct frame_entry make(uint32_t n)
{
	return (struct frame_entry){
		.stream = (struct stream *)((uintptr_t)n * 8),
		.frame = n * 2246822519U,
		.ip = (uint16_t)n,
		.udp = (uint16_t)(n + 20),
		.length = n * 2654435761U,
		.kind = n % 7 ? FRAME_DATA : FRAME_MARKER,
	};
}

static bool is(const struct frame_entry *entry, uint32_t n)
{
	struct frame_entry expected = make(n);

	return entry->stream == expected.stream && entry->frame == expected.frame &&
	       entry->ip == expected.ip && entry->udp == expected.udp &&
	       entry->length == expected.length && entry->kind == expected.kind;
}

static void push(struct frame_queue *queue, uint32_t n)
{
	struct frame_entry entry = make(n);

	assert_true(frame_queue_push(queue, &entry));
}

static void expect(struct frame_queue *queue, uint32_t n)
{
	struct frame_entry entry = {0};

	assert_true(frame_queue_take(queue, &entry));
	assert_true(is(&entry, n));
}

static void expect_empty(struct frame_queue *queue)
{
	struct frame_entry entry;

	assert_false(frame_queue_take(queue, &entry));
	assert_true(frame_queue_empty(queue));
	assert_int_equal(frame_queue_length(queue), 0);
}

static void test_order(void **state)
{
	struct frame_queue queue;

	open_queue(&queue, 8, 0);
	expect_empty(&queue);
	for (uint32_t i = 0; i < 5; i++)
		push(&queue, i);
	frame_queue_publish(&queue);
	assert_int_equal(frame_queue_length(&queue), 5);
	for (uint32_t i = 0; i < 5; i++)
		expect(&queue, i);
	expect_empty(&queue);
	frame_queue_destroy(&queue);
}

static void test_publish_shows(void **state)
{
	struct frame_queue queue;

	open_queue(&queue, 8, 0);
	push(&queue, 0);
	push(&queue, 1);
	expect_empty(&queue);
	assert_true(frame_queue_sleep(&queue)); /* what is not published does not keep it awake */
	frame_queue_publish(&queue);
	push(&queue, 2);
	assert_int_equal(frame_queue_length(&queue), 2);
	expect(&queue, 0);
	expect(&queue, 1);
	expect_empty(&queue);
	frame_queue_publish(&queue);
	expect(&queue, 2);
	expect_empty(&queue);
	frame_queue_destroy(&queue);
}

/* Fill the queue, check that it accepts no more, take `step` entries, and so on. */
static void fill_and_empty(uint32_t size, uint32_t start)
{
	struct frame_entry entry = make(0);
	struct frame_queue queue;
	uint32_t in = 0;
	uint32_t out = 0;

	open_queue(&queue, size, start);
	for (uint32_t step = 1; step <= size; step++) {
		while (in - out < size)
			push(&queue, in++);
		assert_false(frame_queue_push(&queue, &entry));
		assert_false(frame_queue_push(&queue, &entry));
		frame_queue_publish(&queue);
		assert_false(frame_queue_push(&queue, &entry));
		assert_int_equal(frame_queue_length(&queue), size);
		assert_false(frame_queue_empty(&queue));
		for (uint32_t i = 0; i < step; i++)
			expect(&queue, out++);
	}
	expect_empty(&queue);
	frame_queue_destroy(&queue);
}

static void test_full(void **state)
{
	for (uint32_t size = 1; size <= 64; size *= 2)
		fill_and_empty(size, 0);
}

static void test_wrap_around(void **state)
{
	for (uint32_t before = 0; before < 20; before++)
		fill_and_empty(8, UINT32_MAX - before);
}

static void test_rounded_up(void **state)
{
	static const uint32_t sizes[][2] = {{1, 1}, {2, 2}, {3, 4}, {65, 128}, {16385, 32768}};
	struct frame_entry entry = make(0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame_queue queue;

		open_queue(&queue, sizes[i][0], 0);
		for (uint32_t j = 0; j < sizes[i][1]; j++)
			push(&queue, j);
		assert_false(frame_queue_push(&queue, &entry));
		frame_queue_destroy(&queue);
	}
}

static void test_sleep_and_wake(void **state)
{
	struct frame_queue queue;

	open_queue(&queue, 8, 0);
	assert_false(frame_queue_must_wake(&queue)); /* it does not sleep */
	assert_true(frame_queue_sleep(&queue));
	push(&queue, 0);
	frame_queue_publish(&queue);
	assert_true(frame_queue_must_wake(&queue));
	assert_false(frame_queue_must_wake(&queue)); /* once per sleep */
	assert_false(frame_queue_sleep(&queue));     /* there is something to take */
	assert_false(frame_queue_must_wake(&queue));
	expect(&queue, 0);
	assert_true(frame_queue_sleep(&queue));
	frame_queue_awake(&queue); /* for another reason */
	assert_false(frame_queue_must_wake(&queue));
	frame_queue_destroy(&queue);
}

/* ---- two threads -------------------------------------------------------------------------------
 */

static _Atomic uint32_t stress_entries = STRESS_ENTRIES;

static void *produce(void *arg)
{
	uint64_t until_ns = clock_ns() + MOST_S * NS_PER_SECOND;
	struct frame_queue *queue = arg;
	uint32_t random = 1;
	uint32_t n = 0;

	while (n < atomic_load(&stress_entries)) {
		uint32_t batch = 1 + next_random(&random) % 100;
		bool full = false;

		for (; batch && !full && n < atomic_load(&stress_entries); batch--) {
			struct frame_entry entry = make(n);

			full = !frame_queue_push(queue, &entry);
			n += !full;
		}
		if (clock_ns() >= until_ns)
			atomic_store(&stress_entries, n);
		frame_queue_publish(queue);
		if (full)
			sched_yield();
	}
	return NULL;
}

/* Each entry arrives once, unchanged and in order, over a small ring whose indices wrap. */
static void test_stress(void **state)
{
	struct frame_queue queue;
	struct frame_entry entry;
	pthread_t thread;

	watchdog_start(__func__);
	open_queue(&queue, 256, UINT32_MAX - 100000);
	assert_int_equal(pthread_create(&thread, NULL, produce, &queue), 0);
	for (uint32_t n = 0; n < atomic_load(&stress_entries);) {
		uint32_t length = frame_queue_length(&queue);

		if (length > 256)
			fail_msg("%u entries in a queue of 256", length);
		if (!frame_queue_take(&queue, &entry)) {
			sched_yield();
			continue;
		}
		if (!is(&entry, n))
			fail_msg("entry %u is not the one that was pushed", n);
		n++;
	}
	pthread_join(thread, NULL);
	expect_empty(&queue);
	frame_queue_destroy(&queue);
	watchdog_stop();
}

struct handshake {
	struct frame_queue queue;
	int fd;
	_Atomic uint32_t taken;
	_Atomic uint32_t rounds;
	uint64_t announced; /* times that the consumer said that it would sleep */
};

/* Spend a random time, of a random order of magnitude, so that the threads meet at every point. */
static void dawdle(uint32_t *random)
{
	uint32_t limit = 2U << next_random(random) % 9;

	for (volatile uint32_t i = next_random(random) % limit; i; i--)
		;
}

/* Takes entries one by one, and sleeps on the eventfd whenever it may. */
static void *sleepy_consumer(void *arg)
{
	struct handshake *handshake = arg;
	struct frame_queue *queue = &handshake->queue;
	struct frame_entry entry;
	uint32_t random = 2;
	uint64_t count;

	for (uint32_t n = 0; n < atomic_load(&handshake->rounds);) {
		while (frame_queue_take(queue, &entry)) {
			if (!is(&entry, n))
				abort();
			atomic_store(&handshake->taken, ++n);
		}
		dawdle(&random);
		if (n == atomic_load(&handshake->rounds))
			continue;
		/* The producer may see an announcement that the consumer then withdraws. */
		handshake->announced++;
		if (!frame_queue_sleep(queue))
			continue;
		/* Blocks for ever if a wake-up is lost, because the producer waits, too. */
		if (read(handshake->fd, &count, sizeof(count)) != sizeof(count))
			abort();
		frame_queue_awake(queue);
	}
	return NULL;
}

/* After each publish the producer waits until the entry was taken, so that no later wake-up makes
 * up for a lost one. */
static void test_no_wakeup_is_lost(void **state)
{
	uint64_t until_ns = clock_ns() + MOST_S * NS_PER_SECOND;
	struct handshake *handshake;
	const uint64_t one = 1;
	uint64_t wakes = 0;
	uint32_t random = 1;
	pthread_t thread;

	watchdog_start(__func__);
	handshake = aligned_alloc(CACHE_LINE, sizeof(*handshake));
	assert_non_null(handshake);
	memset(handshake, 0, sizeof(*handshake));
	open_queue(&handshake->queue, 4, UINT32_MAX - 100);
	handshake->fd = eventfd(0, 0);
	assert_true(handshake->fd >= 0);
	atomic_store(&handshake->rounds, HANDSHAKE_ROUNDS);
	assert_int_equal(pthread_create(&thread, NULL, sleepy_consumer, handshake), 0);
	for (uint32_t n = 0; n < atomic_load(&handshake->rounds); n++) {
		dawdle(&random);
		if (clock_ns() >= until_ns)
			atomic_store(&handshake->rounds, n + 1);
		push(&handshake->queue, n);
		frame_queue_publish(&handshake->queue);
		if (frame_queue_must_wake(&handshake->queue)) {
			wakes++;
			assert_int_equal(write(handshake->fd, &one, sizeof(one)), sizeof(one));
		}
		for (uint32_t spun = 1; atomic_load(&handshake->taken) != n + 1; spun++) {
			if (spun % 4096 == 0)
				sched_yield();
		}
	}
	pthread_join(thread, NULL);
	/* The producer never wakes twice for one announcement. */
	assert_true(wakes <= handshake->announced);
	assert_true(wakes > 0);
	close(handshake->fd);
	frame_queue_destroy(&handshake->queue);
	free(handshake);
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),	   cmocka_unit_test(test_publish_shows),
		cmocka_unit_test(test_full),	   cmocka_unit_test(test_wrap_around),
		cmocka_unit_test(test_rounded_up), cmocka_unit_test(test_sleep_and_wake),
		cmocka_unit_test(test_stress),	   cmocka_unit_test(test_no_wakeup_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
