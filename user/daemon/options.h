/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastd's command line. */
#ifndef XMCAST_DAEMON_OPTIONS_H
#define XMCAST_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

#define DEFAULT_CONFIG "/etc/xmcast/xmcast.yaml"

struct options {
	const char *config; /* NULL: none to be read (there are --rule, and no -c) */
	const char *socket;
	const char **rules; /* the texts of --rule; freed by options_free() */
	size_t nr_rules;
	bool check;
	bool debug;    /* log all levels of all facilities */
	bool log_json; /* each of these two overrides the configuration's `logging:` */
	bool syslog;
	bool help;
	bool version;
};

/* 0, or EXIT_USAGE after telling why on stderr. Strings are argv's. */
int options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

/* What the command line says of logging, laid over what the configuration says. */
void options_logging(const struct options *options, struct log_config *logging);

/* To stdout. */
void options_help(void);
void options_version(void);

#endif
