/* SPDX-License-Identifier: BSD-2-Clause */
#include "exporter/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/base64.h"

/* Bytes of what follows "Basic" or "Bearer": the base64 of two long names and a colon. */
#define VALUE_SIZE 512

enum scheme { SCHEME_BASIC, SCHEME_BEARER, SCHEMES };

static const char *const schemes[] = {"Basic ", "Bearer "};

struct credential {
	enum scheme scheme;
	char value[VALUE_SIZE]; /* what the header has behind the scheme, filled up with NULs */
};

struct credentials {
	size_t count;
	struct credential list[CREDENTIALS_MOST];
};

/* ---- the file ---- */

/* The words of a line, at most 4. */
static unsigned int split(char *line, char *words[4])
{
	unsigned int count = 0;
	char *rest = line;
	char *word;

	/* A comment begins a word, so that a password may contain the sign. */
	for (char *at = strchr(line, '#'); at; at = strchr(at + 1, '#')) {
		if (at == line || strchr(" \t", at[-1])) {
			*at = '\0';
			break;
		}
	}
	while (count < 4 && (word = strtok_r(rest, " \t\r", &rest)))
		words[count++] = word;
	return count;
}

/* NULL, or what is wrong with the line. */
static const char *add_line(struct credentials *credentials, char *line)
{
	char pair[2 * CREDENTIALS_LONGEST + 2];
	struct credential *added;
	const char *secret;
	char *words[4];
	unsigned int count = split(line, words);
	bool user = count == 3 && strcmp(words[0], "user") == 0;

	if (!count)
		return NULL;
	if (!user && (count != 2 || strcmp(words[0], "token") != 0))
		return "expected \"user NAME PASSWORD\" or \"token TOKEN\"";
	secret = words[count - 1];
	if (strlen(secret) < CREDENTIALS_SHORTEST)
		return "a password or token must have at least 16 characters";
	if (strlen(secret) > CREDENTIALS_LONGEST || strlen(words[1]) > CREDENTIALS_LONGEST)
		return "expected at most 128 characters";
	if (user && strchr(words[1], ':'))
		return "the name of a user must not have a colon";
	if (credentials->count == CREDENTIALS_MOST)
		return "expected at most 64 users and tokens";
	added = &credentials->list[credentials->count++];
	added->scheme = user ? SCHEME_BASIC : SCHEME_BEARER;
	if (user) {
		snprintf(pair, sizeof(pair), "%s:%s", words[1], secret);
		base64_encode(pair, strlen(pair), added->value);
		explicit_bzero(pair, sizeof(pair));
	} else {
		strcpy(added->value, secret);
	}
	return NULL;
}

struct credentials *credentials_parse(const char *text, char reason[CREDENTIALS_REASON])
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));
	char *copy = strdup(text);
	const char *wrong = NULL;
	unsigned int line = 0;
	char *rest = copy;

	if (!credentials || !copy) {
		snprintf(reason, CREDENTIALS_REASON, "%s", strerror(ENOMEM));
		credentials_free(credentials);
		free(copy);
		return NULL;
	}
	for (char *next; !wrong && (next = strsep(&rest, "\n"));) {
		line++;
		wrong = add_line(credentials, next);
	}
	if (wrong)
		snprintf(reason, CREDENTIALS_REASON, "line %u: %s", line, wrong);
	else if (!credentials->count)
		snprintf(reason, CREDENTIALS_REASON, "expected at least one user or token");
	if (wrong || !credentials->count) {
		credentials_free(credentials);
		credentials = NULL;
	}
	explicit_bzero(copy, strlen(text));
	free(copy);
	return credentials;
}

void credentials_free(struct credentials *credentials)
{
	if (credentials)
		explicit_bzero(credentials, sizeof(*credentials));
	free(credentials);
}

/* ---- requests ---- */

/* Without a branch or a length that depends on the bytes. */
static unsigned int differ(const char a[VALUE_SIZE], const char b[VALUE_SIZE])
{
	unsigned int bits = 0;

	for (size_t i = 0; i < VALUE_SIZE; i++)
		bits |= (unsigned int)(unsigned char)(a[i] ^ b[i]);
	return bits;
}

bool credentials_match(const struct credentials *credentials, const char *authorization)
{
	char value[VALUE_SIZE] = {0};
	unsigned int scheme = 0;
	unsigned int matches = 0;

	while (authorization && scheme < SCHEMES &&
	       strncasecmp(authorization, schemes[scheme], strlen(schemes[scheme])) != 0)
		scheme++;
	if (!authorization || scheme == SCHEMES)
		return false;
	authorization += strlen(schemes[scheme]);
	if (strlen(authorization) >= VALUE_SIZE)
		return false;
	strcpy(value, authorization);
	for (size_t i = 0; i < credentials->count; i++) {
		const struct credential *credential = &credentials->list[i];

		matches += (differ(value, credential->value) |
			    (unsigned int)(credential->scheme ^ scheme)) == 0;
	}
	return matches != 0;
}

bool credentials_local_host(const char *host)
{
	char name[ADDR_TEXT_SIZE];
	struct xmc_addr address;
	bool brackets = host && *host == '[';
	size_t length;

	if (!host)
		return true;
	host += brackets;
	length = strcspn(host, brackets ? "]" : ":");
	if (length >= sizeof(name) || (brackets && !host[length]))
		return false;
	memcpy(name, host, length);
	name[length] = '\0';
	host += length + brackets;
	if (*host && (*host != ':' || host[1 + strspn(host + 1, "0123456789")]))
		return false;
	if (!brackets && strcasecmp(name, "localhost") == 0)
		return true;
	return addr_parse(name, &address) && addr_is_ipv4(&address) != brackets &&
	       addr_is_loopback(&address);
}
