/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xmcast-exporter: status page and metrics of a running xmcastd over HTTP.
 *
 *     xmcastd ◀── control socket, as a reader ── xmcast-exporter ◀── HTTP, see http.h
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
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/exit_codes.h"
#include "base/log.h"
#include "base/log_stderr.h"
#include "base/notify.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "base/streams.h"
#include "base/trust.h"
#include "base/version.h"
#include "control/client.h"
#include "control/paths.h"
#include "exporter/connections.h"
#include "exporter/credentials.h"
#include "exporter/http.h"
#include "exporter/listen.h"

/* Besides the connections: three streams, signals, the service manager, listening socket and lock,
 * the library's two epoll descriptors, two connections to the daemon. */
#define DESCRIPTORS (CONNECTIONS_MAX + 16)

struct options {
	const char *socket;
	char instance[CONTROL_PATH_SIZE]; /* what `socket` points to after -I */
	struct listen_address listen;
	const char *cluster;	 /* the socket of xmcast-cluster */
	const char *certificate; /* files; NULL: none */
	const char *key;
	const char *credentials;
	bool unconfined;
};

/* What was read from those files. */
struct secrets {
	char *certificate;
	char *key;
	struct credentials *credentials;
};

/* ---- the command line ---- */

static void print_help(void)
{
	puts("usage: xmcast-exporter [--socket PATH|--instance NAME]\n"
	     "                       [--listen ADDR:PORT|unix:PATH] [--unconfined] [-V] [-h]\n"
	     "                       [--tls-cert FILE --tls-key FILE] [--credentials FILE]\n"
	     "                       [--cluster PATH]\n"
	     "\n"
	     "Serve a status page of a running xmcastd over HTTP, and its metrics at /metrics.\n"
	     "Needs no privileges but to connect to the control socket, and refuses to run as\n"
	     "root.\n"
	     "\n"
	     "  -s, --socket PATH  control socket of the daemon (default $XMCAST_SOCKET, "
	     "otherwise\n"
	     "                     " CONTROL_DEFAULT_PATH ")\n"
	     "  -I, --instance NAME\n"
	     "                     control socket of the unit xmcastd@NAME\n"
	     "  -l, --listen WHERE an address and port (default " LISTEN_DEFAULT ", which every\n"
	     "                     local user can read from); or unix:PATH, a Unix socket of mode\n"
	     "                     0660. Addresses that other hosts can reach need the next three\n"
	     "      --tls-cert FILE, --tls-key FILE\n"
	     "                     serve HTTPS with this certificate and its chain, in PEM\n"
	     "      --credentials FILE\n"
	     "                     who may ask: lines \"user NAME PASSWORD\" or \"token TOKEN\"\n"
	     "      --cluster PATH the socket of xmcast-cluster, which need not run (default\n"
	     "                     $XMCAST_CLUSTER_SOCKET, otherwise\n"
	     "                     " CONTROL_CLUSTER_PATH ")\n"
	     "      --unconfined   do not install the seccomp filter\n"
	     "  -V, --version      versions\n"
	     "  -h, --help         this text\n"
	     "\n"
	     "exit codes: 0 ended by SIGTERM or SIGINT, 1 usage, 2 cannot listen there or use a\n"
	     "            file, 70 out of memory or descriptors, 77 started as root\n"
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

/* -1: run; otherwise the exit code: what other hosts can reach must be encrypted and ask who they
 * are. */
static int check(const struct options *options)
{
	if (!options->certificate != !options->key)
		return usage(options->key ? options->key : options->certificate,
			     "--tls-cert and --tls-key belong together");
	if (!listen_is_local(&options->listen) && (!options->certificate || !options->credentials))
		return usage(options->listen.text,
			     "other hosts can reach this address, so it needs --tls-cert, "
			     "--tls-key and --credentials; 127.0.0.1, [::1] and unix:PATH do not");
	return -1;
}

/* -1: run; otherwise the exit code. */
static int parse(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"socket", required_argument, NULL, 's'},
		{"listen", required_argument, NULL, 'l'},
		{"instance", required_argument, NULL, 'I'},
		{"tls-cert", required_argument, NULL, 'c'},
		{"tls-key", required_argument, NULL, 'k'},
		{"credentials", required_argument, NULL, 'p'},
		{"unconfined", no_argument, NULL, 'u'},
		{"cluster", required_argument, NULL, 'C'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *cluster = getenv("XMCAST_CLUSTER_SOCKET");
	const char *wrong;
	const char *word;
	int option;

	*options =
		(struct options){.socket = control_default_path(),
				 .cluster = cluster && *cluster ? cluster : CONTROL_CLUSTER_PATH};
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
		case 'c':
			options->certificate = optarg;
			break;
		case 'k':
			options->key = optarg;
			break;
		case 'p':
			options->credentials = optarg;
			break;
		case 'C':
			options->cluster = optarg;
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
	return optind < argc ? usage(argv[optind], "unexpected argument") : check(options);
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

/* ---- certificate, key, credentials ---- */

static bool read_file(const char *path, bool secret, char **text)
{
	char reason[CREDENTIALS_REASON];

	*text = path ? trust_read(path, secret, reason) : NULL;
	if (path && !*text)
		log_error("file-refused", LOG_NAME("file", path), LOG_TEXT("reason", reason));
	return !path || *text;
}

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* Before the seccomp filter, under which no file can be opened. False: one cannot be used, which
 * was logged. */
static bool read_secrets(const struct options *options, struct secrets *secrets)
{
	char reason[CREDENTIALS_REASON];
	char *text = NULL;

	*secrets = (struct secrets){0};
	if (!read_file(options->certificate, false, &secrets->certificate) ||
	    !read_file(options->key, true, &secrets->key) ||
	    !read_file(options->credentials, true, &text))
		return false;
	if (!text)
		return true;
	secrets->credentials = credentials_parse(text, reason);
	wipe(text);
	if (!secrets->credentials)
		log_error("file-refused", LOG_NAME("file", options->credentials),
			  LOG_TEXT("reason", reason));
	return secrets->credentials != NULL;
}

static void free_secrets(struct secrets *secrets)
{
	wipe(secrets->certificate);
	wipe(secrets->key);
	credentials_free(secrets->credentials);
}

/* ---- running ---- */

/* Until a signal arrives. */
static int run(struct http *http, int signal_fd)
{
	struct pollfd fds[] = {{.fd = signal_fd, .events = POLLIN},
			       {.fd = http_fd(http), .events = POLLIN},
			       {.events = POLLIN}};
	int err = 0;

	while (!err) {
		fds[2].fd = http_events_fd(http);
		if (poll(fds, 3, http_wait(http)) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 0;
		err = http_run(http);
	}
	return err;
}

static int open_http(struct http **http, const struct options *options,
		     const struct secrets *secrets, int listen_fd, int signal_fd)
{
	const struct http_options given = {
		.listen_fd = listen_fd,
		.local = !options->listen.path && listen_is_local(&options->listen),
		.socket = options->socket,
		.cluster = options->cluster,
		.signal_fd = signal_fd,
		.certificate = secrets->certificate,
		.key = secrets->key,
		.credentials = secrets->credentials,
	};

	return http_open(http, &given);
}

static int serve(const struct options *options)
{
	struct listen_socket *listening = NULL;
	struct secrets secrets;
	struct notify *notify = NULL;
	struct http *http = NULL;
	int signal_fd;
	int code = EXIT_INTERNAL;
	int err;

	if (!read_secrets(options, &secrets)) {
		free_secrets(&secrets);
		return EXIT_REFUSED;
	}
	notify_open(&notify); /* a failure has been logged, and nothing depends on it */
	signal_fd = err = signals_open(0);
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
	err = open_http(&http, options, &secrets, listen_fd(listening), signal_fd);
	if (err == -EKEYREJECTED) {
		log_error("file-refused", LOG_NAME("file", options->certificate),
			  LOG_TEXT("reason", "certificate and key cannot be used together"));
		code = EXIT_REFUSED;
		goto out_logged;
	}
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
	free_secrets(&secrets);
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
