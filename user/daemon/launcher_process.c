/* SPDX-License-Identifier: BSD-2-Clause */
/* The launcher's own process: one thread, which waits for the daemon and for its children. It logs
 * nothing: the daemon does, of what is reported. */
#include "daemon/launcher_process.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/exporter.h"
#include "daemon/exporter_process.h"
#include "daemon/hook_path.h"
#include "daemon/launcher.h"

/* A child. Its pid is ours, and nobody else's, until we reap it. */
struct child {
	pid_t pid; /* 0: none */
	uint32_t job;
	bool group; /* it leads a process group, which is killed with it */
};

struct process {
	int signal_fd;
	bool leave;
	struct child children[LAUNCHER_JOBS];
};

/* What a child is to become. */
struct program {
	const char *path;
	char *const *arguments;
	char *const *environment;
	const int *descriptors; /* that it has from 3 on */
	unsigned int nr_descriptors;
	bool is_hook;
};

/* ---- rights ---- */

static bool reduce_to(const unsigned int *capabilities, size_t count)
{
	capng_clear(CAPNG_SELECT_CAPS);
	for (size_t i = 0; i < count; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, capabilities[i]);
	return capng_apply(CAPNG_SELECT_CAPS) == 0 &&
	       prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

/* See launcher.h. A root that has not all of these has been deprived of them on purpose. */
static bool reduce_ours(void)
{
	static const unsigned int of_root[] = {CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_KILL};
	unsigned int kept[sizeof(of_root) / sizeof(of_root[0])];
	size_t count = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || capng_get_caps_process())
		return false;
	for (size_t i = 0; geteuid() == 0 && i < sizeof(of_root) / sizeof(of_root[0]); i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, of_root[i]))
			kept[count++] = of_root[i];
	}
	return reduce_to(kept, count);
}

/* With the bounding set, where we may: what a program of root's is then started with is nothing. */
static bool give_up_all(void)
{
	if (capng_get_caps_process())
		return false;
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
		capng_clear(CAPNG_SELECT_BOTH);
		if (capng_apply(CAPNG_SELECT_BOUNDS))
			return false;
	}
	return reduce_to(NULL, 0);
}

/* ---- starting ---- */

static void reset_signals(void)
{
	sigset_t none;

	/* Fails for the two that cannot be had, and for glibc's own. */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool place_descriptors(const struct program *program)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool ok = null >= 0 && dup2(null, STDIN_FILENO) >= 0;

	/* A hook speaks where the daemon does, the exporter has nothing to say. */
	if (ok && !program->is_hook)
		ok = dup2(null, STDOUT_FILENO) >= 0;
	for (unsigned int i = 0; ok && i < program->nr_descriptors; i++)
		ok = dup2(program->descriptors[i], STDERR_FILENO + 1 + (int)i) >= 0;
	return ok;
}

/* In the child; all descriptors but those placed are close-on-exec. Tells errno if it fails. */
static void become(const struct program *program, int error_fd)
{
	int err;

	reset_signals();
	errno = EPERM;
	if ((!program->is_hook || (setpgid(0, 0) == 0 && give_up_all())) &&
	    place_descriptors(program))
		execve(program->path, program->arguments, program->environment);
	err = errno;
	if (write(error_fd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* The pid, or -errno. Held up until the program has been loaded. */
static pid_t start(const struct program *program)
{
	int error_fd[2];
	int err = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(error_fd, O_CLOEXEC))
		return -errno;
	/* Out of the way of the numbers that are placed. */
	err = fcntl(error_fd[1], F_DUPFD_CLOEXEC, 16);
	close(error_fd[1]);
	error_fd[1] = err;
	pid = error_fd[1] < 0 ? -1 : fork();
	if (pid == 0)
		become(program, error_fd[1]);
	err = pid < 0 ? errno : 0;
	if (error_fd[1] >= 0)
		close(error_fd[1]);
	n = pid < 0 ? 0 : read(error_fd[0], &err, sizeof(err));
	close(error_fd[0]);
	if (pid > 0 && n != 0) {
		waitpid(pid, NULL, 0);
		return n == sizeof(err) ? -err : -EIO;
	}
	return pid < 0 ? -err : pid;
}

static void report(const struct launcher_report *record)
{
	/* Blocks while the daemon does not read; there are few, and the socket has room for more.
	 */
	if (send(LAUNCHER_FD, record, sizeof(*record), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		_exit(EXIT_FAILURE);
}

static void report_failure(uint32_t job, int error, const char *fault)
{
	struct launcher_report record = {.kind = LAUNCHER_NOT_STARTED, .job = job, .error = error};

	if (fault)
		snprintf(record.fault, sizeof(record.fault), "%s", fault);
	report(&record);
}

static void launch(struct process *process, uint32_t job, const struct program *program)
{
	struct launcher_report record = {.kind = LAUNCHER_STARTED, .job = job};
	struct child *child = process->children;

	while (child < process->children + LAUNCHER_JOBS && child->pid)
		child++;
	if (child == process->children + LAUNCHER_JOBS) {
		report_failure(job, EAGAIN, NULL);
		return;
	}
	record.pid = start(program);
	if (record.pid < 0) {
		report_failure(job, -record.pid, NULL);
		return;
	}
	*child = (struct child){.pid = record.pid, .job = job, .group = program->is_hook};
	report(&record);
}

static void launch_exporter(struct process *process, const struct launcher_request *request,
			    const int *descriptors)
{
	char *const arguments[] = {EXPORTER_NAME, request->filter ? NULL : EXPORTER_NO_FILTER,
				   NULL};
	const struct program program = {
		.path = "/proc/self/exe",
		.arguments = arguments,
		.environment = environ,
		.descriptors = descriptors,
		.nr_descriptors = 2,
	};

	launch(process, request->job, &program);
}

/* The strings one after the other. False: not as many as there should be, or not at the end. */
static bool split(char *text, size_t size, char **strings, uint32_t count)
{
	char *end = text + size;

	if (!size || end[-1] != '\0')
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (text == end)
			return false;
		strings[i] = text;
		text += strlen(text) + 1;
	}
	strings[count] = NULL;
	return text == end;
}

static void launch_hook(struct process *process, const struct launcher_request *request, char *text,
			size_t size)
{
	char *strings[LAUNCHER_STRINGS + 1];
	char *arguments[3] = {NULL};
	struct program program = {.is_hook = true};
	const char *fault;
	int err;

	if (request->strings < 2 || request->strings > LAUNCHER_STRINGS ||
	    !split(text, size, strings, request->strings)) {
		report_failure(request->job, EINVAL, NULL);
		return;
	}
	fault = hook_path_fault(strings[0], &err);
	if (fault) {
		report_failure(request->job, -1, fault);
		return;
	}
	arguments[0] = strings[0];
	arguments[1] = strings[1];
	program.path = strings[0];
	program.arguments = arguments;
	program.environment = strings + 2;
	launch(process, request->job, &program);
}

/* ---- ending ---- */

static void kill_child(const struct child *child)
{
	kill(child->group ? -child->pid : child->pid, SIGKILL);
}

static void kill_job(struct process *process, uint32_t job)
{
	for (unsigned int i = 0; i < LAUNCHER_JOBS; i++) {
		if (process->children[i].pid && process->children[i].job == job)
			kill_child(&process->children[i]);
	}
}

static void kill_all(struct process *process, bool hooks)
{
	for (unsigned int i = 0; i < LAUNCHER_JOBS; i++) {
		if (process->children[i].pid && (hooks || !process->children[i].group))
			kill_child(&process->children[i]);
	}
}

static void reap(struct process *process)
{
	struct signalfd_siginfo signal;

	if (read(process->signal_fd, &signal, sizeof(signal)) < 0 && errno != EAGAIN)
		_exit(EXIT_FAILURE);
	for (unsigned int i = 0; i < LAUNCHER_JOBS; i++) {
		struct child *child = &process->children[i];
		siginfo_t end = {0};
		struct launcher_report record = {.kind = LAUNCHER_ENDED, .job = child->job};

		if (!child->pid || waitid(P_PID, (id_t)child->pid, &end, WEXITED | WNOHANG) ||
		    !end.si_pid)
			continue;
		record.code = end.si_code;
		record.status = end.si_status;
		child->pid = 0;
		report(&record);
	}
}

/* ---- the daemon's requests ---- */

/* The record and up to two descriptors. Bytes; 0: the daemon has gone. */
static ssize_t receive(char *record, size_t size, int descriptors[2])
{
	char control[CMSG_SPACE(2 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec part = {.iov_base = record, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	const struct cmsghdr *rights;
	ssize_t n;

	do {
		n = recvmsg(LAUNCHER_FD, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	rights = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (rights && rights->cmsg_type == SCM_RIGHTS &&
	    rights->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(descriptors, CMSG_DATA(rights), 2 * sizeof(int));
	return n;
}

/* False: it is over. */
static bool serve(struct process *process)
{
	static char record[LAUNCHER_RECORD_SIZE];
	struct launcher_request request;
	int descriptors[2] = {-1, -1};
	ssize_t n = receive(record, sizeof(record), descriptors);

	if (n < (ssize_t)sizeof(request))
		return false;
	memcpy(&request, record, sizeof(request));
	switch (request.kind) {
	case LAUNCH_HOOK:
		launch_hook(process, &request, record + sizeof(request),
			    (size_t)n - sizeof(request));
		break;
	case LAUNCH_EXPORTER:
		launch_exporter(process, &request, descriptors);
		break;
	case LAUNCH_KILL:
		kill_job(process, request.job);
		break;
	case LAUNCH_LEAVE:
		process->leave = true;
		break;
	}
	for (unsigned int i = 0; i < 2; i++) {
		if (descriptors[i] >= 0)
			close(descriptors[i]);
	}
	return !process->leave;
}

static int open_signals(void)
{
	/* Who asks all of us to stop asks the daemon, and with it we end. */
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	sigset_t child;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_SETMASK, &child, NULL);
	return signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
}

int launcher_main(void)
{
	static struct process process;
	struct pollfd fds[] = {{.fd = LAUNCHER_FD, .events = POLLIN}, {.events = POLLIN}};

	/* Before the daemon's end can be missed: that is seen at the socket. */
	process.signal_fd = fds[1].fd = open_signals();
	if (process.signal_fd < 0 || fcntl(LAUNCHER_FD, F_SETFD, FD_CLOEXEC) || !reduce_ours() ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, LAUNCHER_NAME, 0, 0, 0);
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			reap(&process);
		if (fds[0].revents && !serve(&process))
			break;
	}
	kill_all(&process, !process.leave);
	return EXIT_SUCCESS;
}
