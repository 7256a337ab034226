/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/hook.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/hook_path.h"
#include "daemon/launcher.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A program that the launcher runs. */
struct child {
	int job; /* 0: none */
	uint64_t deadline;
	bool killed;
	char event[HOOK_KEY_SIZE];
};

struct hook {
	struct launcher *launcher;
	char *path;   /* NULL: none */
	int timer_fd; /* the next deadline */
	unsigned int timeout_ms;
	struct hook_counts counts;
	struct child children[HOOK_RUNNING];
};

static uint64_t now_ms(void)
{
	return clock_ns() / 1000000;
}

/* ---- opening ---- */

static int refuse(const char *path, const char *fault, int err)
{
	log_error("hook-refused", LOG_TEXT("path", path), LOG_TEXT("error", fault));
	return err;
}

int hook_set_path(struct hook *hook, const char *path)
{
	const char *fault;
	int err;

	free(hook->path);
	hook->path = NULL;
	if (!*path)
		return 0;
	fault = hook_path_fault(path, &err);
	if (fault)
		return refuse(path, fault, err);
	hook->path = strdup(path);
	return hook->path ? 0 : refuse(path, strerror(ENOMEM), -ENOMEM);
}

int hook_open(struct hook **out, struct launcher *launcher, const char *path)
{
	struct hook *hook = calloc(1, sizeof(*hook));
	int err;

	*out = NULL;
	if (!hook)
		return refuse(path, strerror(ENOMEM), -ENOMEM);
	hook->launcher = launcher;
	hook->timeout_ms = HOOK_TIMEOUT_MS;
	hook->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = hook->timer_fd < 0 ? -errno : 0;
	if (err)
		refuse(path, strerror(-err), err);
	else
		err = hook_set_path(hook, path);
	if (err) {
		hook_close(hook);
		return err;
	}
	*out = hook;
	return 0;
}

/* ---- its environment ---- */

/* XMCAST_EVENT, PATH, the keys, and the end (NULL). */
struct environment {
	char *strings[HOOK_KEYS + 3];
	size_t count;
};

static void free_environment(struct environment *environment)
{
	for (size_t i = 0; i < environment->count; i++)
		free(environment->strings[i]);
}

static int add(struct environment *environment, const char *prefix, const char *key,
	       const char *value)
{
	char *string = text_format("%s%s=%.*s", prefix, key, HOOK_VALUE_SIZE - 1, value);

	if (!string)
		return -ENOMEM;
	environment->strings[environment->count++] = string;
	return 0;
}

/* "last_seen" to "LAST_SEEN". False: it is not a key that an environment may have, or taken. */
static bool make_name(const char *key, char name[HOOK_KEY_SIZE])
{
	size_t i;

	if (key[0] < 'a' || key[0] > 'z')
		return false;
	for (i = 0; i < HOOK_KEY_SIZE - 1 && key[i]; i++) {
		if (key[i] >= 'a' && key[i] <= 'z')
			name[i] = (char)(key[i] - 'a' + 'A');
		else if ((key[i] >= '0' && key[i] <= '9') || key[i] == '_')
			name[i] = key[i];
		else if (key[i] == '-')
			name[i] = '_';
		else
			return false;
	}
	name[i] = '\0';
	return strcmp(name, "EVENT") != 0;
}

static int make_environment(struct environment *environment, const char *event,
			    const char *const env[][2], size_t n)
{
	const char *path = getenv("PATH");
	char name[HOOK_KEY_SIZE];
	int err;

	err = add(environment, "", "PATH", path ? path : DEFAULT_PATH);
	if (!err)
		err = add(environment, "XMCAST_", "EVENT", event);
	for (size_t i = 0; !err && i < n && environment->count < HOOK_KEYS + 2; i++) {
		if (make_name(env[i][0], name))
			err = add(environment, "XMCAST_", name, env[i][1]);
	}
	return err;
}

/* ---- running ---- */

/* At the earliest deadline of those that run. */
static void set_timer(struct hook *hook)
{
	struct itimerspec timer = {};
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		const struct child *child = &hook->children[i];

		if (child->job && !child->killed && child->deadline < next)
			next = child->deadline;
	}
	if (next != UINT64_MAX) {
		timer.it_value.tv_sec = (time_t)(next / 1000);
		timer.it_value.tv_nsec = (long)(next % 1000) * 1000000 + 1; /* 0 would disarm it */
	}
	timerfd_settime(hook->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

static struct child *find_child(struct hook *hook, int job)
{
	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		if (hook->children[i].job == job)
			return &hook->children[i];
	}
	return NULL;
}

static void log_end(struct hook *hook, const struct child *child,
		    const struct launcher_report *report)
{
	if (child->killed || (report->code == CLD_EXITED && report->status == 0))
		return;
	hook->counts.failed++;
	if (report->code == CLD_EXITED)
		log_warning("hook-failed", LOG_TEXT("event_name", child->event),
			    LOG_INT("status", report->status));
	else
		log_warning("hook-failed", LOG_TEXT("event_name", child->event),
			    LOG_INT("signal", report->status));
}

static void log_not_started(struct hook *hook, const struct child *child,
			    const struct launcher_report *report)
{
	hook->counts.skipped++;
	if (report->error < 0)
		log_error("hook-refused", LOG_TEXT("path", hook->path ? hook->path : ""),
			  LOG_TEXT("error", report->fault));
	else
		log_error("hook-start-failed", LOG_TEXT("event_name", child->event),
			  LOG_ERROR(-report->error));
}

static void on_report(void *context, const struct launcher_report *report)
{
	struct hook *hook = context;
	struct child *child = find_child(hook, (int)report->job);

	if (!child)
		return;
	if (report->kind == LAUNCHER_STARTED) {
		hook->counts.started++;
		return;
	}
	if (report->kind == LAUNCHER_ENDED)
		log_end(hook, child, report);
	else
		log_not_started(hook, child, report);
	memset(child, 0, sizeof(*child));
	set_timer(hook);
}

bool hook_run(struct hook *hook, const char *event, const char *const env[][2], size_t n)
{
	struct environment environment = {};
	struct child *child;
	const char *fault;
	int job;
	int err;

	if (!hook || !hook->path)
		return false;
	/* Another file may be there since, or others may write it. */
	fault = hook_path_fault(hook->path, &err);
	if (fault) {
		hook->counts.skipped++;
		refuse(hook->path, fault, err);
		return false;
	}
	child = find_child(hook, 0);
	if (!child) {
		hook->counts.skipped++;
		log_warning("hook-skipped", LOG_TEXT("event_name", event),
			    LOG_INT("running", HOOK_RUNNING));
		return false;
	}
	job = make_environment(&environment, event, env, n);
	if (!job)
		job = launcher_hook(hook->launcher, hook->path, event, environment.strings,
				    on_report, hook);
	free_environment(&environment);
	if (job < 0) {
		hook->counts.skipped++;
		log_error("hook-start-failed", LOG_TEXT("event_name", event), LOG_ERROR(job));
		return false;
	}
	child->job = job;
	child->killed = false;
	child->deadline = now_ms() + hook->timeout_ms;
	snprintf(child->event, sizeof(child->event), "%s", event);
	set_timer(hook);
	return true;
}

/* ---- its end ---- */

static void kill_child(struct hook *hook, struct child *child)
{
	child->killed = true;
	hook->counts.killed++;
	log_warning("hook-killed", LOG_TEXT("event_name", child->event),
		    LOG_UINT("timeout_ms", hook->timeout_ms));
	launcher_kill(hook->launcher, child->job);
}

void hook_expire(struct hook *hook)
{
	uint64_t expirations;
	uint64_t now;

	if (read(hook->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_debug("hook-timer-failed", LOG_ERROR(-errno));
	now = now_ms();
	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		struct child *child = &hook->children[i];

		if (child->job && !child->killed && now >= child->deadline)
			kill_child(hook, child);
	}
	set_timer(hook);
}

unsigned int hook_running(const struct hook *hook)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < HOOK_RUNNING; i++)
		count += hook->children[i].job != 0;
	return count;
}

int hook_fd(const struct hook *hook)
{
	return hook->timer_fd;
}

void hook_counts(const struct hook *hook, struct hook_counts *counts)
{
	*counts = hook->counts;
}

void hook_set_timeout(struct hook *hook, unsigned int milliseconds)
{
	hook->timeout_ms = milliseconds;
}

void hook_close(struct hook *hook)
{
	if (!hook)
		return;
	for (unsigned int i = 0; i < HOOK_RUNNING; i++)
		launcher_forget(hook->launcher, hook->children[i].job);
	if (hook->timer_fd >= 0)
		close(hook->timer_fd);
	free(hook->path);
	free(hook);
}
