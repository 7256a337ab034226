/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/watchdog.h"

#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_codes.h"
#include "daemon/service.h"

/* Telling takes milliseconds; this is for a thread that got stuck while it was writing a line. */
#define TELL_SECONDS 3

#define NS_PER_MS    1000000

bool watchdog_tripped(void)
{
	return worker_find_stuck() != NULL;
}

static void leave_now(int signal)
{
	_exit(EXIT_INTERNAL);
}

static void tell(struct daemon *daemon, const struct worker *worker)
{
	struct worker_stuck stuck;
	struct worker_state state;
	struct event event;

	worker_describe_stuck(worker, &stuck);
	worker_read(worker, &state);
	event_init(&event, "worker-stuck", LOG_FACILITY, LOG_LEVEL_ERROR);
	event_add_text(&event, "thread", stuck.thread);
	event_add_text(&event, "interface", worker_interface(worker));
	event_add_number(&event, "queue", worker_queue(worker));
	event_add_number(&event, "owed_ms", stuck.owed_ns / NS_PER_MS);
	event_add_number(&event, "cpu_ms", stuck.cpu_ns / NS_PER_MS);
	event_add_number(&event, "queued_frames", state.queued);
	event_add_number(&event, "in_flight_frames", state.in_flight);
	event_add_number(&event, "kernel_frames", state.kernel_frames);
	event_emit(&daemon->events, &event);
}

void watchdog_leave(struct daemon *daemon)
{
	const struct worker *worker = worker_find_stuck();
	struct stats *stats;

	if (!worker)
		return;
	signal(SIGALRM, leave_now);
	alarm(TELL_SECONDS);
	service_stopping(daemon);
	tell(daemon, worker);
	stats = relay_stats(daemon->relay);
	if (stats)
		stats_log(stats, "final-statistics");
	_exit(EXIT_INTERNAL);
}
