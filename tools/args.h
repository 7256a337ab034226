/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the command lines of the tools share: exit codes, strict parsing, and how an option is
 * refused. A word must parse completely and be within its range. Main thread only.
 */
#ifndef XMCAST_TOOLS_ARGS_H
#define XMCAST_TOOLS_ARGS_H

#include <getopt.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	EXIT_OK = 0,
	EXIT_USAGE = 1,
	EXIT_FAILED = 2,
	EXIT_NO_PERMISSION = 77,
};

/* Decimal digits only, from `min` to `max`. */
bool args_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* Seconds, optionally with a fraction, as nanoseconds: more than 0, at most a year. */
bool args_seconds(const char *text, uint64_t *ns);

/* Print on stderr, after the program's name, why the command line is refused. Returns false. */
__attribute__((format(printf, 1, 2))) bool args_refuse(const char *format, ...);

/* args_number() and args_seconds() for the value of an option, whose name is given without "--". A
 * value that they do not accept is refused with the reason. */
bool args_take_number(const char *option, const char *text, uint64_t min, uint64_t max,
		      uint64_t *value);
bool args_take_seconds(const char *option, const char *text, uint64_t *ns);

/* A command line `[options] IFACE`. args_parse() itself handles -j, -h and -V with their long
 * forms. */
struct args {
	const char *usage;
	const struct option *options; /* the long options, including these three */

	/* Accepts any other option, or refuses it. */
	bool (*take)(int option, char *text, void *context);
	void *context;
};

/* False: exit with *status; any message is printed. Otherwise *json and `interface` are set. */
bool args_parse(const struct args *args, int argc, char **argv, bool *json,
		char interface[IFNAMSIZ], int *status);

#endif
