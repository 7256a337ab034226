/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xmcast-cluster: which of several hosts relays a stream. It holds leases in etcd and sets them in
 * the local xmcastd, whose rules name them.
 *
 *     etcd ◀── v3 JSON gateway ── xmcast-cluster ── control socket, as an administrator ──▶ xmcastd
 *
 * The daemon does not need it to be safe: every deadline that it is given passes by itself. Killed
 * and started again within the deadline, it goes on where its predecessor was.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_FACILITY LOG_FACILITY_DAEMON
#include "base/exit_codes.h"
#include "base/log.h"
#include "base/log_stderr.h"
#include "base/notify.h"
#include "base/signals.h"
#include "base/streams.h"
#include "base/version.h"
#include "cluster/agent.h"
#include "control/paths.h"

struct options {
	const char *config;
	bool check;
	struct agent_options agent;
};

static void print_help(void)
{
	puts("usage: xmcast-cluster [-c FILE] [-t] [--daemon PATH] [--socket PATH]\n"
	     "                      [--group GROUP] [--admin-group GROUP] [-V] [-h]\n"
	     "\n"
	     "Agree with the xmcast-cluster of other hosts, by etcd, on which of them relays\n"
	     "each stream whose rule has a lease, and set these leases in the local xmcastd.\n"
	     "\n"
	     "  -c, --config FILE  configuration (default " CLUSTER_DEFAULT_CONFIG ")\n"
	     "  -t, --test         check the configuration and exit\n"
	     "  -d, --daemon PATH  control socket of the daemon (default $XMCAST_SOCKET, "
	     "otherwise\n"
	     "                     " CONTROL_DEFAULT_PATH ")\n"
	     "  -s, --socket PATH  where to listen for xmcastctl cluster (default\n"
	     "                     " CONTROL_CLUSTER_PATH ")\n"
	     "  -g, --group GROUP  who may connect there (default: the group that it runs as)\n"
	     "  -a, --admin-group GROUP\n"
	     "                     who of these may move and drain (default: only root and the\n"
	     "                     user that it runs as)\n"
	     "  -V, --version      versions\n"
	     "  -h, --help         this text\n"
	     "\n"
	     "exit codes: 0 ended by SIGTERM or SIGINT, 1 usage, 2 another one is this node,\n"
	     "            serves this daemon or listens at the socket, 70 out of memory or "
	     "descriptors, 78 bad\n"
	     "            configuration");
}

static void print_version(void)
{
	printf("xmcast-cluster %s\n", xmc_version);
	printf("%s\n", curl_version());
	printf("jansson %s\n", JANSSON_VERSION);
}

static int usage(const char *word, const char *what)
{
	fprintf(stderr, "xmcast-cluster: %s: %s; see xmcast-cluster --help\n", word, what);
	return EXIT_USAGE;
}

/* -1: run; otherwise the exit code. */
static int parse(struct options *options, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"config", required_argument, NULL, 'c'},
		{"test", no_argument, NULL, 't'},
		{"daemon", required_argument, NULL, 'd'},
		{"socket", required_argument, NULL, 's'},
		{"group", required_argument, NULL, 'g'},
		{"admin-group", required_argument, NULL, 'a'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *word;
	int option;

	*options = (struct options){
		.config = CLUSTER_DEFAULT_CONFIG,
		.agent.daemon_socket = control_default_path(),
		.agent.socket = CONTROL_CLUSTER_PATH,
	};
	opterr = 0;
	for (;;) {
		/* '+' keeps the order, so this is the word that is parsed next. */
		word = argv[optind];
		option = getopt_long(argc, argv, "+:c:td:s:g:a:Vh", long_options, NULL);
		if (option == -1)
			break;
		switch (option) {
		case 'c':
			options->config = optarg;
			break;
		case 't':
			options->check = true;
			break;
		case 'd':
			options->agent.daemon_socket = optarg;
			break;
		case 's':
			options->agent.socket = optarg;
			break;
		case 'g':
			options->agent.group = optarg;
			break;
		case 'a':
			options->agent.admin_group = optarg;
			break;
		case 'V':
			print_version();
			return streams_flush("xmcast-cluster");
		case 'h':
			print_help();
			return streams_flush("xmcast-cluster");
		case ':':
			return usage(word, "an argument is missing");
		default:
			return usage(word, "unknown option");
		}
	}
	return optind < argc ? usage(argv[optind], "unexpected argument") : -1;
}

static void log_holds(const struct cluster_config *config)
{
	for (unsigned int i = 0; i < config->nr_leases; i++) {
		if (config->leases[i].hold)
			log_warning("lease-holds", LOG_NAME("lease", config->leases[i].name),
				    LOG_TEXT("hint",
					     "on_store_loss: hold: while etcd is unreachable, "
					     "two hosts may send this lease"));
	}
}

static int run(const struct cluster_config *config, struct options *options)
{
	struct notify *notify = NULL;
	struct agent *agent = NULL;
	int code = EXIT_INTERNAL;
	int err;

	notify_open(&notify); /* a failure has been logged, and nothing depends on it */
	options->agent.signal_fd = err = signals_open(0);
	if (err >= 0)
		err = agent_open(&agent, config, &options->agent);
	if (err) {
		log_error("cluster-failed", LOG_TEXT("socket", options->agent.socket),
			  LOG_ERROR(err));
		code = err == -ENOMEM || err == -EMFILE ? EXIT_INTERNAL : EXIT_REFUSED;
		goto out;
	}
	log_holds(config);
	log_info("cluster-started", LOG_NAME("node", config->node), LOG_INT("pid", getpid()));
	log_running();
	notify_ready(notify);
	code = agent_run(agent);
	notify_stopping(notify);
out:
	agent_close(agent);
	if (options->agent.signal_fd >= 0)
		close(options->agent.signal_fd);
	notify_close(notify);
	return code;
}

int main(int argc, char **argv)
{
	static struct cluster_config config;
	static struct errors errors;
	struct options options;
	int code, err;

	streams_reserve();
	log_stderr_open();
	code = parse(&options, argc, argv);
	if (code >= 0)
		return code;
	log_configure(&log_config_default);
	err = cluster_config_load(options.config, &config, &errors);
	errors_print(&errors, stderr);
	errors_free(&errors);
	if (err)
		return err == -ENOMEM ? EXIT_INTERNAL : EXIT_CONFIG;
	if (options.check)
		return EXIT_DONE;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	code = run(&config, &options);
	curl_global_cleanup();
	explicit_bzero(&config, sizeof(config));
	return code;
}
