/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon and the exporter's process agree upon. */
#ifndef XMCAST_DAEMON_EXPORTER_PROCESS_H
#define XMCAST_DAEMON_EXPORTER_PROCESS_H

/* Descriptors of the process. */
#define EXPORTER_LISTEN_FD  3
#define EXPORTER_CONTROL_FD 4

/* What its exit status says. */
enum exporter_exit {
	EXPORTER_DONE,	  /* the daemon has closed the connection */
	EXPORTER_MISUSED, /* not started by a daemon */
	EXPORTER_RIGHTS,  /* could not give up its rights */
	EXPORTER_HTTP,	  /* the HTTP library did not start, or failed */
	EXPORTER_CONTROL, /* the daemon did not answer, or not as expected */
	EXPORTER_EXITS,
};

/* The same in words, for the log. */
const char *exporter_exit_reason(int status);

#endif
