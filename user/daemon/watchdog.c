/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/watchdog.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_codes.h"
#include "daemon/service.h"
#include "daemon/statistics.h"
#include "dataplane/merger_thread.h"

/* Logging takes milliseconds; this is for a thread that got stuck while it held the log. */
#define LOG_SECONDS 3

bool watchdog_tripped(void)
{
	return worker_find_stuck() || merger_stuck();
}

static void leave_now(int signal)
{
	_exit(EXIT_INTERNAL);
}

static void log_stuck(const struct worker *worker)
{
	struct stuck_thread stuck;
	struct worker_state state;

	worker_describe_stuck(worker, &stuck);
	worker_read(worker, &state);
	log_event(LOG_LEVEL_ERROR, "worker-stuck", LOG_NAME("thread", stuck.thread),
		  LOG_NAME("interface", worker_interface(worker)),
		  LOG_UINT("queue", worker_queue(worker)),
		  LOG_UINT("owed_ms", stuck.overdue_ns / NS_PER_MS),
		  LOG_UINT("cpu_ms", stuck.cpu_ns / NS_PER_MS),
		  LOG_UINT("queued_frames", state.queued),
		  LOG_UINT("in_flight_frames", state.in_flight),
		  LOG_UINT("kernel_frames", state.kernel_frames));
}

/* It serves all interfaces. What it has in flight are datagrams. */
static void log_stuck_merger(void)
{
	struct stuck_thread stuck;
	struct worker_state state;

	merger_describe_stuck(&stuck);
	merger_read(&state);
	log_event(LOG_LEVEL_ERROR, "worker-stuck", LOG_NAME("thread", stuck.thread),
		  LOG_UINT("owed_ms", stuck.overdue_ns / NS_PER_MS),
		  LOG_UINT("cpu_ms", stuck.cpu_ns / NS_PER_MS),
		  LOG_UINT("queued_frames", state.queued),
		  LOG_UINT("in_flight_frames", state.in_flight));
}

void watchdog_leave(struct daemon *daemon)
{
	const struct worker *worker = worker_find_stuck();

	if (!watchdog_tripped())
		return;
	signal(SIGALRM, leave_now);
	alarm(LOG_SECONDS);
	service_stopping(daemon);
	if (worker)
		log_stuck(worker);
	else
		log_stuck_merger();
	statistics_log(daemon, "final-statistics");
	_exit(EXIT_INTERNAL);
}
