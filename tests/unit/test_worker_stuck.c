// SPDX-License-Identifier: BSD-2-Clause
/*
 * A worker whose ingress thread is stuck: no call of the main thread waits for it, and nothing that
 * it may still use is freed. A program of its own, because a stuck thread is the end of a process.
 */
#include "watchdog.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/worker.h"
#include "lab.c"

#define PATIENCE 2 /* seconds */

/* Called by ThreadSanitizer: the stuck thread is left behind on purpose. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}

static sem_t caught;
static sem_t release;

static void get_stuck(void *context)
{
	sem_post(&caught);
	while (sem_wait(&release) && errno == EINTR)
		;
}

static struct worker *open_stuck(struct ruleset **ruleset)
{
	const struct worker_options options = {
		.iface = "lo",
		.queue = 0,
		.mtu = LAB_MTU,
		.sizes = {.frames = 64, .rx_ring = 64, .watchdog = PATIENCE},
		.egress = {.engine = ENGINE_SENDMMSG, .gso = 64, .wakeup = WAKEUP_EVENTFD},
	};
	struct worker *worker;

	assert_int_equal(worker_open(&worker, &options), 0);
	assert_int_equal(ruleset_new(ruleset, NULL, NULL, 0), 0);
	fake_xsk_when_empty(get_stuck, NULL);
	assert_int_equal(worker_start(worker, *ruleset), 0);
	sem_wait(&caught);
	return worker;
}

/* Threads of this process. Nobody joins a stuck thread; it only disappears from this number. */
static unsigned int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned int n = 0;

	assert_non_null(tasks);
	for (const struct dirent *task = readdir(tasks); task; task = readdir(tasks))
		n += task->d_name[0] != '.';
	closedir(tasks);
	return n;
}

/* A change of rules gives up, in about PATIENCE seconds of real time. */
static void test_stuck(void **state)
{
	struct ruleset *ruleset;
	struct ruleset *next;
	struct stuck_thread stuck;
	struct worker_state counters;
	struct worker *worker;
	unsigned int threads_without_ingress;

	watchdog_start("stuck");
	worker = open_stuck(&ruleset);
	threads_without_ingress = threads() - 1;
	assert_int_equal(ruleset_new(&next, NULL, NULL, 0), 0);
	assert_null(worker_find_stuck());
	assert_int_equal(worker_update(worker, next), -EIO);
	assert_ptr_equal(worker_find_stuck(), worker);
	assert_true(worker_failed(worker));
	worker_describe_stuck(worker, &stuck);
	assert_string_equal(stuck.thread, "in0/lo");
	assert_true(stuck.overdue_ns >= PATIENCE * NS_PER_SECOND);
	assert_true(stuck.cpu_ns < NS_PER_SECOND);
	assert_true(worker_overdue_ns(worker) == stuck.overdue_ns);
	/* From now on without waiting. */
	assert_int_equal(worker_update(worker, ruleset), -EIO);
	assert_int_equal(worker_stop(worker), -EIO);
	worker_read(worker, &counters);
	assert_int_equal(counters.kernel_frames, 64);
	worker_close(worker);
	worker_close(worker); /* still there */
	/* It continues, uses all that it has, and then ends as ordered. */
	sem_post(&release);
	while (threads() > threads_without_ingress)
		sched_yield();
	assert_ptr_equal(worker_find_stuck(), worker);
	watchdog_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stuck)};

	sem_init(&caught, 0, 0);
	sem_init(&release, 0, 0);
	log_set_level(LOG_FACILITIES, LOG_LEVEL_WARNING);
	lab_enter();
	/* _exit: threads are left, and the leak checker would look at what they still use. */
	_exit(cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0);
}
