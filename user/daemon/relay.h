/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay: all of a configuration at work. Composes links, steering, membership and workers into
 * ports (one per ingress interface), and rules into streams.
 *
 * What cannot run (an interface that does not exist, is down, has no XDP, too few resources) is
 * reported with its remedy and left `pending`; everything else runs. Main thread.
 */
#ifndef XMCAST_DAEMON_RELAY_H
#define XMCAST_DAEMON_RELAY_H

#include "rules/config.h"
#include "telemetry/stats.h"

struct relay;

/*
 * Start. The configuration must outlive the relay. 0; -EPERM, -EACCES: a right is missing;
 * -EBUSY: another xmcastd has one of the interfaces; -ENOMEM.
 */
int relay_open(struct relay **out, const struct config *config);

/*
 * Stop steering, relay what has arrived, end the workers, count every frame. 0; -EIO: a worker had
 * failed, or a frame is missing. The counters stay readable until relay_close().
 */
int relay_stop(struct relay *relay);
void relay_close(struct relay *relay); /* takes NULL */

/* Rules that relay, and those that wait. */
void relay_count(const struct relay *relay, unsigned int *active, unsigned int *pending);

/* Interfaces and workers in use. */
void relay_size(const struct relay *relay, unsigned int *interfaces, unsigned int *workers);

/* True if a worker's thread has ended on its own. */
bool relay_failed(const struct relay *relay);

/* Add the workers' notification descriptors to an epoll set; data.u64 is 0 for all of them. */
int relay_watch(const struct relay *relay, int epoll_fd);

/* Ask every worker for a sign of life. Number of workers that gave one, or -errno. */
int relay_ping(struct relay *relay);

/* Take the counters that rates are made from; call once a second. */
void relay_sample(struct relay *relay);

/* Look whether the interfaces still carry their rules; call once a second. */
void relay_check(struct relay *relay);

/* All counters now, or NULL without memory. The caller frees it before the relay is closed. */
struct stats *relay_stats(const struct relay *relay);

#endif
