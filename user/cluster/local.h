/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection to the local daemon: which leases its rules name (lease.list, once a second), and
 * the deadlines of our shards (lease.set, every LOCAL_SET_NS and whenever one has changed). It
 * reads from and reports to the protocol.
 *
 * The first request of a connection, lease.set with "sole" and no lease, shows that we have the
 * right and that no other agent serves this daemon, by whatever path. That holds as long as the
 * connection does, so requests of handover.h need not say it again.
 *
 * One request at a time. A deadline is never later than the daemon's time to answer after it was
 * sent, so a daemon that has not answered in that time has muted itself, whatever it still reads
 * later.
 *
 * One thread; nothing blocks. Needs the rights of an administrator of the daemon.
 */
#ifndef XMCAST_CLUSTER_LOCAL_H
#define XMCAST_CLUSTER_LOCAL_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/config.h"
#include "cluster/protocol.h"

/* How often deadlines are set. */
#define LOCAL_SET_NS 50000000ULL

struct local;

/* Begins to connect with local_run(). The arguments must outlive it. NULL: no memory. */
struct local *local_new(const char *path, const struct cluster_config *config,
			struct protocol *protocol);
void local_free(struct local *local); /* accepts NULL */

/* What to wait for: false, nothing. */
bool local_wait(const struct local *local, struct curl_waitfd *fd);

/* Do what can be done without waiting. */
void local_run(struct local *local, uint64_t now);

/* When local_run() has something to do at the latest. */
uint64_t local_next(const struct local *local);

/* A deadline has changed: set it at once. */
void local_hurry(struct local *local);

/* Another agent sets the deadlines of the daemon, and has since before we connected first. */
bool local_taken(const struct local *local);

/* Whether the daemon answers; if not, why. */
bool local_answers(const struct local *local, const char **reason);

#endif
