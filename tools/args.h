/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the command lines of xmcast-gen and xmcast-sink have in common: exit codes and strict
 * parsing. A word is taken as a whole and within its range, or it is refused. Pure, header only
 * (the tools share no object file).
 */
#ifndef XMCAST_TOOLS_ARGS_H
#define XMCAST_TOOLS_ARGS_H

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	EXIT_OK = 0,
	EXIT_USAGE = 1,
	EXIT_FAILED = 2,
	EXIT_NO_PERMISSION = 77,
};

/* Decimal digits only, from `min` to `max`. */
static inline bool args_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value >= min && *value <= max;
}

/* Seconds, with a fraction if wanted, as nanoseconds: more than 0, at most a year. */
static inline bool args_seconds(const char *text, uint64_t *ns)
{
	double seconds;
	char *end;

	if (!isdigit((unsigned char)*text) && *text != '.')
		return false;
	seconds = strtod(text, &end);
	if (*end || !isfinite(seconds) || seconds <= 0 || seconds > 366 * 86400.0)
		return false;
	*ns = (uint64_t)(seconds * 1e9);
	return *ns > 0;
}

#endif
