/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/sinks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "daemon/hook.h"

static void publish(void *context, const struct event *event)
{
	struct daemon *daemon = context;
	json_t *json = event_json(event);

	if (json)
		control_server_publish(daemon->control, json);
	json_decref(json);
}

static void run_hook(void *context, const struct event *event)
{
	struct daemon *daemon = context;
	struct event_pairs pairs;

	if (!daemon->hook.running)
		return;
	event_to_pairs(event, &pairs);
	hook_run(daemon->hook.running, event->name, (const char *const(*)[2])pairs.pairs,
		 pairs.count);
}

int sinks_open(struct daemon *daemon, uint64_t hook_data)
{
	int err = events_add_sink(&daemon->events, event_log, NULL);

	daemon->hook.epoll_data = hook_data;
	if (!err)
		err = events_add_sink(&daemon->events, event_count, &daemon->event_counts);
	if (!err)
		err = events_add_sink(&daemon->events, publish, daemon);
	return err ? err : events_add_sink(&daemon->events, run_hook, daemon);
}

/* 0 or -errno, which has been told. */
static int use_hook(struct daemon *daemon, const char *path)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = daemon->hook.epoll_data};
	int err;

	if (daemon->hook.running)
		return hook_set_path(daemon->hook.running, path);
	err = *path ? hook_open(&daemon->hook.running, daemon->launcher, path) : 0;
	if (err || !*path)
		return err;
	if (epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, hook_fd(daemon->hook.running), &event))
		log_error("hook-unwatched path=\"%s\" error=\"%s\"", path, strerror(errno));
	return 0;
}

void sinks_set_hook(struct daemon *daemon, const char *path)
{
	if (strcmp(path, daemon->hook.path) == 0)
		return;
	/* One that is refused is not remembered: the next time it may have been mended. */
	if (use_hook(daemon, path))
		path = "";
	snprintf(daemon->hook.path, sizeof(daemon->hook.path), "%s", path);
}

void sinks_close(struct daemon *daemon)
{
	hook_close(daemon->hook.running);
	daemon->hook.running = NULL;
}
