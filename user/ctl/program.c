/* SPDX-License-Identifier: BSD-2-Clause */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "ctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *search_path(void)
{
	const char *path = getenv("PATH");

	return path ? path : DEFAULT_PATH;
}

static int check_file(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return -errno;
	return S_ISREG(status.st_mode) && access(path, X_OK) == 0 ? 0 : -EACCES;
}

int program_find(struct program *program, const char *name)
{
	const char *directory = search_path();
	int result = -ENOENT;

	if (strchr(name, '/') || !*name) {
		if (strlen(name) >= sizeof(program->path))
			return -ENAMETOOLONG;
		strcpy(program->path, name);
		return check_file(name);
	}
	while (true) {
		int length = (int)strcspn(directory, ":");
		int err;

		/* An empty element is the current directory. */
		if (snprintf(program->path, sizeof(program->path), "%.*s/%s", length ? length : 1,
			     length ? directory : ".", name) >= (int)sizeof(program->path))
			err = -ENAMETOOLONG;
		else
			err = check_file(program->path);
		if (!err)
			return 0;
		if (err == -EACCES)
			result = err;
		directory += length;
		if (!*directory++)
			return result;
	}
}

/* ---- its environment ---- */

/* "last-seen" to "LAST_SEEN". False: the key cannot be the name of a variable. */
static bool variable_name(const char *key, char name[PROGRAM_NAME_SIZE])
{
	size_t i;

	if (key[0] < 'a' || key[0] > 'z')
		return false;
	for (i = 0; i < PROGRAM_NAME_SIZE - 1 && key[i]; i++) {
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
	return true;
}

/* A text as it is, a number, or an object of numbers as "ENOBUFS:12,EAGAIN:3". False: anything
 * else, which has no form as a variable. Cut at the size of `text`. */
static bool variable_value(const json_t *value, char text[PROGRAM_VALUE_SIZE])
{
	const char *name;
	json_t *count;
	size_t used = 0;

	*text = '\0';
	if (json_is_string(value)) {
		snprintf(text, PROGRAM_VALUE_SIZE, "%s", json_string_value(value));
		return true;
	}
	if (json_is_integer(value)) {
		snprintf(text, PROGRAM_VALUE_SIZE, "%lld", (long long)json_integer_value(value));
		return true;
	}
	json_object_foreach((json_t *)value, name, count)
	{
		if (used < PROGRAM_VALUE_SIZE)
			used += (size_t)snprintf(text + used, PROGRAM_VALUE_SIZE - used,
						 "%s%s:%lld", used ? "," : "", name,
						 (long long)json_integer_value(count));
	}
	return json_is_object(value);
}

static void free_environment(char **environment)
{
	for (size_t i = 0; environment && environment[i]; i++)
		free(environment[i]);
	free(environment);
}

/* NULL: no memory. */
static char **make_environment(const json_t *event)
{
	char **environment = calloc(PROGRAM_KEYS + 2, sizeof(*environment)); /* PATH, NULL */
	char text[PROGRAM_VALUE_SIZE];
	char name[PROGRAM_NAME_SIZE];
	size_t count = 0;
	const char *key;
	json_t *value;

	if (environment)
		environment[count++] = text_format("PATH=%s", search_path());
	json_object_foreach((json_t *)event, key, value)
	{
		if (!count || !environment[count - 1] || count > PROGRAM_KEYS)
			break;
		if (variable_name(key, name) && variable_value(value, text))
			environment[count++] = text_format("XMCAST_%s=%s", name, text);
	}
	if (count && environment[count - 1])
		return environment;
	free_environment(environment);
	return NULL;
}

/* ---- running ---- */

/* 0 and the child, or -errno. */
static int start(const struct program *program, const char *event, char **environment, pid_t *pid)
{
	char *const arguments[] = {(char *)program->path, (char *)event, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all;
	sigset_t none;
	int err;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	err = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETSIGMASK);
	if (!err)
		err = posix_spawn(pid, program->path, &files, &attributes, arguments, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return -err;
}

/* Wait until the child can be reaped; true. False: it ran for too long, or a second signal came. */
static bool wait_for_end(struct program *program, int child_fd)
{
	uint64_t deadline = clock_ns() + program->timeout_ms * 1000000ULL;

	while (true) {
		struct pollfd fds[] = {{.fd = child_fd, .events = POLLIN},
				       {.fd = program->signal_fd, .events = POLLIN}};
		uint64_t now = clock_ns();
		struct signalfd_siginfo signal;

		if (now >= deadline)
			return false;
		if (poll(fds, 2, (int)((deadline - now) / 1000000) + 1) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents &&
		    read(program->signal_fd, &signal, sizeof(signal)) == sizeof(signal) &&
		    ++program->signals > 1)
			return false;
		if (fds[0].revents)
			return true;
	}
}

void program_run(struct program *program, const json_t *event)
{
	const char *name = json_string_value(json_object_get(event, "event"));
	char **environment = make_environment(event);
	siginfo_t end = {0};
	bool killed = false;
	int child_fd = -1;
	pid_t pid = -1;
	int err;

	name = name ? name : "";
	err = environment ? start(program, name, environment, &pid) : -ENOMEM;
	free_environment(environment);
	if (!err) {
		/* The pid is not reused before we reap the child. */
		child_fd = pidfd_open(pid, 0);
		err = child_fd < 0 ? -errno : 0;
		killed = err || !wait_for_end(program, child_fd);
		if (killed) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL); /* it may have moved to another process group */
		}
		while (waitid(P_PID, (id_t)pid, &end, WEXITED) && errno == EINTR)
			continue;
		if (child_fd >= 0)
			close(child_fd);
	}
	if (err)
		log_error("hook-start-failed", LOG_TEXT("event_name", name), LOG_ERROR(err));
	else if (killed)
		log_warning("hook-killed", LOG_TEXT("event_name", name),
			    LOG_UINT("timeout_ms", program->timeout_ms));
	else if (end.si_code != CLD_EXITED)
		log_warning("hook-failed", LOG_TEXT("event_name", name),
			    LOG_INT("signal", end.si_status));
	else if (end.si_status)
		log_warning("hook-failed", LOG_TEXT("event_name", name),
			    LOG_INT("status", end.si_status));
}
