/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/service.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

void service_open(struct daemon *daemon)
{
	/* An unusable name has been logged; the relay works without a manager as well. */
	notify_open(&daemon->service.notify);
}

void service_close(struct daemon *daemon)
{
	if (daemon->service.timer_fd >= 0)
		close(daemon->service.timer_fd);
	daemon->service.timer_fd = -1;
	notify_close(daemon->service.notify);
	daemon->service.notify = NULL;
}

int service_watch(struct daemon *daemon, uint64_t epoll_data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = epoll_data};
	/* Half of it, as sd_watchdog_enabled(3) recommends. */
	uint64_t half = notify_watchdog_ns(daemon->service.notify) / 2;
	struct itimerspec interval = {
		.it_interval = {.tv_sec = (time_t)(half / NS_PER_SECOND),
				.tv_nsec = (long)(half % NS_PER_SECOND)},
		.it_value.tv_nsec = 1, /* at once, because the manager counts from the start; 0
					* would stop the timer */
	};
	int fd;

	if (!half)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	daemon->service.timer_fd = fd;
	if (timerfd_settime(fd, 0, &interval, NULL) ||
	    epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return 0;
}

void service_run(struct daemon *daemon)
{
	uint64_t expirations;

	if (read(daemon->service.timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	if (relay_ping(daemon->relay) >= 0)
		notify_alive(daemon->service.notify);
}

static void send_status(struct daemon *daemon)
{
	char text[NOTIFY_STATUS_SIZE];
	struct relay_summary sum = relay_summary(daemon->relay);

	snprintf(text, sizeof(text), "rules: %u active, %u pending; interfaces: %u; workers: %u%s",
		 sum.active, sum.pending, sum.interfaces, sum.workers,
		 relay_ping(daemon->relay) < 0 ? "; the heartbeat of a worker is overdue" : "");
	notify_status(daemon->service.notify, text);
}

void service_ready(struct daemon *daemon)
{
	if (!daemon->service.notify)
		return;
	notify_ready(daemon->service.notify);
	send_status(daemon);
}

void service_reloading(struct daemon *daemon)
{
	notify_reloading(daemon->service.notify);
}

void service_second(struct daemon *daemon)
{
	if (!daemon->service.notify)
		return;
	notify_retry(daemon->service.notify);
	send_status(daemon);
}

void service_stopping(struct daemon *daemon)
{
	notify_stopping(daemon->service.notify);
}
