// SPDX-License-Identifier: BSD-2-Clause
/*
 * libFuzzer on what decides who may ask the exporter: a header Host, a header Authorization, and a
 * file of credentials, each behind a NUL. A header that has the token of the last line of a file
 * matches it, and only headers with one of two schemes match anything.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "exporter/credentials.h"

#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text up to the next NUL, which *rest then is behind. */
static const char *next(const char **rest)
{
	const char *text = *rest;

	*rest += strlen(text);
	*rest += 1;
	return text;
}

static void check_token(const char *file)
{
	static const char token[] = "\ntoken 0123456789abcdef";
	char reason[CREDENTIALS_REASON];
	char *text = malloc(strlen(file) + sizeof(token));
	struct credentials *credentials;

	must(text != NULL);
	strcpy(text, file);
	strcat(text, token);
	credentials = credentials_parse(text, reason);
	must(!credentials || credentials_match(credentials, "Bearer 0123456789abcdef"));
	credentials_free(credentials);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[CREDENTIALS_REASON] = "";
	char *copy = calloc(1, size + 3);
	const char *rest = copy;
	struct credentials *credentials;
	const char *authorization;

	must(copy != NULL);
	memcpy(copy, data, size);
	credentials_local_host(next(&rest));
	authorization = next(&rest);
	credentials = credentials_parse(rest, reason);
	must(credentials || *reason);
	if (credentials && credentials_match(credentials, authorization))
		must(strncasecmp(authorization, "Basic ", 6) == 0 ||
		     strncasecmp(authorization, "Bearer ", 7) == 0);
	credentials_free(credentials);
	check_token(rest);
	free(copy);
	return 0;
}
