/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration that is applied until it is confirmed: if nobody confirms it in time, what ran
 * before runs again (`config apply --confirm`, `config confirm`, `config rollback`).
 *
 * Until then it is in a file of the state directory, with the time at which it ends:
 *
 *     a client goes away            nothing: the daemon has the timer
 *     a restart, a take-over,       the next process reads its own file as always, applies the
 *     kill -9, a reboot             configuration again, and waits for what is left of the time;
 *                                   what ran before is then what its own file says
 *     nothing is left of the time   the file of the state directory is removed, and the daemon's
 *     at a start                    own file holds
 *     three processes have ended    likewise: the configuration may be why. An orderly end, and a
 *     with it, not in order         take-over, are not counted
 *     rule.*, config.reload,        refused: confirm it first, or roll it back
 *     config.save, config.apply
 *     while a successor takes over  config.confirm and config.rollback are refused
 *
 * The file is removed before the configuration is confirmed or rolled back. So if the daemon is
 * killed in between, the next one runs its own file, which is what a rollback wants, and what any
 * restart does with a confirmed configuration that has not been saved.
 *
 * The end is a time of day, because no other clock goes on over a reboot. If the clock is set back
 * so far that more than the whole time would be left at a start, the time is over. Main thread.
 */
#ifndef XMCAST_DAEMON_CONFIRM_H
#define XMCAST_DAEMON_CONFIRM_H

#include "daemon/daemon.h"
#include "daemon/reload.h"

/* A configuration of a client. */
struct confirm_request {
	const char *text;     /* as YAML */
	const char *source;   /* the client's name of it, for messages and the log */
	unsigned int seconds; /* until it is rolled back; 0: never */
	unsigned int uid;     /* of the client, for the log */
};

/*
 * Apply a configuration, as a reload does. With `seconds`, it is first written to the state
 * directory. 0; -EINVAL: it is not valid (errors appended); other -errno, with result->reason. In
 * both cases nothing has changed.
 */
int confirm_apply(struct daemon *daemon, const struct confirm_request *request,
		  struct reload_result *result, struct errors *errors);

/* Keep what was applied. 0; -ENOENT: nothing is to be confirmed; with a reason: -EBUSY: a successor
 * is taking over; other -errno: the file in the state directory cannot be removed. */
int confirm_accept(struct daemon *daemon, unsigned int uid, char reason[REASON_SIZE]);

/* Return at once to what ran before. 0; -ENOENT: nothing is to be confirmed; -EBUSY: a successor is
 * taking over; other -errno: it is tried again every second (confirmation.failed). The last two
 * with result->reason. */
int confirm_roll_back(struct daemon *daemon, unsigned int uid, struct reload_result *result);

/*
 * Before the relay is opened, unless a running process is taken over: count the start in the file.
 * Whether it is one too many: confirm_resume() will roll back, so do not go on with what the last
 * process has left.
 */
bool confirm_count_start(const struct daemon *daemon);

/* The process ends in order: its start does not count, nor do those before it. */
void confirm_end_in_order(const struct daemon *daemon);

/*
 * A process has started and relays. Apply what is to be confirmed; then *own, the configuration
 * that the process has read, is what a rollback returns to, and is moved. 0; -ENOENT: there is
 * nothing of that kind, and *own is untouched; -EIO: the relay must end.
 */
int confirm_resume(struct daemon *daemon, struct config *own);

/* Call once a second: rolls back when the time is over. 0; -EIO: the relay must end. */
int confirm_second(struct daemon *daemon);

#endif
