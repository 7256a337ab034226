/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of the exporter: its socket, its start, its end. */
#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "daemon/exporter.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/addr.h"
#include "base/log.h"
#include "daemon/exporter_process.h"
#include "daemon/launcher.h"

/* Seconds until it is started again: once it has lived for the longer, from the shorter on. */
#define BACKOFF_MIN 1
#define BACKOFF_MAX 60

/* Scrapers of one host, and room for some that only connect. */
#define BACKLOG 16

struct exporter {
	struct control_server *server;
	struct launcher *launcher;
	char address[ENDPOINT_TEXT_SIZE];
	int timer_fd; /* runs while it is not running */
	int job;      /* of the launcher; 0: it is not running */
	int listen_fd;
	time_t started; /* CLOCK_MONOTONIC seconds */
	unsigned int backoff;
	bool filter;
};

static time_t now(void)
{
	return (time_t)(clock_ns() / NS_PER_SECOND);
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
	log_error("metrics-failed", LOG_NAME("listen", exporter->address), LOG_ERROR(err),
		  LOG_TEXT("hint", "choose another port for metrics.listen, or turn it off"));
	/* All but a lack, which passes, is the configuration's fault. */
	return err == -ENOMEM || err == -ENOBUFS || err == -EMFILE || err == -ENFILE
		       ? err
		       : -EADDRNOTAVAIL;
}

static void on_report(void *context, const struct launcher_report *report);

static int start(struct exporter *exporter)
{
	int descriptors[2] = {exporter->listen_fd, -1};
	int sockets[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	descriptors[1] = sockets[1];
	err = launcher_exporter(exporter->launcher, descriptors, exporter->filter, on_report,
				exporter);
	close_fd(&sockets[1]);
	if (err < 0) {
		close_fd(&sockets[0]);
		return err;
	}
	exporter->job = err;
	exporter->started = now();
	/* From here on the server owns our end, also where it fails; then the exporter ends. */
	err = control_server_adopt(exporter->server, sockets[0], CONTROL_READ);
	if (err)
		log_warning("exporter-failed", LOG_NAME("listen", exporter->address),
			    LOG_ERROR(err), LOG_UINT("again_in", exporter->backoff));
	return 0;
}

/* ---- end ---- */

static void start_later(struct exporter *exporter)
{
	struct itimerspec when = {.it_value.tv_sec = exporter->backoff};

	if (timerfd_settime(exporter->timer_fd, 0, &when, NULL))
		log_error("exporter-failed", LOG_NAME("listen", exporter->address),
			  LOG_ERROR(-errno));
	exporter->backoff *= 2;
	if (exporter->backoff > BACKOFF_MAX)
		exporter->backoff = BACKOFF_MAX;
}

static void wait_after(struct exporter *exporter, int err)
{
	log_warning("exporter-failed", LOG_NAME("listen", exporter->address), LOG_ERROR(err),
		    LOG_UINT("again_in", exporter->backoff));
	/* Without a launcher there is none to be had again; launcher-failed says so. */
	if (err != -EPIPE)
		start_later(exporter);
}

static void start_or_wait(struct exporter *exporter)
{
	int err = start(exporter);

	if (err)
		wait_after(exporter, err);
}

static void log_end(const struct exporter *exporter, const struct launcher_report *end)
{
	if (end->code == CLD_EXITED)
		log_warning("exporter-failed", LOG_NAME("listen", exporter->address),
			    LOG_INT("status", end->status),
			    LOG_TEXT("reason", exporter_exit_reason(end->status)),
			    LOG_UINT("again_in", exporter->backoff));
	else
		log_warning("exporter-failed", LOG_NAME("listen", exporter->address),
			    LOG_NAME("signal", sigabbrev_np(end->status)),
			    LOG_TEXT("reason", "it was killed"),
			    LOG_UINT("again_in", exporter->backoff));
}

static void on_report(void *context, const struct launcher_report *report)
{
	struct exporter *exporter = context;

	switch (report->kind) {
	case LAUNCHER_STARTED:
		log_info("exporter-started", LOG_NAME("listen", exporter->address),
			 LOG_INT("pid", report->pid));
		break;
	case LAUNCHER_NOT_STARTED:
		exporter->job = 0;
		wait_after(exporter, -report->error);
		break;
	case LAUNCHER_ENDED:
		exporter->job = 0;
		if (now() - exporter->started >= BACKOFF_MAX)
			exporter->backoff = BACKOFF_MIN;
		log_end(exporter, report);
		start_later(exporter);
		break;
	}
}

void exporter_run(struct exporter *exporter)
{
	uint64_t expirations;

	if (read(exporter->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		start_or_wait(exporter);
}

int exporter_fd(const struct exporter *exporter)
{
	return exporter->timer_fd;
}

int exporter_open(struct exporter **out, const struct config *config, struct control_server *server,
		  struct launcher *launcher)
{
	struct exporter *exporter = calloc(1, sizeof(*exporter));
	int err;

	if (!exporter)
		return -ENOMEM;
	exporter->server = server;
	exporter->launcher = launcher;
	exporter->backoff = BACKOFF_MIN;
	exporter->filter = config->security.sandbox;
	exporter->listen_fd = -1;
	exporter->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = exporter->timer_fd < 0 ? -errno : 0;
	if (!err)
		err = listen_at(exporter, &config->metrics);
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
	launcher_end(exporter->launcher, exporter->job);
	close_fd(&exporter->listen_fd);
	close_fd(&exporter->timer_fd);
	free(exporter);
}
