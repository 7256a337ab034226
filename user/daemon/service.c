/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/confirmation.h"
#include "daemon/hand_over.h"
#include "daemon/fd_store.h"

void service_open(struct daemon *daemon)
{
	/* An unusable name has been logged; the relay works without a manager as well. */
	notify_open(&daemon->service.notify);
}

void service_open_store(struct daemon *daemon)
{
	int err = daemon->options.store ? fd_store_open(&daemon->store, daemon->service.notify) : 0;

	if (err)
		log_warning("store-unavailable", LOG_ERROR(err),
			    LOG_TEXT("hint", "a restart interrupts the streams"));
}

/* `account`: with the counters, which are final. */
static int store(struct daemon *daemon, bool account)
{
	struct hand_over offer = {};
	size_t length;
	char *text;
	int err = hand_over_describe(daemon, account, &offer, &text, &length);

	if (!err)
		err = fd_store_put(daemon->store, text, length, offer.fds, offer.nr_fds);
	if (err) {
		/* What was stored before is not what there is now. */
		fd_store_clear(daemon->store);
		log_warning("store-failed", LOG_UINT("descriptors", offer.nr_fds), LOG_ERROR(err),
			    LOG_TEXT("hint", "a restart interrupts the streams"));
	}
	free(text);
	hand_over_free(&offer);
	return err;
}

void service_keep(struct daemon *daemon)
{
	if (!daemon->store || daemon->stored == relay_changes(daemon->relay) ||
	    daemon->successor.state != SUCCESSOR_NONE)
		return;
	daemon->stored = relay_changes(daemon->relay);
	store(daemon, false);
}

bool service_leave(struct daemon *daemon, bool failed)
{
	if (!daemon->store || failed || relay_pause(daemon->relay) || store(daemon, true))
		return false;
	control_server_set_owner(daemon->control, false);
	relay_release(daemon->relay);
	return true;
}

void service_close(struct daemon *daemon)
{
	if (daemon->service.timer_fd >= 0)
		close(daemon->service.timer_fd);
	daemon->service.timer_fd = -1;
	fd_store_close(daemon->store);
	daemon->store = NULL;
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
	char text[NOTIFY_STATUS_SIZE], unconfirmed[64] = "";
	struct relay_summary sum = relay_summary(daemon->relay);
	unsigned int left = confirmation_seconds_left(daemon);

	if (left)
		snprintf(unconfirmed, sizeof(unconfirmed),
			 "; not confirmed: rolled back within %u min", (left + 59) / 60);
	snprintf(text, sizeof(text),
		 "rules: %u active, %u pending; interfaces: %u; workers: %u%s%s", sum.active,
		 sum.pending, sum.interfaces, sum.workers,
		 relay_ping(daemon->relay) < 0 ? "; the heartbeat of a worker is overdue" : "",
		 unconfirmed);
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
