/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of the exporter: its socket, its start, its end. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/addr.h"
#include "base/log.h"
#include "daemon/exporter_process.h"

/* Seconds until it is started again: once it has lived for the longer, from the shorter on. */
#define BACKOFF_MIN 1
#define BACKOFF_MAX 60

/* Scrapers of one host, and room for some that only connect. */
#define BACKLOG 16

struct exporter {
	struct control_server *server;
	char address[ENDPOINT_TEXT_SIZE];
	int epoll_fd; /* holds the two below */
	int timer_fd; /* runs while it is not running */
	int pid_fd;   /* -1: it is not running */
	int listen_fd;
	pid_t pid;
	time_t started; /* CLOCK_MONOTONIC seconds */
	unsigned int backoff;
};

static time_t now(void)
{
	return (time_t)(clock_ns() / NS_PER_SECOND);
}

static int watch(struct exporter *exporter, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(exporter->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- start ---- */

static int listen_at(struct exporter *exporter, const struct metrics_config *config)
{
	struct sockaddr_storage address;
	socklen_t length = addr_to_sockaddr(&config->address, config->port, &address);
	const int on = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	endpoint_format(&config->address, config->port, NULL, exporter->address);
	exporter->listen_fd = fd;
	/* Connections of the daemon before us may still be in TIME_WAIT. */
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, (struct sockaddr *)&address, length) && !listen(fd, BACKLOG))
		return 0;
	err = -errno;
	log_error("metrics-failed listen=%s error=\"%s\" hint=\"choose another port for "
		  "metrics.listen, or turn it off\"",
		  exporter->address, strerror(-err));
	/* All but a lack, which passes, is the configuration's fault. */
	return err == -ENOMEM || err == -ENOBUFS || err == -EMFILE || err == -ENFILE
		       ? err
		       : -EADDRNOTAVAIL;
}

/* posix_spawn() closes all descriptors but these, and gives back the signals that we block or
 * ignore. 0 or -errno. */
static int prepare_spawn(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes,
			 int listen_fd, int control_fd)
{
	sigset_t none;
	sigset_t pipe;
	int err;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attributes, &pipe);
	if (!err)
		err = posix_spawnattr_setflags(attributes,
					       POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDWR,
						       0);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, STDIN_FILENO, STDOUT_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, listen_fd, EXPORTER_LISTEN_FD);
	if (!err)
		err = posix_spawn_file_actions_adddup2(actions, control_fd, EXPORTER_CONTROL_FD);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(actions, EXPORTER_CONTROL_FD + 1);
	return -err;
}

static int spawn(struct exporter *exporter, int listen_fd, int control_fd)
{
	char *const arguments[] = {EXPORTER_NAME, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int err;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	err = prepare_spawn(&actions, &attributes, listen_fd, control_fd);
	if (!err)
		err = -posix_spawn(&exporter->pid, "/proc/self/exe", &actions, &attributes,
				   arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

static int start(struct exporter *exporter)
{
	int sockets[2] = {-1, -1};
	int listen_fd = -1;
	int control_fd = -1;
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	/* Out of the way of the numbers that they shall have there. */
	listen_fd = fcntl(exporter->listen_fd, F_DUPFD_CLOEXEC, EXPORTER_CONTROL_FD + 1);
	control_fd = fcntl(sockets[1], F_DUPFD_CLOEXEC, EXPORTER_CONTROL_FD + 1);
	err = listen_fd < 0 || control_fd < 0 ? -errno : spawn(exporter, listen_fd, control_fd);
	close_fd(&listen_fd);
	close_fd(&control_fd);
	close_fd(&sockets[1]);
	if (err) {
		close_fd(&sockets[0]);
		return err;
	}
	exporter->started = now();
	exporter->pid_fd = (int)syscall(SYS_pidfd_open, exporter->pid, 0);
	err = exporter->pid_fd < 0 ? -errno : watch(exporter, exporter->pid_fd);
	/* From here on the server owns our end, also where it fails. */
	if (!err)
		return control_server_adopt(exporter->server, sockets[0], CONTROL_READ);
	close_fd(&sockets[0]);
	return err;
}

/* ---- end ---- */

static void start_later(struct exporter *exporter)
{
	struct itimerspec when = {.it_value.tv_sec = exporter->backoff};

	if (timerfd_settime(exporter->timer_fd, 0, &when, NULL))
		log_error("exporter-failed listen=%s error=\"%s\"", exporter->address,
			  strerror(errno));
	exporter->backoff *= 2;
	if (exporter->backoff > BACKOFF_MAX)
		exporter->backoff = BACKOFF_MAX;
}

static void start_or_wait(struct exporter *exporter)
{
	int err = start(exporter);

	if (!err) {
		log_info("exporter-started listen=%s pid=%d", exporter->address,
			 (int)exporter->pid);
		return;
	}
	log_warning("exporter-failed listen=%s error=\"%s\" again_in=%u", exporter->address,
		    strerror(-err), exporter->backoff);
	/* A process that has been started is waited for; it ends, because nobody serves it. */
	if (exporter->pid_fd < 0)
		start_later(exporter);
}

static void log_end(const struct exporter *exporter, const siginfo_t *end)
{
	if (end->si_code == CLD_EXITED)
		log_warning("exporter-failed listen=%s status=%d reason=\"%s\" again_in=%u",
			    exporter->address, end->si_status, exporter_exit_reason(end->si_status),
			    exporter->backoff);
	else
		log_warning("exporter-failed listen=%s signal=%s reason=\"it was killed\" "
			    "again_in=%u",
			    exporter->address, sigabbrev_np(end->si_status), exporter->backoff);
}

static void reap(struct exporter *exporter)
{
	siginfo_t end = {0};

	if (exporter->pid_fd < 0 || waitid(P_PID, (id_t)exporter->pid, &end, WEXITED | WNOHANG) ||
	    !end.si_pid)
		return;
	close_fd(&exporter->pid_fd);
	if (now() - exporter->started >= BACKOFF_MAX)
		exporter->backoff = BACKOFF_MIN;
	log_end(exporter, &end);
	start_later(exporter);
}

void exporter_run(struct exporter *exporter)
{
	uint64_t expirations;

	reap(exporter);
	if (read(exporter->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		start_or_wait(exporter);
}

int exporter_fd(const struct exporter *exporter)
{
	return exporter->epoll_fd;
}

int exporter_open(struct exporter **out, const struct metrics_config *config,
		  struct control_server *server)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int err;

	if (!exporter)
		return -ENOMEM;
	exporter->server = server;
	exporter->backoff = BACKOFF_MIN;
	exporter->pid_fd = -1;
	exporter->listen_fd = -1;
	exporter->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	exporter->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = exporter->epoll_fd < 0 || exporter->timer_fd < 0 ? -errno : 0;
	if (!err)
		err = watch(exporter, exporter->timer_fd);
	if (!err)
		err = listen_at(exporter, config);
	if (err) {
		exporter_close(exporter);
		return err;
	}
	start_or_wait(exporter);
	*out = exporter;
	return 0;
}

void exporter_close(struct exporter *exporter)
{
	if (!exporter)
		return;
	/* It keeps nothing that would be lost. */
	if (exporter->pid_fd >= 0 && !kill(exporter->pid, SIGKILL))
		waitpid(exporter->pid, NULL, 0);
	close_fd(&exporter->pid_fd);
	close_fd(&exporter->listen_fd);
	close_fd(&exporter->timer_fd);
	close_fd(&exporter->epoll_fd);
	free(exporter);
}
