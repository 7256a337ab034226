/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the exporter reads from xmcast-cluster, if one runs on this host: its answer to
 * cluster.status, by a connection of its own each time, as a reader (docs/control-protocol.md).
 *
 * Main thread; waits for the answer, but no longer than CLUSTER_ANSWER_MS for each page.
 */
#ifndef XMCAST_EXPORTER_CLUSTER_H
#define XMCAST_EXPORTER_CLUSTER_H

#include <jansson.h>
#include <stddef.h>

/* It answers in microseconds, or is stuck: a scrape of the daemon does not wait longer for it. */
#define CLUSTER_ANSWER_MS 500

/* Shards of the answer; of all others there are only the counts. */
#define CLUSTER_SHARDS_SHOWN 500

/*
 * The answer, with "up": true, at most CLUSTER_SHARDS_SHOWN of its "shards", and the counts of all
 * of them: "leases": [{"lease", "shards", "held", "moving", "free", "own"}…]. {"up": false}: it
 * does not answer. {}: nobody has opened the socket. NULL: no memory. The caller's reference.
 */
json_t *cluster_read(const char *socket, int signal_fd);

/* The same as text, which is the caller's. 0 or -ENOMEM. */
int cluster_text(const char *socket, int signal_fd, char **text, size_t *length);

#endif
