// SPDX-License-Identifier: BSD-2-Clause
/*
 * The merger's thread is stuck: no call of the main thread waits for it for ever, and nothing that
 * it may still use is freed. A program of its own, because a stuck thread is the end of a process.
 */
#include "watchdog.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>

/* The thread's own function is replaced by one that can get stuck; all others are the real ones. */
#define merger_take real_take
#include "dataplane/merger.c"
#undef merger_take

#include "../bpf/require.h"
#include "base/log.h"
#include "dataplane/merger_rules.h"
#include "dataplane/merger_thread.h"
#include "dataplane/worker.h"
#include "lab.c"

/* Seconds. Longer than a busy machine keeps a thread waiting that is not stuck. */
#define PATIENCE 8
#define FRAMES	 256

/* Called by ThreadSanitizer: the stuck thread is left behind on purpose. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}

static atomic_bool get_stuck;
static sem_t caught;
static sem_t release;

bool merger_take(struct merger *merger, struct frame_entry *entry);
bool merger_take(struct merger *merger, struct frame_entry *entry)
{
	if (atomic_load(&get_stuck)) {
		sem_post(&caught);
		while (sem_wait(&release) && errno == EINTR)
			;
		atomic_store(&get_stuck, false);
	}
	return real_take(merger, entry);
}

static void start(void)
{
	const struct egress_config egress = {
		.engine = ENGINE_SENDMMSG,
		.wakeup = WAKEUP_EVENTFD,
	};

	assert_int_equal(merger_start(&egress, PATIENCE), 0);
}

/* A thread without work sleeps, and its heartbeat moves each time that it is woken. */
static void test_sleeps(void **state)
{
	uint64_t now = 1000 * NS_PER_SECOND;

	watchdog_start("sleeps");
	merger_check(now); /* does not run */
	assert_int_equal(merger_overdue_ns(), 0);
	start();
	for (int i = 0; i < 100; i++) {
		now += NS_PER_SECOND;
		merger_check(now); /* wakes it if it has not moved since then */
		do {
			sched_yield();
			merger_check(++now);
		} while (merger_overdue_ns());
		assert_true(merger_settle(merger_get(), NULL, NULL));
	}
	assert_false(merger_failed());
	merger_stop();
	watchdog_stop();
}

/* A wait gives up, in about PATIENCE seconds of real time. */
static void test_stuck(void **state)
{
	struct rule_side sides[2] = {};
	const struct rule rule = {.merge = MERGE_RTP, .nr_sides = 2, .sides = sides};
	const struct worker_options options = {
		.iface = "lo",
		.mtu = LAB_MTU,
		.sizes = {.frames = FRAMES, .rx_ring = FRAMES},
		.egress = {.engine = ENGINE_SENDMMSG, .wakeup = WAKEUP_EVENTFD},
	};
	const struct feed_frames frames = {.count = FRAMES, .capacity = 1500, .wakeup_fd = -1};
	struct stuck_thread stuck;
	struct ruleset *ruleset;
	struct worker *worker;
	struct merged *merged;
	struct merger *merger;
	struct feed *feed;

	watchdog_start("stuck");
	start();
	assert_int_equal(ruleset_new(&ruleset, NULL, NULL, 0), 0);
	assert_int_equal(worker_open(&worker, &options), 0);
	assert_int_equal(worker_start(worker, ruleset), 0);
	merger = merger_get();
	feed = merger_add_feed(merger, &frames);
	merged = merged_new(merger, &rule);
	assert_non_null(feed);
	assert_non_null(merged);
	assert_true(merger_settle(merger, merged, feed));
	atomic_store(&get_stuck, true);
	wakeup_send(feed->wakeup_fd);
	sem_wait(&caught);
	assert_false(merger_stuck());
	assert_false(merger_settle(merger, merged, feed));
	assert_true(merger_stuck());
	assert_true(merger_failed());
	merger_describe_stuck(&stuck);
	assert_string_equal(stuck.thread, "merge");
	assert_true(stuck.overdue_ns >= PATIENCE * NS_PER_SECOND);
	assert_true(stuck.cpu_ns < NS_PER_SECOND);
	assert_true(merger_overdue_ns() == stuck.overdue_ns);
	/* From now on without waiting; all is still there. */
	assert_false(merger_settle(merger, NULL, NULL));
	merged_put(merged);
	assert_false(merger_remove_feed(merger, feed));
	/* The worker's own threads end. */
	assert_int_equal(worker_pause(worker), -EIO);
	assert_false(worker_failed(worker));
	worker_close(worker);
	ruleset_free(ruleset);
	assert_ptr_equal(feed_at(merger, feed->number), feed);
	merger_stop();
	assert_true(merger_runs(merger));
	/* It continues, and uses what the main thread has let go. */
	sem_post(&release);
	while (atomic_load(merger->thread.acknowledged) != merger->generation)
		sched_yield();
	assert_true(merger_stuck());
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleeps),
		cmocka_unit_test(test_stuck),
	};

	sem_init(&caught, 0, 0);
	sem_init(&release, 0, 0);
	log_set_level(LOG_FACILITIES, LOG_LEVEL_WARNING);
	lab_enter();
	/* _exit: a thread is left, and the leak checker would look at what it still uses. */
	_exit(cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0);
}
