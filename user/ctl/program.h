/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program of `monitor --exec`: run once for each event, one at a time and in order, because a
 * program that follows a state ("pending", then "active") must not see the events swapped.
 *
 * It is run directly, not by a shell, as PATH EVENT, with the rights of the caller. It gets its
 * stdout and stderr; stdin is /dev/null, all other descriptors are closed, and no signal is blocked
 * or ignored. Its environment is PATH and XMCAST_<KEY> for each key of the event: XMCAST_EVENT,
 * XMCAST_TIME, XMCAST_RULE, … (docs/control-protocol.md has all). It leads a process group of its
 * own. If it runs for too long, the whole group is killed.
 *
 * Whatever fails is logged (hook-failed, hook-killed, hook-start-failed), and the next event is
 * handled as usual. One thread.
 */
#ifndef XMCAST_CTL_PROGRAM_H
#define XMCAST_CTL_PROGRAM_H

#include <jansson.h>
#include <limits.h>

/* Default time limit: a program that has not reported an event within a minute never will. */
#define PROGRAM_TIMEOUT_MS 60000

/* Keys of one event, bytes of a variable's name and of a value, with their NUL. Whatever is beyond
 * is cut, so that a daemon cannot make us use any amount of memory. */
#define PROGRAM_KEYS	   18
#define PROGRAM_NAME_SIZE  32
#define PROGRAM_VALUE_SIZE 4096

struct program {
	char path[PATH_MAX];
	unsigned int timeout_ms;
	int signal_fd;	      /* a non-blocking signalfd(2) of the signals that end the caller */
	unsigned int signals; /* that were read from it; the second one kills what runs */
};

/*
 * Look up a program as execvp(3) does: `name` is a path if it has a slash, and otherwise searched
 * in PATH. Sets program->path. 0; -ENOENT; -EACCES: not an executable file; -ENAMETOOLONG.
 */
int program_find(struct program *program, const char *name);

/*
 * Run it for an event (an object) and wait until it has ended, or was killed. A signal does not
 * interrupt it, so that it can finish: the caller checks program->signals afterwards. SIGCHLD must
 * not be ignored.
 */
void program_run(struct program *program, const json_t *event);

#endif
