/* SPDX-License-Identifier: BSD-2-Clause */
/* An entry is a rule of the configuration and what became of it. Main thread. */
#ifndef XMCAST_DAEMON_ENTRY_H
#define XMCAST_DAEMON_ENTRY_H

#include "daemon/port.h"
#include "dataplane/stream.h"
#include "membership/membership.h"
#include "rules/config.h"
#include "telemetry/sampler.h"

struct entry {
	const struct rule *rule;
	struct port *port; /* NULL: disabled */
	/* NULL: disabled or pending. Kept, with its counters and sockets, while the port is away.
	 */
	struct stream *stream;
	char *reason;		     /* why it is pending, if that is its own and not its port's */
	const struct stream *before; /* of the entry that it replaces, while a transaction runs */
	bool joined;
	int joined_ifindex;

	/* What a transaction thinks of it. */
	bool fresh; /* made by it */
	bool kept;  /* there before, and after it */

	struct meter *meter; /* what its rates are made from */
};

/* An entry that does nothing yet. NULL: no memory. The rule must outlive it. */
struct entry *entry_new(const struct rule *rule);

/*
 * Open the outputs of an entry whose port is set and not failed, and join its group. 0, or -errno:
 * then `reason` tells (to a person) why, and neither is done. -ENODEV, -ENETDOWN and the like: the
 * network lacks something; others: the process does (descriptors, memory, a limit).
 */
int entry_open(struct entry *entry, const struct egress_config *egress,
	       struct membership *membership);

/*
 * Its port, which was away, is open again: join, with the stream that it has; if it has none, or
 * one for another number of queues, as entry_open(). 0 or -errno, as there.
 */
int entry_reopen(struct entry *entry, const struct egress_config *egress,
		 struct membership *membership);

/* Its port is going away: leave the group. */
void entry_leave(struct entry *entry, struct membership *membership);

/* Why it is pending, or NULL: it is at work, or disabled. Valid until something changes. */
const char *entry_trouble(const struct entry *entry);

/* It will not be at work: for its own reason, or its port's. Gives back what entry_open() got. */
void entry_close(struct entry *entry, struct membership *membership);

/* entry_close(), and free it. Takes NULL. */
void entry_free(struct entry *entry, struct membership *membership);

#endif
