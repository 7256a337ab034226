/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_EGRESS
#include "dataplane/heartbeat.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "dataplane/engine.h"

/* CPU time that a thread has used; 0 if it is unavailable. */
static uint64_t cpu_ns(pthread_t thread)
{
	struct timespec used;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * NS_PER_SECOND + (uint64_t)used.tv_nsec;
}

bool heartbeat_look(struct heartbeat *heartbeat, pthread_t thread, const counter_t *beats,
		    uint64_t stuck_after_ns, uint64_t now_ns)
{
	bool wake = watch_look(&heartbeat->watch, counter_read(beats), now_ns);

	if (wake)
		heartbeat->woken_cpu_ns = cpu_ns(thread);
	if (stuck_after_ns && watch_overdue_ns(&heartbeat->watch) >= stuck_after_ns)
		heartbeat->stuck = true;
	return wake;
}

void heartbeat_describe(const struct heartbeat *heartbeat, pthread_t thread, const char *otherwise,
			struct stuck_thread *stuck)
{
	if (pthread_getname_np(thread, stuck->thread, sizeof(stuck->thread)))
		snprintf(stuck->thread, sizeof(stuck->thread), "%s", otherwise);
	stuck->overdue_ns = watch_overdue_ns(&heartbeat->watch);
	stuck->cpu_ns = cpu_ns(thread) - heartbeat->woken_cpu_ns;
}

void heartbeat_ping(int command_fd)
{
	const struct egress_command ping = {.kind = EGRESS_PING};

	/* Once the stream is closed, its end has woken the thread already. */
	if (command_fd >= 0 &&
	    send(command_fd, &ping, sizeof(ping), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_error("egress-notify-failed", LOG_ERROR(-errno));
}
