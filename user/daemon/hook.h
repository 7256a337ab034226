/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program that `events.hook` names, run once for each event.
 *
 * It is run directly, not by a shell, as PATH EVENT, by the launcher (launcher.h): as the daemon's
 * user, with no capabilities and no way to get any, and nothing of the daemon's but its stdout and
 * stderr: stdin is /dev/null, all other descriptors are closed, signals
 * are as by default, and the environment is PATH, XMCAST_EVENT and XMCAST_<KEY>. At most
 * HOOK_RUNNING run at a time; what comes meanwhile is not run (hook-skipped). One that still runs
 * after a minute is killed, with all of its process group (hook-killed).
 *
 * Main thread. The caller is not held up: whether it could be started is seen by launcher_run().
 */
#ifndef XMCAST_DAEMON_HOOK_H
#define XMCAST_DAEMON_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Running at a time: enough for a handful of rules that fall silent together, and no fork bomb when
 * all 10,000 do. */
#define HOOK_RUNNING 8

/* A program that reports an event has done so within a minute, or never will. */
#define HOOK_TIMEOUT_MS 60000

/* Keys of one event, bytes of a key and of a value, with their NUL; what is longer is cut. */
#define HOOK_KEYS	16
#define HOOK_KEY_SIZE	32
#define HOOK_VALUE_SIZE 4096

struct hook;
struct launcher;

struct hook_counts {
	uint64_t started;
	uint64_t skipped; /* too many were running, or it could not be started */
	uint64_t failed;  /* exit status not 0, or a signal; those killed are not in here */
	uint64_t killed;  /* ran for too long */
};

/*
 * Check the program: an absolute path to a regular file that we may execute, that belongs to root
 * or to us, and that nobody else may write (hook_path.h); or empty: no program yet. 0 or -errno
 * (-EINVAL, -EACCES, -ENOENT, …) after saying why in the log (hook-refused). The launcher, which
 * may be NULL (then nothing is run), must outlive the hook.
 */
int hook_open(struct hook **out, struct launcher *launcher, const char *path);

/* Run another program from now on, checked as by hook_open(), or none (an empty path, or one that
 * is refused). What runs goes on, and is reaped. 0 or -errno. */
int hook_set_path(struct hook *hook, const char *path);

/*
 * Run it for an event, if it is still such a program (else hook-refused): `env` has `n` pairs of a
 * key ([a-z][a-z0-9_]*, or '-' for '_'; others are left out) and a value. True: the launcher is
 * asked to; should it fail then, that is counted and in the log, as it is where this is false.
 * `hook` may be NULL, or have no program: then false, and not counted.
 */
bool hook_run(struct hook *hook, const char *event, const char *const env[][2], size_t n);

/* Readable when there is something to do for hook_expire(); to be watched for EPOLLIN. */
int hook_fd(const struct hook *hook);

/* Kill what runs for too long. Never waits. */
void hook_expire(struct hook *hook);

/* How many run, or are about to. */
unsigned int hook_running(const struct hook *hook);

void hook_counts(const struct hook *hook, struct hook_counts *counts);

/* For tests: kill after so many milliseconds. Of programs that are started from now on. */
void hook_set_timeout(struct hook *hook, unsigned int milliseconds);

/* Leave alone what runs. Takes NULL. */
void hook_close(struct hook *hook);

#endif
