/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/options.h"

#include <bpf/libbpf.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <yaml.h>

#include <xmcast/abi.h>
#include "base/version.h"
#include "base/exit_codes.h"
#include "control/paths.h"
#include "daemon/rights.h"
#include "rules/grammar.h"
#include "rules/settings.h"

enum {
	OPTION_RULE = 256,
	OPTION_SOCKET,
	OPTION_LOG_JSON,
	OPTION_SYSLOG,
	OPTION_TAKE_OVER,
	OPTION_STORE
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"rule", required_argument, NULL, OPTION_RULE},
	{"test", no_argument, NULL, 't'},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"take-over", no_argument, NULL, OPTION_TAKE_OVER},
	{"store", no_argument, NULL, OPTION_STORE},
	{"log-json", no_argument, NULL, OPTION_LOG_JSON},
	{"syslog", no_argument, NULL, OPTION_SYSLOG},
	{"debug", no_argument, NULL, 'd'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{},
};

void options_help(void)
{
	puts("usage: xmcastd [-c FILE] [--rule \"RULE\"]... [-t] [--socket PATH]\n"
	     "               [--take-over] [--store] [--log-json] [--syslog] [-d] [-V] [-h]\n"
	     "\n"
	     "Relay UDP multicast: an XDP program takes the packets that match a rule out of an\n"
	     "interface, and xmcastd sends their payload to every output of the rule. It runs in\n"
	     "the foreground and logs to stderr.\n"
	     "\n"
	     "  -c, --config FILE  rules and settings (default " DEFAULT_CONFIG ";\n"
	     "                     not read if --rule is given without -c)\n"
	     "      --rule RULE    add a rule; repeatable:");
	grammar_print(stdout, "                     ");
	puts("  -t, --test         check the configuration, report all errors and exit\n"
	     "      --socket PATH  control socket (default: $XMCAST_SOCKET if it is set, "
	     "otherwise\n"
	     "                     " CONTROL_DEFAULT_PATH ")\n"
	     "      --take-over    take the place of the daemon at the control socket: no packet "
	     "is\n"
	     "                     lost, and it exits with code 0; if this fails, it goes on\n"
	     "      --store        keep the descriptors in the service manager's store (FDSTORE), "
	     "so\n"
	     "                     that a restart loses no packet\n"
	     "      --log-json     log one JSON object per line; overrides `logging: { format: }`\n"
	     "      --syslog       log to /dev/log instead of stderr; overrides `logging: { to: "
	     "}`\n"
	     "  -d, --debug        log messages of level debug\n"
	     "  -V, --version      print versions and features\n"
	     "  -h, --help         print this help\n"
	     "\n"
	     "Long options may be shortened and may start with a single dash.\n"
	     "\n"
	     "SIGTERM and SIGINT shut down gracefully: what has arrived is still sent. A second\n"
	     "signal exits immediately. SIGHUP reads the file again.\n"
	     "\n"
	     "settings of the file beside its rules, with their defaults (see xmcast.yaml(5)):");
	settings_print(stdout);
	puts("\n"
	     "exit codes: 0 done, 1 usage, 2 another daemon has the interface or the socket,\n"
	     "            70 out of memory or descriptors, a worker failed or is stuck, or a\n"
	     "            frame was lost,\n"
	     "            77 no permission,\n"
	     "            78 bad configuration or unusable path of the control socket\n"
	     "\n"
	     "example: xmcastd --rule \"cam1 in 239.1.1.1:5000@eth0 out 239.2.2.2:6000@eth1 ttl "
	     "8\"");
}

void options_version(void)
{
	const char *missing = rights_missing_for_kernel_path();
	struct utsname kernel = {};

	uname(&kernel);
	printf("xmcastd %s\n", xmc_version);
	printf("abi %d\n", XMC_ABI_VERSION);
	printf("kernel %s\n", kernel.release);
	printf("libbpf %s\n", libbpf_version_string());
	printf("libxdp %s\n", XMC_LIBXDP_VERSION);
	printf("liburing %s\n", XMC_LIBURING_VERSION);
	printf("libyaml %s\n", yaml_get_version_string());
	printf("jansson %s\n", JANSSON_VERSION);
	puts("features: xdp-native xdp-skb af_xdp io_uring gso ipv4 ipv6 kernel-path");
	printf("kernel path: %s%s\n", missing ? "needs " : "available", missing ? missing : "");
}

static int usage(const char *what, const char *word)
{
	fprintf(stderr, "xmcastd: %s: %s; see xmcastd --help\n", what, word);
	return EXIT_USAGE;
}

/* A word that is no option: mostly a rule without --rule, or one without quotes. */
static int unexpected(const char *word, bool behind_rule)
{
	if (!behind_rule && !strchr(word, ' '))
		return usage("unexpected argument", word);
	fprintf(stderr,
		"xmcastd: unexpected argument: %s; write each rule in quotes behind --rule: "
		"--rule \"in GROUP:PORT@IFACE out DEST:PORT\"\n",
		word);
	return EXIT_USAGE;
}

int options_parse(struct options *options, int argc, char **argv)
{

	memset(options, 0, sizeof(*options));
	options->socket = control_default_path();
	/* At most one rule per argument. */
	options->rules = calloc((size_t)argc, sizeof(*options->rules));
	if (!options->rules) {
		fputs("xmcastd: out of memory\n", stderr);
		return EXIT_INTERNAL;
	}
	opterr = 0;
	while (true) {
		/* '+' stops at the first word that is no option, so that this is the word that
		 * getopt looks at next. Afterwards it may point to a later one. */
		const char *word = argv[optind];
		int option = getopt_long_only(argc, argv, "+:c:tdVh", long_options, NULL);

		switch (option) {
		case -1:
			if (optind < argc)
				return unexpected(argv[optind], options->nr_rules);
			if (!options->config && !options->nr_rules)
				options->config = DEFAULT_CONFIG;
			return 0;
		case 'c':
			options->config = optarg;
			break;
		case OPTION_RULE:
			options->rules[options->nr_rules++] = optarg;
			break;
		case 't':
			options->check = true;
			break;
		case OPTION_SOCKET:
			options->socket = optarg;
			break;
		case OPTION_TAKE_OVER:
			options->take_over = true;
			break;
		case OPTION_STORE:
			options->store = true;
			break;
		case OPTION_LOG_JSON:
			options->log_json = true;
			break;
		case OPTION_SYSLOG:
			options->syslog = true;
			break;
		case 'd':
			options->debug = true;
			break;
		case 'V':
			options->version = true;
			break;
		case 'h':
			options->help = true;
			break;
		case ':':
			return usage("option requires an argument", word);
		default:
			return usage(optopt && strchr(word, '=') ? "option accepts no argument"
								 : "unknown or ambiguous option",
				     word);
		}
	}
}

void options_logging(const struct options *options, struct log_config *logging)
{
	if (options->log_json)
		logging->json = true;
	if (options->syslog)
		logging->target = LOG_TARGET_SYSLOG;
	for (int i = 0; options->debug && i < LOG_FACILITIES; i++)
		logging->levels[i] = LOG_LEVEL_DEBUG;
}

void options_free(struct options *options)
{
	free(options->rules);
}
