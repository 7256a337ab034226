/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The launcher: a process of its own that starts hooks and the exporter.
 *
 *     xmcastd ── socketpair, records (launcher_process.h) ──▶ xmcast-launcher ──▶ hooks
 *                                                                             └─▶ xmcast-exporter
 *
 * The daemon itself may start no process (base/sandbox.h), and whatever it started would inherit
 * its filter. So this is started first: our own program under another name, single-threaded, with
 * neither packets nor rules in its memory. What it starts has no capabilities and no way to get any
 * (empty bounding set, no_new_privs); it checks a hook's file itself (hook_path.h). The launcher
 * has none either, but for a daemon that stays root, where it keeps CAP_SETUID, CAP_SETGID,
 * CAP_SETPCAP and CAP_KILL: the exporter becomes nobody with them. Hooks, which may be its user's,
 * cannot look into it (it is not dumpable).
 *
 * It has no list of system calls, which would pass to every hook, and a hook may be any program.
 *
 * If the daemon dies, the launcher kills what runs, and ends; if it ends in order, hooks may finish
 * (that of `stopping` among them). If the launcher dies, that is in the log (launcher-failed), all
 * of its jobs are reported as ended, and no more are started: the relay goes on, without hooks and
 * metrics, until the daemon is started anew.
 *
 * All functions: main thread, none of them waits, but for launcher_end().
 */
#ifndef XMCAST_DAEMON_LAUNCHER_H
#define XMCAST_DAEMON_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/launcher_process.h"

/* What argv[0] says if main() is to be launcher_main(). */
#define LAUNCHER_NAME "xmcast-launcher"

/* Jobs at a time: the hooks, and the exporter while another one ends. */
#define LAUNCHER_JOBS (HOOK_RUNNING + 4)

struct launcher;

/* Called by launcher_run() and launcher_end(): what has become of a job. After LAUNCHER_NOT_STARTED
 * and LAUNCHER_ENDED its number means nothing any more. */
typedef void (*launcher_told)(void *context, const struct launcher_report *report);

/* Start it. 0 or -errno, which is in the log. */
int launcher_open(struct launcher **out);

/*
 * Ask for a job. A number > 0, by which it is reported on; or -errno: -EPIPE: the launcher has
 * gone; -EAGAIN: it has too much to do. `launcher` may be NULL: -EPIPE. Strings: program, event,
 * and an environment, at most HOOK_KEYS + 2. Descriptors, which stay the caller's: the listening
 * socket, and the control protocol's; `filter`: with its list of system calls (base/sandbox.h).
 */
int launcher_hook(struct launcher *launcher, const char *path, const char *event,
		  char *const *environment, launcher_told told, void *context);
int launcher_exporter(struct launcher *launcher, const int descriptors[2], bool filter,
		      launcher_told told, void *context);

/* SIGKILL; its end is reported as any other. */
void launcher_kill(struct launcher *launcher, int job);

/* Its owner goes: report no more of this job. */
void launcher_forget(struct launcher *launcher, int job);

/* Kill the job and wait until it has ended, some seconds at most. It is not reported. */
void launcher_end(struct launcher *launcher, int job);

/* Readable when launcher_run() has something to do. */
int launcher_fd(const struct launcher *launcher);

/* Read what it reports. False, once: it has died, and launcher_fd() need not be watched further. */
bool launcher_run(struct launcher *launcher);

/* In order: hooks go on. Takes NULL. */
void launcher_close(struct launcher *launcher);

/* The process itself: with LAUNCHER_FD open. Returns its exit status. */
int launcher_main(void);

#endif
