/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A program that runs. Its pid is ours, and nobody else's, until we reap it. */
struct child {
	pid_t pid; /* 0: none */
	int pidfd; /* in the epoll set; -1: there was no descriptor left */
	uint64_t deadline;
	bool killed;
	char event[HOOK_KEY_SIZE];
};

struct hook {
	char *path;   /* NULL: none */
	int epoll_fd; /* the children's pidfds, and the timer */
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

/* NULL, or what is wrong with it; then *err says so as well. */
static const char *find_fault(const char *path, int *err)
{
	struct stat status;

	*err = -EINVAL;
	if (path[0] != '/')
		return "not an absolute path";
	if (stat(path, &status)) {
		*err = -errno;
		return strerror(errno);
	}
	if (!S_ISREG(status.st_mode))
		return "not a regular file";
	*err = -EACCES;
	/* It is run with our rights: whoever can write it, or give it away, has them. */
	if (status.st_uid != 0 && status.st_uid != geteuid())
		return "it belongs to somebody else: expected root or the daemon's own user";
	if (status.st_mode & S_IWOTH)
		return "everybody may write it";
	if ((status.st_mode & S_IWGRP) && status.st_gid != 0 && status.st_gid != getegid())
		return "its group may write it";
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return "not executable";
	return NULL;
}

static int open_descriptors(struct hook *hook)
{
	struct epoll_event event = {.events = EPOLLIN};

	hook->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (hook->epoll_fd < 0)
		return -errno;
	hook->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (hook->timer_fd < 0)
		return -errno;
	return epoll_ctl(hook->epoll_fd, EPOLL_CTL_ADD, hook->timer_fd, &event) ? -errno : 0;
}

static int refuse(const char *path, const char *fault, int err)
{
	log_error("hook-refused path=\"%s\" error=\"%s\"", path, fault);
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
	fault = find_fault(path, &err);
	if (fault)
		return refuse(path, fault, err);
	hook->path = strdup(path);
	return hook->path ? 0 : refuse(path, strerror(ENOMEM), -ENOMEM);
}

int hook_open(struct hook **out, const char *path)
{
	struct hook *hook = calloc(1, sizeof(*hook));
	int err;

	*out = NULL;
	if (!hook)
		return refuse(path, strerror(ENOMEM), -ENOMEM);
	hook->epoll_fd = -1;
	hook->timer_fd = -1;
	hook->timeout_ms = HOOK_TIMEOUT_MS;
	err = open_descriptors(hook);
	if (err)
		refuse(path, strerror(-err), err);
	else
		err = hook_set_path(hook, path);
	if (err) {
		hook_close(hook);
		return err;
	}
	signal(SIGCHLD, SIG_DFL);
	*out = hook;
	return 0;
}

/* ---- its environment ---- */

/* XMCAST_EVENT, PATH, the keys, and the end. */
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

/*
 * posix_spawn(3), not fork(2): we have threads, and gigabytes of UMEM whose pages a fork would have
 * to mark. It starts with no signal blocked and none ignored, in a process group of its own.
 */
static int spawn(const char *path, const char *event, char *const environment[], pid_t *pid)
{
	char *const arguments[] = {(char *)path, (char *)event, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t signals;
	int err;

	err = posix_spawn_file_actions_init(&actions);
	if (err)
		return -err;
	err = posix_spawnattr_init(&attributes);
	if (err) {
		posix_spawn_file_actions_destroy(&actions);
		return -err;
	}
	sigemptyset(&signals);
	posix_spawnattr_setsigmask(&attributes, &signals);
	sigfillset(&signals);
	posix_spawnattr_setsigdefault(&attributes, &signals);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP);
	err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	if (!err)
		err = posix_spawn(pid, path, &actions, &attributes, arguments, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* At the earliest deadline of those that run; a child without a pidfd is looked after each second.
 */
static void set_timer(struct hook *hook)
{
	struct itimerspec timer = {};
	uint64_t next = UINT64_MAX;

	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		const struct child *child = &hook->children[i];
		uint64_t due = child->pidfd < 0 ? now_ms() + 1000 : child->deadline;

		if (child->pid && (!child->killed || child->pidfd < 0) && due < next)
			next = due;
	}
	if (next != UINT64_MAX) {
		timer.it_value.tv_sec = (time_t)(next / 1000);
		timer.it_value.tv_nsec = (long)(next % 1000) * 1000000 + 1; /* 0 would disarm it */
	}
	timerfd_settime(hook->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

static struct child *find_free(struct hook *hook)
{
	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		if (!hook->children[i].pid)
			return &hook->children[i];
	}
	return NULL;
}

static void watch_child(struct hook *hook, struct child *child, pid_t pid, const char *event)
{
	struct epoll_event readable = {.events = EPOLLIN};

	child->pid = pid;
	child->killed = false;
	child->deadline = now_ms() + hook->timeout_ms;
	snprintf(child->event, sizeof(child->event), "%s", event);
	child->pidfd = pidfd_open(pid, 0);
	if (child->pidfd >= 0 &&
	    epoll_ctl(hook->epoll_fd, EPOLL_CTL_ADD, child->pidfd, &readable)) {
		close(child->pidfd);
		child->pidfd = -1;
	}
	set_timer(hook);
}

bool hook_run(struct hook *hook, const char *event, const char *const env[][2], size_t n)
{
	struct environment environment = {};
	struct child *child;
	const char *fault;
	pid_t pid = 0;
	int err;

	if (!hook || !hook->path)
		return false;
	/* Another file may be there since, or others may write it. */
	fault = find_fault(hook->path, &err);
	if (fault) {
		hook->counts.skipped++;
		refuse(hook->path, fault, err);
		return false;
	}
	child = find_free(hook);
	if (!child) {
		hook_reap(hook);
		child = find_free(hook);
	}
	if (!child) {
		hook->counts.skipped++;
		log_warning("hook-skipped event_name=\"%s\" running=%d", event, HOOK_RUNNING);
		return false;
	}
	err = make_environment(&environment, event, env, n);
	if (!err)
		err = spawn(hook->path, event, environment.strings, &pid);
	free_environment(&environment);
	if (err) {
		hook->counts.skipped++;
		log_error("hook-start-failed event_name=\"%s\" error=\"%s\"", event,
			  strerror(-err));
		return false;
	}
	hook->counts.started++;
	watch_child(hook, child, pid, event);
	return true;
}

/* ---- its end ---- */

static void log_end(struct hook *hook, const struct child *child, const siginfo_t *info)
{
	if (child->killed || (info->si_code == CLD_EXITED && info->si_status == 0))
		return;
	hook->counts.failed++;
	if (info->si_code == CLD_EXITED)
		log_warning("hook-failed event_name=\"%s\" status=%d", child->event,
			    info->si_status);
	else
		log_warning("hook-failed event_name=\"%s\" signal=%d", child->event,
			    info->si_status);
}

/* By pid, not by pidfd: that is as safe, because only we reap it, and there may be no pidfd. */
static void reap_child(struct hook *hook, struct child *child)
{
	siginfo_t info = {};
	int err = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) ? errno : 0;

	/* All but ECHILD, nobody's to wait for, is to be asked again. */
	if (err && err != ECHILD)
		return;
	if (err)
		log_warning("hook-failed event_name=\"%s\" error=\"%s\"", child->event,
			    strerror(err));
	else if (info.si_pid == 0)
		return; /* it runs */
	else
		log_end(hook, child, &info);
	if (child->pidfd >= 0)
		close(child->pidfd); /* which takes it out of the epoll set */
	memset(child, 0, sizeof(*child));
}

static void kill_child(struct hook *hook, struct child *child)
{
	child->killed = true;
	hook->counts.killed++;
	log_warning("hook-killed event_name=\"%s\" timeout_ms=%u", child->event, hook->timeout_ms);
	kill(-child->pid, SIGKILL);
}

void hook_reap(struct hook *hook)
{
	uint64_t expirations;
	uint64_t now;

	if (read(hook->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		log_debug("hook-timer-failed error=\"%s\"", strerror(errno));
	now = now_ms();
	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		struct child *child = &hook->children[i];

		if (child->pid)
			reap_child(hook, child);
		if (child->pid && !child->killed && now >= child->deadline)
			kill_child(hook, child);
	}
	set_timer(hook);
}

int hook_fd(const struct hook *hook)
{
	return hook->epoll_fd;
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
	for (unsigned int i = 0; i < HOOK_RUNNING; i++) {
		struct child *child = &hook->children[i];

		if (child->pid)
			reap_child(hook, child);
		if (child->pid && child->pidfd >= 0)
			close(child->pidfd);
	}
	if (hook->timer_fd >= 0)
		close(hook->timer_fd);
	if (hook->epoll_fd >= 0)
		close(hook->epoll_fd);
	free(hook->path);
	free(hook);
}
