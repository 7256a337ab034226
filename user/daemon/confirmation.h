/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * That an applied configuration waits to be confirmed (daemon/confirm.h): in this process, and in a
 * file of the state directory for the next one. Main thread.
 */
#ifndef XMCAST_DAEMON_CONFIRMATION_H
#define XMCAST_DAEMON_CONFIRMATION_H

#include <jansson.h>

#include "daemon/daemon.h"

/* It is awaited for this number of seconds from now on. *before, what a rollback returns to, is
 * moved; `source`, its name, is malloc()ed, and the daemon's from now on. */
void confirmation_await(struct daemon *daemon, char *source, struct config *before,
			uint64_t seconds);

/* It is awaited no longer. Nothing happens if it was not. */
void confirmation_end(struct daemon *daemon);

/* Whether changes are refused because of it, and the reason. */
bool confirmation_blocks(const struct daemon *daemon, char reason[REASON_SIZE]);

/* Seconds until it is rolled back; 0: it is not awaited. */
unsigned int confirmation_seconds_left(const struct daemon *daemon);

/*
 * The file: {"until": Unix time, "seconds", "starts", "source", "config": YAML}. `starts` is the
 * number of processes that have applied it and have not ended in order. Only root and the daemon's
 * user may be able to change it, which is checked when it is written, too. 0 or -errno with a
 * reason that names the file, except for -ENOMEM. Writing: `state` may be NULL: -ENOMEM. Reading:
 * -ENOENT, if there is none. Removing what is not there is no error.
 */
int confirmation_write(const struct daemon *daemon, const json_t *state, char reason[REASON_SIZE]);
int confirmation_read(const struct daemon *daemon, json_t **state, char reason[REASON_SIZE]);
int confirmation_remove(const struct daemon *daemon, char reason[REASON_SIZE]);

#endif
