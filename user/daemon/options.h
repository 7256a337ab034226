/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastd's command line. */
#ifndef XMCAST_DAEMON_OPTIONS_H
#define XMCAST_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define DEFAULT_CONFIG "/etc/xmcast/xmcast.yaml"

struct options {
	const char *config; /* NULL: read no file, because --rule was given without -c */
	const char *socket;
	const char **rules; /* the texts of --rule; freed by options_free() */
	size_t nr_rules;
	bool check;
	bool take_over; /* the place of the running daemon */
	bool store;	/* use the service manager's store of descriptors */
	bool debug;	/* log all levels of all facilities */
	bool log_json;	/* log_json and syslog override `logging:` of the configuration */
	bool syslog;
	bool help;
	bool version;
};

/* 0; EXIT_USAGE or EXIT_INTERNAL after printing the reason on stderr. The strings stay argv's or
 * the environment's. Uses getopt, whose state is global: main thread, once. */
int options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

/* Apply the options about logging on top of the configuration's settings. */
void options_logging(const struct options *options, struct log_config *logging);

/* Print to stdout. */
void options_help(void);
void options_version(void);

#endif
