/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options before the object, in the style of iproute2: long options with one dash or two, shortened
 * as long as they are unambiguous ("-json", "--json", "-js", "-br"), and single letters in one word
 * ("-jp"). One table has them all, for parsing, help and completion.
 */
#ifndef XMCAST_CTL_OPTIONS_H
#define XMCAST_CTL_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "control/client.h"
#include "control/paths.h"

enum colour_when { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct ctl_options {
	const char *socket;
	char instance[CONTROL_PATH_SIZE]; /* what `socket` points to after -I */
	const char *batch;		  /* NULL: none */
	bool json;
	bool pretty;
	bool stats;
	bool brief;
	bool help;
	bool version;
	enum colour_when colour;
};

/* What ctl_options_parse() says of the words. */
struct ctl_options_result {
	int first;	     /* index of the first word that is not an option, at most argc */
	const char *problem; /* NULL: none; otherwise what is wrong with `word` */
	const char *word;
	bool needs_value;    /* the problem is that the last word needs a value, */
	bool needs_instance; /* the name of an instance */
};

/*
 * Defaults from the environment (XMCAST_SOCKET, NO_COLOR), then the options in argv[1] and
 * following, up to the first problem. The strings stay argv's or the environment's. Prints nothing.
 * Uses getopt, whose state is global.
 *
 * `anywhere`: options may stand between and behind the other words, up to "--"; these are moved to
 * the end of argv. Otherwise parsing stops at the first word that is not an option.
 */
struct ctl_options_result ctl_options_parse(struct ctl_options *options, int argc, char **argv,
					    bool anywhere);

void ctl_options_help(FILE *stream);

/* Print the names of instances that run and begin with `word`, one per line. */
void ctl_options_complete_instance(const char *word, FILE *stream);

/* Print the options that begin with `word`, one per line. */
void ctl_options_complete(const char *word, FILE *stream);

#endif
