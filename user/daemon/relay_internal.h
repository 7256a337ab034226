/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the relay share: relay.c (life), transaction.c (changes), relay_stats.c
 * (counters). Main thread. */
#ifndef XMCAST_DAEMON_RELAY_INTERNAL_H
#define XMCAST_DAEMON_RELAY_INTERNAL_H

#include "daemon/entry.h"
#include "daemon/port.h"
#include "daemon/relay.h"
#include "membership/membership.h"

struct relay {
	struct config config;	/* what runs; its rules are those of the entries */
	struct entry **entries; /* one per rule, in the same order */
	unsigned int nr_ports;
	struct port **ports;
	unsigned int next_port; /* where the next turn of those that are opened again begins */
	struct membership *membership;
	uint64_t generation;	     /* grows by one with every change of the configuration */
	struct stats_totals retired; /* what was counted by what is no more */
	struct follow *follow;	     /* NULL while it starts */
	bool broken;		     /* a port could not be ended in order: a worker had failed */
	int epoll_fd;		     /* that the workers are to be watched by, or -1 */
	const struct events *events; /* who is told what happens */
	uint64_t started_ns;
};

/* Is there a rule that waits for something else than its port? Try these again. 0, or -EIO: the
 * relay must end; other errors leave all as it was. */
bool relay_has_waiting(const struct relay *relay);
int relay_retry_rules(struct relay *relay);

/* Watch the workers of a port, if relay_watch() has been called. 0 or -errno. */
int relay_watch_port(const struct relay *relay, const struct port *port);

/* Keep the counters of what is about to go. Its threads do not count any more. */
void relay_retire_entry(struct relay *relay, const struct entry *entry);
void relay_retire_stream(struct relay *relay, const struct stream *stream);
void relay_retire_port(struct relay *relay, const struct port *port);

#endif
