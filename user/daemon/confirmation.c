/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/confirmation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/read_all.h"
#include "base/trust.h"
#include "rules/save.h"
#include "rules/yaml_reader.h"

/* Where systemd has no StateDirectory= for the daemon. */
#define STATE_DIRECTORY "/var/lib/xmcast"

/* Of an escaped text each byte may be six; and the rest of the file. */
#define STATE_MOST (6 * ((size_t)YAML_BYTES_MAX + PATH_MAX) + 1024)

/* ---- the file ---- */

/* One for each control socket, because daemons that are started by hand share the directory. */
static int state_path(const struct daemon *daemon, char path[PATH_MAX])
{
	const char *directory = getenv("STATE_DIRECTORY");
	int length = snprintf(path, PATH_MAX, "%s/unconfirmed",
			      directory && *directory ? directory : STATE_DIRECTORY);
	size_t before = length < 0 ? PATH_MAX : (size_t)length;

	if (before + strlen(daemon->options.socket) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	sprintf(path + before, "-%s", daemon->options.socket + (*daemon->options.socket == '/'));
	for (char *at = path + before; *at; at++)
		*at = *at == '/' ? '-' : *at;
	return 0;
}

/* The reason begins with the path. */
static int failed(const char *path, int err, const char *text, char reason[REASON_SIZE])
{
	snprintf(reason, REASON_SIZE, "%.100s: %.150s", path, text);
	return err;
}

/* Whether the next process would trust the file: its directory is checked as confirmation_read()
 * checks it. */
static int check_directory(const char *path, char reason[REASON_SIZE])
{
	struct trust trust;
	int fd = trust_open_directory_ours(path, &trust);

	if (fd == -EACCES && trust.refused)
		snprintf(reason, REASON_SIZE,
			 "%.80s: %.100s, or set STATE_DIRECTORY to another directory", trust.where,
			 trust.text);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int confirmation_write(const struct daemon *daemon, const json_t *state, char reason[REASON_SIZE])
{
	size_t length = 0;
	char *text = state ? json_text_line(state, &length) : NULL;
	char path[PATH_MAX];
	int err = text ? state_path(daemon, path) : -ENOMEM;

	*reason = '\0';
	if (!err)
		err = check_directory(path, reason);
	if (!err)
		err = config_save_private_file(path, text, length);
	free(text);
	if (*reason)
		return err;
	if (!err || err == -ENOMEM)
		return err;
	return failed(path, err,
		      err == -ENOENT ? "its directory does not exist: create it. The daemon keeps "
				       "the unconfirmed configuration there over a restart"
				     : config_save_reason(err),
		      reason);
}

int confirmation_remove(const struct daemon *daemon, char reason[REASON_SIZE])
{
	char path[PATH_MAX];
	int err = state_path(daemon, path);

	if (!err)
		err = config_remove_file(path);
	return err && err != -ENOENT ? failed(path, err, strerror(-err), reason) : 0;
}

int confirmation_read(const struct daemon *daemon, json_t **state, char reason[REASON_SIZE])
{
	struct trust trust;
	char path[PATH_MAX];
	size_t length;
	char *text;
	int fd, err;

	err = state_path(daemon, path);
	if (err)
		return err;
	fd = trust_open_ours(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &trust);
	if (fd == -EACCES && trust.refused)
		return failed(trust.where, fd, trust.text, reason);
	if (fd < 0)
		return fd == -ENOENT ? fd : failed(path, fd, strerror(-fd), reason);
	err = read_all(fd, STATE_MOST, &text, &length);
	close(fd);
	if (!err)
		err = length > STATE_MOST
			      ? -EFBIG
			      : json_text_read(state, text, length, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (!err)
		return 0;
	return failed(path, err, err == -EBADMSG ? "it is damaged" : strerror(-err), reason);
}

/* ---- waiting ---- */

void confirmation_await(struct daemon *daemon, char *source, struct config *before,
			uint64_t seconds)
{
	struct confirmation *confirmation = &daemon->confirmation;

	*confirmation = (struct confirmation){
		.awaited = true,
		.until_seconds = (uint64_t)time(NULL) + seconds,
		.deadline_ns = clock_read_ns(CLOCK_BOOTTIME) + seconds * NS_PER_SECOND,
		.source = source,
		.before = *before,
	};
	config_init(before);
}

void confirmation_end(struct daemon *daemon)
{
	struct confirmation *confirmation = &daemon->confirmation;

	if (!confirmation->awaited)
		return;
	config_free(&confirmation->before);
	free(confirmation->source);
	*confirmation = (struct confirmation){};
}

unsigned int confirmation_seconds_left(const struct daemon *daemon)
{
	const struct confirmation *confirmation = &daemon->confirmation;
	uint64_t now = clock_read_ns(CLOCK_BOOTTIME);

	if (!confirmation->awaited)
		return 0;
	/* At least 1 while it is awaited. */
	if (now + NS_PER_SECOND >= confirmation->deadline_ns)
		return 1;
	return (unsigned int)((confirmation->deadline_ns - now) / NS_PER_SECOND);
}

bool confirmation_blocks(const struct daemon *daemon, char reason[REASON_SIZE])
{
	if (!daemon->confirmation.awaited)
		return false;
	snprintf(reason, REASON_SIZE,
		 "%.100s waits to be confirmed, and is rolled back in %u s: run `xmcastctl config "
		 "confirm` or `config rollback` first",
		 daemon->confirmation.source, confirmation_seconds_left(daemon));
	return true;
}
