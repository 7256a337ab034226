/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of the launcher. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* How long launcher_end() waits for what has been killed. */
#define END_MS 5000

struct job {
	int number;	    /* 0: none */
	launcher_told told; /* NULL: nobody wants to know */
	void *context;
};

struct launcher {
	int fd; /* -1: it has gone */
	pid_t pid;
	int last; /* number of a job */
	struct job jobs[LAUNCHER_JOBS];
};

/* ---- its start ---- */

/* 0 or an errno. All descriptors but its own are closed, no signal is blocked. */
static int prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, int fd)
{
	sigset_t none;
	int err;

	sigemptyset(&none);
	err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
	if (!err)
		err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY,
						       0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, fd, LAUNCHER_FD);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(actions, LAUNCHER_FD + 1);
	return err;
}

static int spawn(struct launcher *launcher, int fd)
{
	char *const arguments[] = {LAUNCHER_NAME, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	err = prepare(&actions, &attributes, fd);
	if (!err)
		err = posix_spawn(&launcher->pid, "/proc/self/exe", &actions, &attributes,
				  arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

static int start(struct launcher *launcher)
{
	int sockets[2];
	int fd;
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	launcher->fd = sockets[0];
	/* Out of the way of the number that it shall have there. */
	fd = fcntl(sockets[1], F_DUPFD_CLOEXEC, LAUNCHER_FD + 1);
	err = fd < 0 ? -errno : spawn(launcher, fd);
	if (fd >= 0)
		close(fd);
	close(sockets[1]);
	return err;
}

int launcher_open(struct launcher **out)
{
	struct launcher *launcher = calloc(1, sizeof(*launcher));
	int err = -ENOMEM;

	*out = NULL;
	if (launcher) {
		launcher->fd = -1;
		err = start(launcher);
	}
	if (err) {
		log_error("launcher-failed", LOG_ERROR(err));
		launcher_close(launcher);
		return err;
	}
	*out = launcher;
	return 0;
}

/* ---- jobs ---- */

static struct job *find(struct launcher *launcher, int number)
{
	for (unsigned int i = 0; launcher && i < LAUNCHER_JOBS; i++) {
		if (launcher->jobs[i].number == number)
			return &launcher->jobs[i];
	}
	return NULL;
}

/* Send a record; never waits. */
static int transmit(const struct launcher *launcher, struct msghdr *message)
{
	if (sendmsg(launcher->fd, message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* Number a job, and send the record that asks for it, whose first part is *request. */
static int ask(struct launcher *launcher, struct launcher_request *request, struct msghdr *message,
	       launcher_told told, void *context)
{
	struct job *job = find(launcher, 0);
	int err;

	if (!launcher || launcher->fd < 0)
		return -EPIPE;
	if (!job)
		return -EAGAIN;
	launcher->last = launcher->last == INT_MAX ? 1 : launcher->last + 1;
	request->job = (uint32_t)launcher->last;
	err = transmit(launcher, message);
	if (err)
		return err;
	*job = (struct job){.number = launcher->last, .told = told, .context = context};
	return job->number;
}

static struct iovec part(const void *bytes, size_t size)
{
	return (struct iovec){.iov_base = (void *)bytes, .iov_len = size};
}

int launcher_hook(struct launcher *launcher, const char *path, const char *event,
		  char *const *environment, launcher_told told, void *context)
{
	struct launcher_request request = {.kind = LAUNCH_HOOK, .strings = 2};
	struct iovec parts[1 + LAUNCHER_STRINGS];
	struct msghdr message = {.msg_iov = parts};

	parts[0] = part(&request, sizeof(request));
	parts[1] = part(path, strlen(path) + 1);
	parts[2] = part(event, strlen(event) + 1);
	for (; *environment; environment++) {
		if (request.strings == LAUNCHER_STRINGS)
			return -E2BIG;
		parts[1 + request.strings++] = part(*environment, strlen(*environment) + 1);
	}
	message.msg_iovlen = 1 + request.strings;
	return ask(launcher, &request, &message, told, context);
}

int launcher_exporter(struct launcher *launcher, const int descriptors[2], bool filter,
		      launcher_told told, void *context)
{
	struct launcher_request request = {.kind = LAUNCH_EXPORTER, .filter = filter};
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec head = part(&request, sizeof(request));
	struct msghdr message = {.msg_iov = &head,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(rights), descriptors, 2 * sizeof(int));
	return ask(launcher, &request, &message, told, context);
}

static int command(struct launcher *launcher, enum launcher_request_kind kind, int job)
{
	struct launcher_request request = {.kind = kind, .job = (uint32_t)job};
	struct iovec head = part(&request, sizeof(request));
	struct msghdr message = {.msg_iov = &head, .msg_iovlen = 1};

	if (!launcher || launcher->fd < 0)
		return -EPIPE;
	return transmit(launcher, &message);
}

void launcher_kill(struct launcher *launcher, int job)
{
	int err = command(launcher, LAUNCH_KILL, job);

	if (err && err != -EPIPE)
		log_warning("launcher-busy", LOG_ERROR(err));
}

void launcher_forget(struct launcher *launcher, int job)
{
	struct job *entry = job > 0 ? find(launcher, job) : NULL;

	if (entry)
		entry->told = NULL;
}

/* ---- what it reports ---- */

static void tell(struct job *job, const struct launcher_report *report)
{
	const struct job copy = *job;

	if (report->kind != LAUNCHER_STARTED)
		memset(job, 0, sizeof(*job));
	if (copy.told)
		copy.told(copy.context, report);
}

/* For each job its end, as if its program could not be told of; who asks for another is refused. */
static void on_death(struct launcher *launcher)
{
	log_error("launcher-failed", LOG_TEXT("error", "it has ended"),
		  LOG_TEXT("hint", "no hooks and no metrics until xmcastd is started anew"));
	close(launcher->fd);
	launcher->fd = -1;
	waitpid(launcher->pid, NULL, WNOHANG);
	for (unsigned int i = 0; i < LAUNCHER_JOBS; i++) {
		struct launcher_report report = {
			.kind = LAUNCHER_ENDED,
			.job = (uint32_t)launcher->jobs[i].number,
			.code = CLD_KILLED,
			.status = SIGKILL,
		};

		if (launcher->jobs[i].number)
			tell(&launcher->jobs[i], &report);
	}
}

bool launcher_run(struct launcher *launcher)
{
	struct launcher_report report;

	while (launcher->fd >= 0) {
		ssize_t n = recv(launcher->fd, &report, sizeof(report), MSG_DONTWAIT);
		struct job *job;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n != sizeof(report)) {
			on_death(launcher);
			return false;
		}
		report.fault[sizeof(report.fault) - 1] = '\0';
		job = report.job ? find(launcher, (int)report.job) : NULL;
		if (job)
			tell(job, &report);
	}
	return false;
}

void launcher_end(struct launcher *launcher, int job)
{
	uint64_t until = clock_ns() + END_MS * (NS_PER_SECOND / 1000);

	if (job <= 0)
		return;
	launcher_forget(launcher, job);
	launcher_kill(launcher, job);
	while (find(launcher, job) && launcher->fd >= 0 && clock_ns() < until) {
		struct pollfd fd = {.fd = launcher->fd, .events = POLLIN};

		poll(&fd, 1, 100);
		launcher_run(launcher);
	}
}

int launcher_fd(const struct launcher *launcher)
{
	return launcher->fd;
}

void launcher_close(struct launcher *launcher)
{
	if (!launcher)
		return;
	command(launcher, LAUNCH_LEAVE, 0);
	if (launcher->fd >= 0)
		close(launcher->fd);
	/* It ends by itself; should it take a while, whoever reaps after us reaps it. */
	if (launcher->pid > 0)
		waitpid(launcher->pid, NULL, WNOHANG);
	free(launcher);
}
