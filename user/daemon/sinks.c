/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/sinks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "daemon/hook.h"

static void publish(struct daemon *daemon, const struct log_record *record)
{
	json_t *json = event_json(record);

	if (json)
		control_server_publish(daemon->control, json);
	json_decref(json);
}

static void run_hook(struct daemon *daemon, const struct log_record *record)
{
	char text[HOOK_KEYS][LOG_VALUE_SIZE];
	const char *pairs[HOOK_KEYS][2];
	size_t count = 0;

	for (unsigned int i = 0; i < record->nr_fields && count < HOOK_KEYS; i++) {
		const struct log_field *field = &record->fields[i];

		if (!log_field_is_set(field))
			continue;
		pairs[count][0] = field->event_key ? field->event_key : field->key;
		pairs[count][1] = log_field_text(field, text[count]);
		count++;
	}
	hook_run(daemon->hook.running, record->event, (const char *const(*)[2])pairs, count);
}

static void watch(void *context, const struct log_record *record)
{
	struct daemon *daemon = context;

	event_count(&daemon->event_counts, record);
	publish(daemon, record);
	if (daemon->hook.running)
		run_hook(daemon, record);
}

void sinks_open(struct daemon *daemon, uint64_t hook_data)
{
	daemon->hook.epoll_data = hook_data;
	log_watch(watch, daemon);
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
		log_error("hook-unwatched", LOG_TEXT("path", path), LOG_ERROR(-errno));
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
	log_watch(NULL, NULL);
	hook_close(daemon->hook.running);
	daemon->hook.running = NULL;
}
