/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options before the object, in iproute2's manner: long ones with one dash or two, shortened as
 * long as it is unambiguous ("-j", "-json", "--json", "-br"), and single letters in one word
 * ("-jp"). Their one list is also what help and completion show.
 */
#ifndef XMCAST_CTL_OPTIONS_H
#define XMCAST_CTL_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

enum colour_when { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct ctl_options {
	const char *socket;
	const char *batch; /* NULL: none */
	bool json;
	bool pretty;
	bool stats;
	bool brief;
	bool help;
	bool version;
	enum colour_when colour;
};

/*
 * Defaults from the environment (XMCAST_SOCKET, NO_COLOR), then the command line. Returns the index
 * of the first word that is no option; -1: a wrong option, and that has been said on stderr.
 */
int ctl_options_parse(struct ctl_options *options, int argc, char **argv);

void ctl_options_help(FILE *stream);

/* Options that begin with `word`, one a line. */
void ctl_options_complete(const char *word, FILE *stream);

/* Does this word, an option, take the next one as its value? */
bool ctl_options_takes_next(const char *word);

#endif
