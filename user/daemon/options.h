/* SPDX-License-Identifier: BSD-2-Clause */
/* xmcastd's command line. */
#ifndef XMCAST_DAEMON_OPTIONS_H
#define XMCAST_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define DEFAULT_CONFIG "/etc/xmcast/xmcast.yaml"

struct options {
	const char *config; /* NULL: none to be read (there are --rule, and no -c) */
	const char *socket;
	const char **rules; /* the texts of --rule; freed by options_free() */
	size_t nr_rules;
	bool check;
	bool debug;
	bool help;
	bool version;
};

/* 0, or EXIT_USAGE after telling why on stderr. Strings are argv's. */
int options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

void options_help(void);
void options_version(void);

#endif
