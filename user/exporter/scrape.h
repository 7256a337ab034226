/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One scrape: connect to the daemon's control socket, read version and counters, make the text.
 *
 * Each scrape has a connection of its own, so the exporter survives restarts of the daemon without
 * any state, and holds none of the daemon's client slots in between. Main thread; waits for the
 * daemon. Needs the right to connect to the socket, and only calls methods that readers may call.
 */
#ifndef XMCAST_EXPORTER_SCRAPE_H
#define XMCAST_EXPORTER_SCRAPE_H

#include <stddef.h>

#include "telemetry/metrics.h"

/* How long one answer of the daemon may take: less than the default scrape_timeout of Prometheus,
 * which so gets the reason. */
#define SCRAPE_ANSWER_MS 5000

/*
 * 0: *text is malloc()ed, the caller's, and *length bytes long. -errno: no daemon listens at the
 * path (-ENOENT, -ECONNREFUSED), it may not be connected to (-EACCES), it does not answer
 * (-ETIMEDOUT, -ECONNRESET), its answer is an error or none of the protocol (-EPROTO), a signal has
 * arrived (-EINTR), -ENOMEM. `signal_fd`: whatever is waited for, stop as soon as it is readable.
 */
int scrape(const char *socket, int signal_fd, enum metrics_format format, char **text,
	   size_t *length);

#endif
