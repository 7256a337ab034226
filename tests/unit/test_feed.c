// SPDX-License-Identifier: BSD-2-Clause
/* The feed between its three threads, and which frames are counted where. */
#include "watchdog.h"

#include <pthread.h>
#include <sched.h>

/* For its static functions. */
#include "dataplane/egress.c"

#define FRAMES	   64
#define FRAME_SIZE 64
#define DATAGRAMS  20000
#define FEW	   10

static uint8_t memory[FRAMES][FRAME_SIZE];
static struct stream stream;
static struct feed *feed;

static void open_feed(void)
{
	const struct feed_frames frames = {
		.memory = memory[0],
		.size = FRAME_SIZE,
		.count = FRAMES,
		.capacity = FRAME_SIZE,
		.wakeup_fd = -1,
	};

	feed = feed_new(0, &frames);
	assert_non_null(feed);
	/* There is nobody to be woken. */
	atomic_store(&feed->queue.sleeping, false);
	atomic_store(&feed->done.sleeping, false);
}

/* Is the frame of the n-th datagram free again? Relaxed: it must not order what the feed has to. */
static bool has_frame(uint32_t n)
{
	return n - atomic_load_explicit(&feed->done.tail, memory_order_relaxed) < FRAMES;
}

static bool push(uint32_t n)
{
	const struct frame_entry entry = {.stream = &stream, .frame = n % FRAMES, .length = 1};
	const bool pushed = feed_push(feed, &entry, 1, n, (struct merge_skipped){.count = n});

	return feed_publish(feed) == 0 && pushed;
}

/* ---- between threads ---- */

/* Returns how many datagrams were not those that were pushed. */
static void *merge_main(void *arg)
{
	uintptr_t wrong = 0;
	uint32_t taken = 0;

	while (taken < DATAGRAMS) {
		struct feed_note note;
		struct slot *slot;

		if (!frame_queue_peek(&feed->queue)) {
			sched_yield();
			continue;
		}
		note = *feed_note(feed);
		slot = feed_take(feed);
		wrong += note.arrived_ns != taken || note.skipped.count != taken ||
			 slot->frame != taken % FRAMES;
		taken++;
		feed_return(feed, slot);
		feed_publish_done(feed);
	}
	return (void *)wrong;
}

static void *egress_main(void *arg)
{
	struct frame_entry entry;
	uintptr_t wrong = 0;
	uint32_t taken = 0;

	while (taken < DATAGRAMS) {
		if (frame_queue_take(&feed->done, &entry))
			wrong += entry.frame != taken++ % FRAMES;
		else
			sched_yield();
	}
	return (void *)wrong;
}

/* ThreadSanitizer sees whether a note is overwritten that may still be read. */
static void test_threads(void **state)
{
	pthread_t merger, egress;
	void *wrong;

	watchdog_start("threads");
	open_feed();
	assert_int_equal(pthread_create(&merger, NULL, merge_main, NULL), 0);
	assert_int_equal(pthread_create(&egress, NULL, egress_main, NULL), 0);
	for (uint32_t n = 0; n < DATAGRAMS; n++) {
		while (!has_frame(n) || !push(n))
			sched_yield();
	}
	pthread_join(merger, &wrong);
	assert_null(wrong);
	pthread_join(egress, &wrong);
	assert_null(wrong);
	assert_int_equal(feed_frames_held(feed), 0);
	feed_free(feed);
	watchdog_stop();
}

/* ---- frames ---- */

/* A frame counts until the egress thread has it. */
static void test_frames_held(void **state)
{
	struct frame_entry entry;
	struct slot *slots[FEW];

	open_feed();
	for (uint32_t n = 0; n < FEW; n++)
		assert_true(push(n));
	for (unsigned int i = 0; i < FEW; i++)
		slots[i] = feed_take(feed);
	assert_int_equal(feed_frames_held(feed), FEW);
	for (unsigned int i = 0; i < FEW; i++)
		feed_return(feed, slots[i]);
	feed_publish_done(feed);
	for (unsigned int i = FEW; i > 0; i--) {
		assert_int_equal(feed_frames_held(feed), i);
		assert_true(frame_queue_take(&feed->done, &entry));
	}
	assert_int_equal(feed_frames_held(feed), 0);
	feed_free(feed);
}

/* The merger is behind with more than half of its part of the frames, three quarters of all. */
static void test_behind(void **state)
{
	uint32_t n;

	open_feed();
	for (n = 0; n < FRAMES / 8 * 3; n++)
		assert_true(push(n));
	assert_int_equal(feed_publish(feed), 0);
	assert_false(feed_is_behind(feed));
	assert_true(push(n));
	assert_int_equal(feed_publish(feed), 0);
	assert_true(feed_is_behind(feed));
	feed_free(feed);
}

/* Other rules have more to send than the egress thread can: frames of merged ones return
 * nevertheless. */
static void test_queue_is_never_empty(void **state)
{
	const struct frame_entry other = {.kind = FRAME_DATA, .frame = FEW};
	struct frame_queue queue;
	struct egress egress = {.queue = &queue};
	struct frame_entry entry;
	unsigned int returned = 0;

	open_feed();
	atomic_store(&egress.feed, feed);
	assert_int_equal(frame_queue_init(&queue, FRAMES), 0);
	for (uint32_t n = 0; n < FEW; n++) {
		assert_true(push(n));
		feed_return(feed, feed_take(feed));
	}
	feed_publish_done(feed);
	for (unsigned int i = 0; i < 2 * FEW; i++) {
		frame_queue_push(&queue, &other);
		frame_queue_publish(&queue);
		assert_true(take_entry(&egress, &entry));
		returned += entry.frame < FEW;
	}
	assert_int_equal(returned, FEW);
	frame_queue_destroy(&queue);
	feed_free(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_frames_held),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_queue_is_never_empty),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
