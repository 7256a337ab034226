/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xmcastd: the process around the relay. It reads the configuration, opens what needs more rights
 * than the relay, gives these up, starts the relay, and then serves signals, timers, the network's
 * changes and the control socket until it is asked to stop.
 */
#include <errno.h>
#include <malloc.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/clock.h"
#include "base/exit_codes.h"
#include "base/log.h"
#include "base/log_stderr.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "base/streams.h"
#include "base/version.h"
#include "daemon/capture.h"
#include "daemon/confirm.h"
#include "daemon/confirmation.h"
#include "daemon/daemon.h"
#include "daemon/hand_over.h"
#include "daemon/methods.h"
#include "daemon/reload.h"
#include "daemon/rights.h"
#include "daemon/service.h"
#include "daemon/second_signal.h"
#include "daemon/statistics.h"
#include "daemon/take_over.h"
#include "daemon/watchdog.h"
#include "rules/aliases.h"

/* Descriptors of the main loop, as epoll data. */
enum source {
	SOURCE_RELAY,
	SOURCE_SIGNAL,
	SOURCE_SECOND,
	SOURCE_CONTROL,
	SOURCE_SERVICE,
	SOURCE_SUCCESSOR,
	SOURCE_CAPTURE,
};

/* Larger blocks have a mapping of their own, which free(3) returns to the kernel. This is glibc's
 * initial value, but unless it is set glibc raises it to the size of each such block that is freed:
 * the next worker's arrays then come from the heap, and leave holes of megabytes there. */
#define OWN_MAPPING_BYTES (128 * 1024)

/* A predecessor that was killed a moment ago, and had nothing handed over, may still have the lock
 * of the control socket. */
#define LOCK_TRIES   100
#define LOCK_STEP_MS 20

/* ---- configuration ---- */

/* 0, or the exit code. */
static int load(struct daemon *daemon)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	int err = errors ? daemon_read_config(&daemon->options, true, &daemon->config, errors)
			 : -ENOMEM;

	if (errors && errors->count)
		errors_print(errors, stderr);
	else if (err)
		fprintf(stderr, "xmcastd: %s\n", strerror(-err));
	if (err == -ENOENT && strcmp(daemon->options.config, DEFAULT_CONFIG) == 0)
		fputs("xmcastd: copy " DEFAULT_CONFIG ".example to " DEFAULT_CONFIG
		      " and edit it, or give the rules with --rule\n",
		      stderr);
	if (errors)
		errors_free(errors);
	free(errors);
	daemon->reload.last_successful = !err;
	daemon->reload.last_seconds = (uint64_t)time(NULL);
	switch (err) {
	case 0:
		return 0;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EIO:
		/* A temporary shortage, not a bad configuration: some supervisors do not restart
		 * after exit code 78. */
		return EXIT_INTERNAL;
	default:
		return EXIT_CONFIG;
	}
}

static void start_log(const struct daemon *daemon)
{
	struct log_config logging = daemon->config.logging;

	options_logging(&daemon->options, &logging);
	log_configure(&logging);
}

/* Events go to clients that monitor, and are counted. */
static void on_event(void *context, const struct log_record *record)
{
	struct daemon *daemon = context;
	json_t *json = event_json(record);

	event_count(&daemon->event_counts, record);
	if (json)
		control_server_publish(daemon->control, json);
	json_decref(json);
}

/* ---- the start ---- */

/* Why a step of the start failed. */
struct failure {
	int code;	    /* exit code; 0: it has not failed */
	const char *reason; /* constant, or strerror(3)'s */
};

static struct failure failure(int err)
{
	switch (err) {
	case 0:
		return (struct failure){};
	case -EPERM:
	case -EACCES:
		return (struct failure){EXIT_PERMISSION, strerror(-err)};
	case -EBUSY:
		return (struct failure){EXIT_REFUSED, strerror(-err)};
	default:
		return (struct failure){EXIT_INTERNAL, strerror(-err)};
	}
}

static int watch(struct daemon *daemon, int fd, enum source source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = source};

	return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static struct failure open_epoll(struct daemon *daemon)
{
	daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return failure(daemon->epoll_fd < 0 ? -errno : 0);
}

static struct failure open_signals(struct daemon *daemon)
{
	daemon->signal_fd = signals_open(SIGHUP);
	return failure(daemon->signal_fd < 0 ? daemon->signal_fd
					     : watch(daemon, daemon->signal_fd, SOURCE_SIGNAL));
}

static struct failure open_timer(struct daemon *daemon)
{
	const struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};

	daemon->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (daemon->timer_fd < 0 || timerfd_settime(daemon->timer_fd, 0, &second, NULL))
		return failure(-errno);
	return failure(watch(daemon, daemon->timer_fd, SOURCE_SECOND));
}

static struct failure become_user(struct daemon *daemon)
{
	int err = rights_become(&daemon->config, daemon->options.socket);

	if (err == -ESRCH)
		return (struct failure){EXIT_CONFIG, "no such user or group"};
	return failure(err);
}

/* Why the control socket cannot be opened. A path that can never be used is bad configuration. */
static struct failure control_failure(int err)
{
	switch (err) {
	case -EADDRINUSE:
		return (struct failure){EXIT_REFUSED,
					"another xmcastd answers there: change it with "
					"xmcastctl, or use another --socket"};
	case -ESRCH:
		return (struct failure){EXIT_CONFIG, "no such group"};
	case -ENOTSOCK:
		return (struct failure){EXIT_CONFIG, "a file that is not a socket exists there"};
	case -EACCES:
		return (struct failure){EXIT_PERMISSION,
					"Permission denied: the directory must belong to the "
					"daemon's user; another path: --socket"};
	case -ENOENT:
		return (struct failure){EXIT_CONFIG, "a directory of the path does not exist"};
	case -ENAMETOOLONG:
		return (struct failure){EXIT_CONFIG, "the path is longer than 107 bytes"};
	case -ENOTDIR:
	case -ELOOP:
	case -EROFS:
	case -EISDIR:
		return (struct failure){EXIT_CONFIG, strerror(-err)};
	default:
		return failure(err);
	}
}

static struct failure open_control(struct daemon *daemon)
{
	const struct control_options options = {
		.path = daemon->options.socket,
		.group = daemon->config.control.group,
		.admin_group = daemon->config.control.admin_group,
		.adopt = take_over_control(daemon),
	};
	unsigned int tries = options.adopt || !daemon->options.take_over ? 1 : LOCK_TRIES;
	struct failure failed;
	int err;

	while ((err = control_server_open(&daemon->control, &options, daemon_methods, daemon)) ==
		       -EADDRINUSE &&
	       --tries)
		poll(NULL, 0, LOCK_STEP_MS);
	failed = control_failure(err);

	if (failed.code)
		log_write(LOG_FACILITY_CONTROL, LOG_LEVEL_ERROR, "control-failed",
			  LOG_TEXT("socket", options.path), LOG_TEXT("error", failed.reason));
	else
		failed = failure(watch(daemon, control_server_fd(daemon->control), SOURCE_CONTROL));
	return failed;
}

static struct failure open_predecessor(struct daemon *daemon)
{
	int err = take_over_open(daemon);

	daemon->successor.process_fd = pidfd_open(getpid(), 0);
	daemon->successor.source = SOURCE_SUCCESSOR;
	daemon->capture.source = SOURCE_CAPTURE;
	daemon->successor.relay_source = SOURCE_RELAY;
	if (err == -EPROTO)
		return (struct failure){EXIT_REFUSED, "the running daemon cannot be taken over"};
	return failure(err);
}

static struct failure open_service(struct daemon *daemon)
{
	return failure(service_watch(daemon, SOURCE_SERVICE));
}

/* What needs more rights than the relay is open, and no other thread runs yet. */
static struct failure confine(struct daemon *daemon)
{
	int err = rights_reduce();

	rights_warn(&daemon->config, daemon->options.config);
	if (!err)
		err = sandbox_start(daemon->config.security.sandbox);
	if (!err)
		err = sandbox_enter(SANDBOX_MAIN);
	return failure(err);
}

static struct failure open_relay(struct daemon *daemon)
{
	daemon->sampler = sampler_new();
	if (!daemon->sampler)
		return failure(-ENOMEM);
	log_watch(on_event, daemon);
	return failure(take_over_relay(daemon));
}

static struct failure watch_relay(struct daemon *daemon)
{
	return failure(watch(daemon, relay_fd(daemon->relay), SOURCE_RELAY));
}

static struct failure settle(struct daemon *daemon)
{
	return failure(take_over_settle(daemon));
}

/* In this order. 0, or the exit code, after a record that names the step, whatever else the step
 * has logged. */
static int start(struct daemon *daemon)
{
	static const struct {
		const char *name;
		struct failure (*run)(struct daemon *daemon);
	} steps[] = {
		{"epoll", open_epoll},
		{"signals", open_signals},
		{"timer", open_timer},
		{"user", become_user},
		{"predecessor", open_predecessor},
		{"control", open_control},
		{"service", open_service},
		{"rights", confine},
		{"relay", open_relay},
		{"watch", watch_relay},
		{"settings", settle},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct failure failed = steps[i].run(daemon);

		if (!failed.code)
			continue;
		log_error("start-failed", LOG_NAME("step", steps[i].name),
			  LOG_TEXT("error", failed.reason));
		return failed.code;
	}
	return 0;
}

static void log_ready(struct daemon *daemon)
{
	struct relay_summary sum = relay_summary(daemon->relay);

	log_info("ready", LOG_NAME("version", xmc_version),
		 LOG_UINT("rules", sum.active + sum.pending), LOG_UINT("active", sum.active),
		 LOG_UINT("pending", sum.pending), LOG_UINT("interfaces", sum.interfaces),
		 LOG_UINT("workers", sum.workers), LOG_TEXT("socket", daemon->options.socket));
	log_running();
}

/* ---- the main loop ---- */

/* 0, or -EIO: the relay must end. */
static int on_second(struct daemon *daemon)
{
	unsigned int interval;
	uint64_t expirations;
	int err;

	if (read(daemon->timer_fd, &expirations, sizeof(expirations)) < 0)
		return 0;
	statistics_begin_sample(daemon);
	err = relay_check_workers(daemon->relay);
	if (err)
		return err;
	control_server_tick(daemon->control, clock_ns());
	service_second(daemon);
	hand_over_second(daemon);
	err = capture_second(daemon);
	if (!err)
		err = confirm_second(daemon);
	daemon->seconds += (unsigned int)expirations;
	interval = relay_config(daemon->relay)->stats_interval;
	if (!interval || daemon->seconds < interval)
		return err;
	daemon->seconds = 0;
	statistics_log(daemon, "statistics");
	return err;
}

static void reload(struct daemon *daemon)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	struct reload_result result;

	if (!errors) {
		log_write_event(LOG_FACILITY_RULES, LOG_LEVEL_ERROR, "reload-refused",
				LOG_UINT("errors", 0), LOG_TEXT("reason", strerror(ENOMEM)));
		return;
	}
	daemon_reload(daemon, &result, errors);
	errors_free(errors);
	free(errors);
}

static void on_signal(struct daemon *daemon)
{
	int number = signals_read(daemon->signal_fd);

	if (number == SIGHUP) {
		reload(daemon);
	} else if (number) {
		second_signal_note_first(number);
		daemon->stopping = true;
		service_stopping(daemon);
		log_event(LOG_LEVEL_INFO, "stopping", LOG_INT("signal", number));
	}
}

/* 0, or -EIO: the relay must end. */
static int serve_source(struct daemon *daemon, enum source source)
{
	switch (source) {
	case SOURCE_RELAY:
		return relay_run(daemon->relay);
	case SOURCE_SIGNAL:
		on_signal(daemon);
		break;
	case SOURCE_SECOND:
		return on_second(daemon);
	case SOURCE_CONTROL:
		control_server_run(daemon->control);
		break;
	case SOURCE_SERVICE:
		service_run(daemon);
		break;
	case SOURCE_SUCCESSOR:
		return hand_over_run(daemon);
	case SOURCE_CAPTURE:
		return capture_run(daemon);
	}
	return 0;
}

/* Until a signal arrives: 0; or -errno. */
static int run(struct daemon *daemon)
{
	struct epoll_event events[16];
	int err = 0;

	while (!daemon->stopping) {
		int count = epoll_wait(daemon->epoll_fd, events, 16, daemon->sampling ? 0 : -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count && !err; i++)
			err = serve_source(daemon, (enum source)events[i].data.u64);
		if (err || daemon->broken || watchdog_tripped())
			return -EIO;
		if (daemon->sampling)
			statistics_sample_part(daemon);
		service_keep(daemon);
	}
	return 0;
}

/* Start, run, stop. Returns the exit code. */
static int serve(struct daemon *daemon)
{
	int code = start(daemon);
	bool handed_over;

	if (!daemon->relay)
		return code;
	if (!code) {
		int err;

		log_ready(daemon);
		service_keep(daemon);
		service_ready(daemon);
		err = run(daemon);
		if (err) {
			log_error("run-failed", LOG_ERROR(err));
			code = EXIT_INTERNAL;
		}
	}
	watchdog_leave(daemon);
	service_stopping(daemon);
	second_signal_arm();
	handed_over = hand_over_release(daemon);
	/* What is left for the next process must not wait for the end of a capture. */
	if (daemon->store)
		capture_end(daemon, "the daemon ends");
	daemon->left = !handed_over && service_leave(daemon, code);
	if (daemon->left)
		log_info("left-in-store");
	/* What is left goes on: nobody waits for final counters, and packets wait. */
	if (!daemon->left && relay_stop(daemon->relay) && !code)
		code = EXIT_INTERNAL;
	capture_end(daemon, "the daemon ends");
	watchdog_leave(daemon);
	if (!code && !handed_over)
		confirm_end_in_order(daemon);
	if (handed_over)
		hand_over_finish(daemon);
	statistics_log(daemon, "final-statistics");
	return code;
}

static int run_daemon(struct daemon *daemon)
{
	int code;

	aliases_resolve_with(if_nametoindex);
	service_open(daemon);
	code = load(daemon);
	if (code)
		return code;
	start_log(daemon);
	if (!daemon->options.check)
		service_open_store(daemon);
	if (daemon->options.check) {
		printf("configuration is good: %u rule%s\n", daemon->config.nr_rules,
		       daemon->config.nr_rules == 1 ? "" : "s");
		return streams_flush("xmcastd");
	}
	return rights_check() ? EXIT_PERMISSION : serve(daemon);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* What programs that go on need: closing it would remove their keys and devices. It ends with the
 * process, and is found here by LeakSanitizer. */
static struct relay *volatile left_relay;

int main(int argc, char **argv)
{
	struct daemon daemon = {.epoll_fd = -1,
				.signal_fd = -1,
				.timer_fd = -1,
				.service.timer_fd = -1,
				.successor = {.fd = -1, .process_fd = -1},
				.capture.fd = -1};
	int code;

	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	streams_reserve();
	log_stderr_open();
	code = options_parse(&daemon.options, argc, argv);
	if (!code && daemon.options.help) {
		options_help();
		code = streams_flush("xmcastd");
	} else if (!code && daemon.options.version) {
		options_version();
		code = streams_flush("xmcastd");
	} else if (!code) {
		code = run_daemon(&daemon);
	}
	if (daemon.left)
		left_relay = daemon.relay;
	else
		relay_close(daemon.relay);
	take_over_close(&daemon);
	sampler_free(daemon.sampler);
	log_watch(NULL, NULL);
	control_server_close(daemon.control);
	service_close(&daemon);
	confirmation_end(&daemon);
	free(daemon.text.text);
	config_free(&daemon.config);
	close_fd(daemon.successor.fd);
	close_fd(daemon.successor.process_fd);
	close_fd(daemon.timer_fd);
	close_fd(daemon.signal_fd);
	close_fd(daemon.epoll_fd);
	options_free(&daemon.options);
	return code;
}
