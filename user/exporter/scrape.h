/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the exporter reads from the daemon: one connection to the control socket for each text.
 *
 * Each has a connection of its own, so the exporter survives restarts of the daemon without any
 * state. Main thread; waits for the daemon. Needs the right to connect to the socket, and only
 * calls methods that readers may call.
 *
 * 0: *text is malloc()ed, the caller's, and *length bytes long. -errno: no daemon listens at the
 * path (-ENOENT, -ECONNREFUSED), it may not be connected to (-EACCES), it does not answer
 * (-ETIMEDOUT, -ECONNRESET), its answer is an error or none of the protocol (-EPROTO), a signal has
 * arrived (-EINTR), -ENOMEM. `signal_fd`: whatever is waited for, stop as soon as it is readable.
 */
#ifndef XMCAST_EXPORTER_SCRAPE_H
#define XMCAST_EXPORTER_SCRAPE_H

#include <stddef.h>
#include <stdint.h>

#include "telemetry/metrics.h"

/* How long one answer of the daemon may take: less than the default scrape_timeout of Prometheus,
 * which so gets the reason. */
#define SCRAPE_ANSWER_MS 5000

/* The metrics, with the number of clients that the exporter has closed, and those of the cluster
 * (cluster.h), whose socket is `cluster`. */
int scrape_metrics(const char *socket, const char *cluster, int signal_fd,
		   enum metrics_format format, uint64_t closed_clients, char **text,
		   size_t *length);

/* What `xmcastctl -j stats show` prints: the answer of stats.show with all rules. If rules change
 * all the time while it is read, one may be missing or be there twice. */
int scrape_stats(const char *socket, int signal_fd, char **text, size_t *length);

/* A line that says that the daemon relays. -EIO: it answers, but a worker is stuck. */
int scrape_ready(const char *socket, int signal_fd, char **text, size_t *length);

#endif
