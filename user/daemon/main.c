/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastd: the daemon's main thread. Reads the configuration, starts the relay, then serves
 * signals, timers and the control socket until told to stop. */
#include <errno.h>
#include <malloc.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/version.h"
#include "base/clock.h"
#include "base/exit_codes.h"
#include "base/log.h"
#include "base/log_stderr.h"
#include "base/sandbox.h"
#include "base/streams.h"
#include "daemon/daemon.h"
#include "daemon/exporter.h"
#include "daemon/launcher.h"
#include "daemon/methods.h"
#include "daemon/reload.h"
#include "daemon/rights.h"
#include "daemon/service.h"
#include "daemon/sinks.h"
#include "daemon/statistics.h"
#include "daemon/watchdog.h"
#include "rules/aliases.h"

/* What an event of the main loop is about. */
enum source {
	SOURCE_RELAY,
	SOURCE_SIGNAL,
	SOURCE_SECOND,
	SOURCE_CONTROL,
	SOURCE_EXPORTER,
	SOURCE_HOOK,
	SOURCE_LAUNCHER,
	SOURCE_SERVICE,
};

/* Larger blocks have a mapping of their own, which free(3) returns to the kernel. This is glibc's
 * initial value, but unless it is set glibc raises it to the size of each such block that is freed:
 * the next worker's arrays then come from the heap, and leave holes of megabytes there. */
#define OWN_MAPPING_BYTES (128 * 1024)

/* ---- configuration ---- */

/* What the process lacks for now, rather than a configuration that is bad whenever it is read: a
 * supervisor that takes 78 for the end of it must not be told so. */
static bool is_lack(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -EIO;
}

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
	if (errors)
		errors_free(errors);
	free(errors);
	daemon->reload.last_successful = !err;
	daemon->reload.last_seconds = (uint64_t)time(NULL);
	if (!err)
		return 0;
	return is_lack(err) ? EXIT_INTERNAL : EXIT_CONFIG;
}

static void start_log(const struct daemon *daemon)
{
	struct log_config logging = daemon->config.logging;

	options_logging(&daemon->options, &logging);
	log_configure(&logging);
}

/* ---- the main loop ---- */

static int watch(struct daemon *daemon, int fd, enum source source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = source};

	return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Before any thread starts, so that signals reach the descriptor only. */
static int open_signals(struct daemon *daemon)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	daemon->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return daemon->signal_fd < 0 ? -errno : watch(daemon, daemon->signal_fd, SOURCE_SIGNAL);
}

static int open_timer(struct daemon *daemon)
{
	const struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};

	daemon->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (daemon->timer_fd < 0 || timerfd_settime(daemon->timer_fd, 0, &second, NULL))
		return -errno;
	return watch(daemon, daemon->timer_fd, SOURCE_SECOND);
}

static void on_second(struct daemon *daemon)
{
	unsigned int interval;
	uint64_t expirations;

	if (read(daemon->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	statistics_begin_sample(daemon);
	relay_check_workers(daemon->relay);
	control_server_tick(daemon->control, clock_ns());
	service_second(daemon);
	daemon->seconds += (unsigned int)expirations;
	interval = relay_config(daemon->relay)->stats_interval;
	if (!interval || daemon->seconds < interval)
		return;
	daemon->seconds = 0;
	statistics_log(daemon, "statistics");
}

static void reload(struct daemon *daemon)
{
	struct errors *errors = calloc(1, sizeof(*errors));
	struct reload_result result;

	/* Without memory there is nothing to tell the errors with. */
	if (!errors)
		return;
	daemon_reload(daemon, &result, errors);
	errors_free(errors);
	free(errors);
}

/* The first signal, for the handler of the second; number 0: there was none yet. */
static struct {
	volatile sig_atomic_t number;
	uint64_t ns;
} first_signal;

/* A second signal leaves at once; the kernel clears away what we held. But timeout(1), and others
 * that signal a process and its group, send one twice: the same again within this time is still the
 * first. */
#define SAME_SIGNAL_NS (NS_PER_SECOND / 3)

static void note_signal(int number)
{
	first_signal.ns = clock_ns();
	first_signal.number = number;
}

static void leave_at_once(int signal)
{
	/* It leaves for another reason, and with the exit code of that. */
	if (!first_signal.number) {
		note_signal(signal);
		return;
	}
	if (signal == first_signal.number && clock_ns() - first_signal.ns < SAME_SIGNAL_NS)
		return;
	_exit(128 + signal);
}

static void stop(struct daemon *daemon, uint32_t signal)
{
	daemon->stopping = true;
	service_stopping(daemon);
	note_signal((int)signal);
	log_event(LOG_LEVEL_INFO, "stopping", LOG_UINT("signal", signal));
}

static void on_signal(struct daemon *daemon)
{
	struct signalfd_siginfo info;

	if (read(daemon->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(daemon);
	else
		stop(daemon, info.ssi_signo);
}

static int run(struct daemon *daemon)
{
	struct epoll_event events[16];

	while (!daemon->stopping) {
		int count = epoll_wait(daemon->epoll_fd, events, 16, daemon->sampling ? 0 : -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count; i++) {
			switch (events[i].data.u64) {
			case SOURCE_RELAY:
				if (relay_run(daemon->relay))
					return -EIO;
				break;
			case SOURCE_SIGNAL:
				on_signal(daemon);
				break;
			case SOURCE_SECOND:
				on_second(daemon);
				break;
			case SOURCE_CONTROL:
				control_server_run(daemon->control);
				break;
			case SOURCE_EXPORTER:
				exporter_run(daemon->exporter);
				break;
			case SOURCE_HOOK:
				hook_expire(daemon->hook.running);
				break;
			case SOURCE_LAUNCHER:
				launcher_run(daemon->launcher);
				break;
			case SOURCE_SERVICE:
				service_run(daemon);
				break;
			}
		}
		if (daemon->broken || watchdog_tripped())
			return -EIO;
		if (daemon->sampling)
			statistics_sample_part(daemon);
	}
	return 0;
}

static void arm_second_signal(void)
{
	struct sigaction action = {.sa_handler = leave_at_once, .sa_flags = SA_RESTART};
	sigset_t signals;

	/* One handler at a time. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	action.sa_mask = signals;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
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

static int exit_code(int err)
{
	switch (err) {
	case 0:
		return EXIT_DONE;
	case -EPERM:
	case -EACCES:
		return EXIT_PERMISSION;
	case -EBUSY:
	case -EADDRINUSE:
		return EXIT_REFUSED;
	case -ESRCH:	     /* control_server_open(), rights_become() */
	case -ENOTSOCK:	     /* start(): the control socket's path is unusable */
	case -EADDRNOTAVAIL: /* exporter_open() */
		return EXIT_CONFIG;
	default:
		return EXIT_INTERNAL;
	}
}

/* No socket can ever be made at this path: starting again does not help. */
static bool is_bad_path(int err)
{
	switch (-err) {
	case ENOENT:
	case ENOTDIR:
	case ENOTSOCK:
	case ENAMETOOLONG:
	case ELOOP:
	case EROFS:
	case EISDIR:
		return true;
	default:
		return false;
	}
}

static int open_control(struct daemon *daemon)
{
	const struct control_options options = {
		.path = daemon->options.socket,
		.group = daemon->config.control.group,
		.admin_group = daemon->config.control.admin_group,
	};
	int err = control_server_open(&daemon->control, &options, daemon_methods, daemon);

	const char *why = strerror(-err);

	if (err == -EADDRINUSE)
		why = "another xmcastd answers there";
	else if (err == -ESRCH)
		why = "no such group";
	else if (err == -ENOTSOCK)
		why = "a file that is not a socket exists there";
	if (err)
		log_write(LOG_FACILITY_CONTROL, LOG_LEVEL_ERROR, "control-failed",
			  LOG_TEXT("socket", options.path), LOG_TEXT("error", why));
	return err ? err : watch(daemon, control_server_fd(daemon->control), SOURCE_CONTROL);
}

/* As the user that the daemon is from now on, and with more than it keeps as root. */
static int open_launcher(struct daemon *daemon)
{
	int err = launcher_open(&daemon->launcher);

	return err ? err : watch(daemon, launcher_fd(daemon->launcher), SOURCE_LAUNCHER);
}

static int open_exporter(struct daemon *daemon)
{
	int err = 0;

	if (daemon->config.metrics.port)
		err = exporter_open(&daemon->exporter, &daemon->config, daemon->control,
				    daemon->launcher);

	if (err || !daemon->exporter)
		return err;
	return watch(daemon, exporter_fd(daemon->exporter), SOURCE_EXPORTER);
}

/* Everything is open that needs more rights than the relay itself, and no other thread runs. */
static int confine(struct daemon *daemon)
{
	int err = rights_reduce();

	rights_warn(&daemon->config, daemon->options.config);
	if (!err)
		err = sandbox_start(daemon->config.security.sandbox);
	return err ? err : sandbox_enter(SANDBOX_MAIN);
}

static int open_epoll(struct daemon *daemon)
{
	daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return daemon->epoll_fd < 0 ? -errno : 0;
}

static int open_sinks(struct daemon *daemon)
{
	sinks_open(daemon, SOURCE_HOOK);
	sinks_set_hook(daemon, daemon->config.events.hook);
	return 0;
}

static int become_user(struct daemon *daemon)
{
	return rights_become(&daemon->config, daemon->options.socket);
}

static int open_service(struct daemon *daemon)
{
	return service_watch(daemon, SOURCE_SERVICE);
}

static int open_relay(struct daemon *daemon)
{
	daemon->sampler = sampler_new();
	if (!daemon->sampler)
		return -ENOMEM;
	return relay_open(&daemon->relay, &daemon->config);
}

static int watch_relay(struct daemon *daemon)
{
	return watch(daemon, relay_fd(daemon->relay), SOURCE_RELAY);
}

/* The start, in this order. Whatever a step has said itself, one line says which it was. */
static int start(struct daemon *daemon)
{
	static const struct {
		const char *name;
		int (*run)(struct daemon *daemon);
	} steps[] = {
		{"epoll", open_epoll},	     {"signals", open_signals},	  {"timer", open_timer},
		{"user", become_user},	     {"launcher", open_launcher}, {"control", open_control},
		{"exporter", open_exporter}, {"events", open_sinks},	  {"service", open_service},
		{"rights", confine},	     {"relay", open_relay},	  {"watch", watch_relay},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(steps) / sizeof(steps[0]); i++) {
		err = steps[i].run(daemon);
		if (err)
			log_error("start-failed", LOG_NAME("step", steps[i].name), LOG_ERROR(err));
		if (steps[i].run == open_control && is_bad_path(err))
			err = -ENOTSOCK; /* bad configuration, see exit_code() */
	}
	return err;
}

/* Start, run, stop. Returns 0 or -errno. */
static int serve(struct daemon *daemon)
{
	int stopped;
	int err = start(daemon);

	if (!daemon->relay)
		return err;
	if (!err) {
		log_ready(daemon);
		service_ready(daemon);
		err = run(daemon);
		if (err) {
			log_error("run-failed", LOG_ERROR(err));
			err = -EIO; /* whatever it was: it is not for want of a right, or of a place
				     */
		}
	}
	watchdog_leave(daemon);
	service_stopping(daemon);
	arm_second_signal();
	stopped = relay_stop(daemon->relay);
	watchdog_leave(daemon);
	statistics_log(daemon, "final-statistics");
	return err ? err : stopped;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int say_good(const struct daemon *daemon)
{
	printf("configuration is good: %u rule%s\n", daemon->config.nr_rules,
	       daemon->config.nr_rules == 1 ? "" : "s");
	return streams_flush("xmcastd");
}

int main(int argc, char **argv)
{
	struct daemon daemon = {
		.epoll_fd = -1, .signal_fd = -1, .timer_fd = -1, .service.timer_fd = -1};
	int code;

	if (argc && strcmp(argv[0], EXPORTER_NAME) == 0)
		_exit(exporter_main(argc < 2 || strcmp(argv[1], EXPORTER_NO_FILTER) != 0));
	if (argc == 1 && strcmp(argv[0], LAUNCHER_NAME) == 0)
		_exit(launcher_main());
	mallopt(M_MMAP_THRESHOLD, OWN_MAPPING_BYTES);
	streams_reserve();
	log_stderr_open();
	code = options_parse(&daemon.options, argc, argv);
	if (code || daemon.options.help || daemon.options.version) {
		if (!code && daemon.options.help)
			options_help();
		else if (!code)
			options_version();
		options_free(&daemon.options);
		return code ? code : streams_flush("xmcastd");
	}
	aliases_resolve_with(if_nametoindex);
	service_open(&daemon);
	code = load(&daemon);
	if (!code)
		start_log(&daemon);
	if (!code && daemon.options.check)
		code = say_good(&daemon);
	else if (!code)
		code = rights_check() ? EXIT_PERMISSION : exit_code(serve(&daemon));
	exporter_close(daemon.exporter);
	relay_close(daemon.relay);
	sampler_free(daemon.sampler);
	sinks_close(&daemon);
	control_server_close(daemon.control);
	launcher_close(daemon.launcher);
	service_close(&daemon);
	free(daemon.text.text);
	config_free(&daemon.config);
	close_fd(daemon.timer_fd);
	close_fd(daemon.signal_fd);
	close_fd(daemon.epoll_fd);
	options_free(&daemon.options);
	return code;
}
