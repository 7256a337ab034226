// SPDX-License-Identifier: BSD-2-Clause
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"

bool args_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value >= min && *value <= max;
}

bool args_seconds(const char *text, uint64_t *ns)
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

bool args_refuse(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, list);
	fputs("\n", stderr);
	va_end(list);
	return false;
}

bool args_take_number(const char *option, const char *text, uint64_t min, uint64_t max,
		      uint64_t *value)
{
	if (args_number(text, min, max, value))
		return true;
	return args_refuse("--%s: \"%s\" is not a number from %llu to %llu", option, text,
			   (unsigned long long)min, (unsigned long long)max);
}

bool args_take_seconds(const char *option, const char *text, uint64_t *ns)
{
	return args_seconds(text, ns) ||
	       args_refuse("--%s: \"%s\" is not a number of seconds above 0", option, text);
}

bool args_parse(const struct args *args, int argc, char **argv, bool *json,
		char interface[IFNAMSIZ], int *status)
{
	int option;

	*status = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "jhV", args->options, NULL)) != -1) {
		switch (option) {
		case 'h':
			fputs(args->usage, stdout);
			*status = EXIT_OK;
			return false;
		case 'V':
			printf("%s %s\n", program_invocation_short_name, xmc_version);
			*status = EXIT_OK;
			return false;
		case 'j':
			*json = true;
			break;
		case '?':
			return false; /* getopt has printed the reason */
		default:
			if (!args->take(option, optarg, args->context))
				return false;
		}
	}
	if (optind + 1 != argc)
		return args_refuse(optind == argc ? "which interface? (-h for help)"
						  : "one interface only (-h for help)");
	if (strlen(argv[optind]) >= IFNAMSIZ || !*argv[optind])
		return args_refuse("\"%s\" is not an interface name", argv[optind]);
	strcpy(interface, argv[optind]);
	return true;
}
