/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon and the launcher's process say to each other: records on a SOCK_SEQPACKET pair,
 * each a header and, of LAUNCH_HOOK, strings that end with NUL: path, event, environment. */
#ifndef XMCAST_DAEMON_LAUNCHER_PROCESS_H
#define XMCAST_DAEMON_LAUNCHER_PROCESS_H

#include <stdint.h>

#include "daemon/hook.h"

/* The descriptor of the process that leads to the daemon. */
#define LAUNCHER_FD 3

enum launcher_request_kind {
	LAUNCH_HOOK,	 /* strings follow */
	LAUNCH_EXPORTER, /* two descriptors come with it: listening socket, control protocol */
	LAUNCH_KILL,	 /* SIGKILL to `job`: a hook with all of its process group */
	LAUNCH_LEAVE,	 /* the daemon ends in order: end, and let hooks finish */
};

struct launcher_request {
	uint32_t kind;
	uint32_t job;
	uint32_t strings;
	uint32_t filter; /* LAUNCH_EXPORTER: with its list of system calls, or 0: without */
};

/* PATH, event, XMCAST_EVENT, PATH= and the keys. */
#define LAUNCHER_STRINGS (HOOK_KEYS + 4)
#define LAUNCHER_RECORD_SIZE                                                                       \
	(sizeof(struct launcher_request) + LAUNCHER_STRINGS * (HOOK_VALUE_SIZE + 64))

enum launcher_report_kind { LAUNCHER_STARTED, LAUNCHER_NOT_STARTED, LAUNCHER_ENDED };

struct launcher_report {
	uint32_t kind;
	uint32_t job;
	int32_t pid;	/* STARTED */
	int32_t error;	/* NOT_STARTED: errno, or -1: `fault` says it */
	int32_t code;	/* ENDED: CLD_EXITED, CLD_KILLED, CLD_DUMPED (waitid(2)) */
	int32_t status; /* ENDED: exit status or signal */
	char fault[128];
};

#endif
