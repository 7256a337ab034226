/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics' exporter: a process of its own that serves them over HTTP at `metrics.listen`.
 *
 *     xmcastd ── socketpair, control protocol, a client that may read ──▶ xmcast-exporter ◀── HTTP
 *
 * It parses what strangers send, so it has no rights: no capabilities, the user nobody if the
 * daemon is root, no descriptors but its two sockets, no way to get anything back (no_new_privs),
 * and a list of system calls of its own: it can open and connect to nothing (base/sandbox.h).
 * Whatever becomes of it, the relay goes on: the daemon starts it again, after 1 s, then 2 s, and
 * so on up to a minute. It never outlives the daemon.
 *
 * The launcher starts it (launcher.h), by executing our own program anew under the name
 * xmcast-exporter.
 */
#ifndef XMCAST_DAEMON_EXPORTER_H
#define XMCAST_DAEMON_EXPORTER_H

#include <stdbool.h>

#include "control/server.h"
#include "daemon/launcher.h"
#include "rules/config.h"

/* What argv[0] says if main() is to be exporter_main(). */
#define EXPORTER_NAME "xmcast-exporter"

/* And its only argument, if there is to be no list of system calls (`sandbox: off`). */
#define EXPORTER_NO_FILTER "--no-filter"

struct exporter;

/*
 * Listen, and start the process, which reads the counters as a client of `server`; server and
 * launcher must outlive the exporter. 0; -EADDRNOTAVAIL, after saying so in the log: the address
 * cannot be had; -errno.
 */
int exporter_open(struct exporter **out, const struct config *config, struct control_server *server,
		  struct launcher *launcher);

/* End the process, and wait for that. Takes NULL. */
void exporter_close(struct exporter *exporter);

/* Readable whenever exporter_run() has something to do. */
int exporter_fd(const struct exporter *exporter);

/* Start it again when its time has come. Does not block. */
void exporter_run(struct exporter *exporter);

/* The process itself: with the listening socket and the control protocol's as descriptors 3 and 4,
 * and with its list of system calls if `filter`. Returns its exit status when the daemon has gone.
 */
int exporter_main(bool filter);

#endif
