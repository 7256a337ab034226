/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xmcast-exporter: the metrics of a running xmcastd over HTTP.
 *
 *     xmcastd ◀── control socket, as a reader ── xmcast-exporter ◀── HTTP, /metrics
 *
 * It parses what strangers send, so it has as few rights as possible: it never runs as root, and
 * has no capabilities, no way to regain any, and a seccomp filter under which it can open no file
 * (base/sandbox.h). It is not dumpable, so that other processes of its user cannot take it over.
 * The daemon does not know of it: whatever becomes of it, the relay goes on.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/exit_codes.h"
#include "base/log.h"
#include "base/log_stderr.h"
#include "base/notify.h"
#include "base/sandbox.h"
#include "base/streams.h"
#include "base/version.h"
#include "control/client.h"
#include "control/server.h"
#include "exporter/connections.h"
#include "exporter/http.h"
#include "exporter/listen.h"

/* Besides the connections: three streams, signals, the service manager, listening socket and lock,
 * the library's two epoll descriptors, one connection to the daemon. */
#define DESCRIPTORS (CONNECTIONS_MAX + 16)

struct options {
	const char *socket;
	char instance[CONTROL_PATH_SIZE]; /* what `socket` points to after -I */
	struct listen_address listen;
	bool unconfined;
};

/* ---- the command line ---- */

static void print_help(void)
{
	puts("usage: xmcast-exporter [--socket PATH|--instance NAME]\n"
	     "                       [--listen ADDR:PORT|unix:PATH] [--unconfined] [-V] [-h]\n"
	     "\n"
	     "Serve the metrics of a running xmcastd over HTTP, at /metrics. Needs no privileges\n"
	     "but to connect to the control socket, and refuses to run as root.\n"
	     "\n"
	     "  -s, --socket PATH  control socket of the daemon (default $XMCAST_SOCKET, "
	     "otherwise\n"
	     "                     " CONTROL_DEFAULT_PATH ")\n"
	     "  -I, --instance NAME\n"
	     "                     control socket of the unit xmcastd@NAME\n"
	     "  -l, --listen WHERE a loopback address and port (default " LISTEN_DEFAULT "),\n"
	     "                     which every local user can read from; or unix:PATH, a Unix\n"
	     "                     socket of mode 0660\n"
	     "      --unconfined   do not install the seccomp filter\n"
	     "  -V, --version      versions\n"
	     "  -h, --help         this text\n"
	     "\n"
	     "exit codes: 0 ended by SIGTERM or SIGINT, 1 usage, 2 cannot listen there,\n"
	     "            70 out of memory or descriptors, 77 started as root\n"
	     "\n"
	     "example: xmcast-exporter --listen unix:/run/xmcast-exporter/http.sock");
}

static void print_version(void)
{
	printf("xmcast-exporter %s\n", xmc_version);
	printf("libmicrohttpd %s\n", MHD_get_version());
	printf("jansson %s\n", JANSSON_VERSION);
}

static int usage(const char *word, const char *what)
{
	fprintf(stderr, "xmcast-exporter: %s: %s; see xmcast-exporter --help\n", word, what);
	return EXIT_USAGE;
}

/* -1: run; otherwise the exit code. */
static int parse(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"socket", required_argument, NULL, 's'},
		{"listen", required_argument, NULL, 'l'},
		{"instance", required_argument, NULL, 'I'},
		{"unconfined", no_argument, NULL, 'u'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *environment = getenv("XMCAST_SOCKET");
	const char *wrong;
	const char *word;
	int option;

	*options = (struct options){.socket = environment && *environment ? environment
									  : CONTROL_DEFAULT_PATH};
	listen_parse(LISTEN_DEFAULT, &options->listen);
	opterr = 0;
	for (;;) {
		/* '+' keeps the order, so this is the word that is parsed next. */
		word = argv[optind];
		option = getopt_long(argc, argv, "+:s:I:l:Vh", long_options, NULL);
		if (option == -1)
			break;
		switch (option) {
		case 's':
			options->socket = optarg;
			break;
		case 'I':
			if (control_instance_path(optarg, options->instance))
				return usage(optarg, "expected the NAME of a unit xmcastd@NAME");
			options->socket = options->instance;
			break;
		case 'l':
			wrong = listen_parse(optarg, &options->listen);
			if (wrong)
				return usage(optarg, wrong);
			break;
		case 'u':
			options->unconfined = true;
			break;
		case 'V':
			print_version();
			return streams_flush("xmcast-exporter");
		case 'h':
			print_help();
			return streams_flush("xmcast-exporter");
		case ':':
			return usage(word, "an argument is missing");
		default:
			return usage(word, "unknown option");
		}
	}
	return optind < argc ? usage(argv[optind], "unexpected argument") : -1;
}

/* ---- rights ---- */

/* Root would be an administrator of the daemon, and could regain its rights through files. */
static bool is_root(void)
{
	if (getuid() && geteuid())
		return false;
	log_error("permission-refused", LOG_TEXT("reason", "xmcast-exporter does not run as root"),
		  LOG_TEXT("hint",
			   "start xmcast-exporter.service, or run it as a user that may only "
			   "read: setpriv --reuid=nobody --regid=GROUP --clear-groups "
			   "xmcast-exporter, with the group of the control socket"));
	return true;
}

static int limit(int resource, rlim_t most)
{
	const struct rlimit value = {most, most};

	return setrlimit(resource, &value) ? -errno : 0;
}

/* When all is open. What libraries read at their first use is read before: the seed of JSON
 * objects' hashes; the time zone (gmtime(3), for the header Date). */
static int confine(const struct options *options)
{
	int err = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ? -errno : 0;

	tzset();
	json_object_seed(0);
	if (!err)
		err = limit(RLIMIT_CORE, 0);
	if (!err)
		err = limit(RLIMIT_NOFILE, DESCRIPTORS);
	if (!err)
		err = sandbox_start(!options->unconfined);
	return err ? err : sandbox_enter(SANDBOX_EXPORTER);
}

/* ---- running ---- */

/* SIGTERM and SIGINT become readable. */
static int open_signals(void)
{
	sigset_t signals;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Until a signal arrives. */
static int run(struct http *http, int signal_fd)
{
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
			       {.fd = http_fd(http), .events = POLLIN}};
	int err = 0;

	while (!err) {
		if (poll(fds, 2, http_wait(http)) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		err = http_run(http);
	}
	return err;
}

static int serve(const struct options *options)
{
	struct listen_socket *listening = NULL;
	struct notify *notify = NULL;
	struct http *http = NULL;
	int signal_fd;
	int code = EXIT_INTERNAL;
	int err;

	notify_open(&notify); /* a failure has been logged, and nothing depends on it */
	signal_fd = err = open_signals();
	if (err < 0)
		goto out;
	err = listen_open(&listening, &options->listen);
	if (err) {
		log_error("metrics-failed", LOG_NAME("listen", options->listen.text),
			  LOG_ERROR(err),
			  LOG_TEXT("hint", "choose another address or port with --listen"));
		code = EXIT_REFUSED;
		goto out_logged;
	}
	err = http_open(&http, listen_fd(listening), options->socket, signal_fd);
	if (!err)
		err = confine(options);
	if (err)
		goto out;
	log_info("exporter-started", LOG_NAME("listen", options->listen.text),
		 LOG_INT("pid", getpid()));
	log_running();
	notify_ready(notify);
	http_probe(http);
	err = run(http, signal_fd);
	code = err ? EXIT_INTERNAL : EXIT_DONE;
	notify_stopping(notify);
out:
	if (err)
		log_error("exporter-failed", LOG_NAME("listen", options->listen.text),
			  LOG_ERROR(err));
out_logged:
	http_close(http);
	listen_close(listening);
	if (signal_fd >= 0)
		close(signal_fd);
	notify_close(notify);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	int code;

	streams_reserve();
	log_stderr_open();
	code = parse(&options, argc, argv);
	if (code >= 0)
		return code;
	log_configure(&log_config_default);
	return is_root() ? EXIT_PERMISSION : serve(&options);
}
