/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the relay share: relay.c (life), plan.c (changes), books.c (counters). Main
 * thread. */
#ifndef XMCAST_RELAY_RELAY_INTERNAL_H
#define XMCAST_RELAY_RELAY_INTERNAL_H

#include "relay/books.h"
#include "relay/route.h"
#include "relay/intake.h"
#include "relay/relay.h"
#include "membership/membership.h"

struct relay {
	struct config config;  /* what runs; its rules are those of the routes */
	struct route **routes; /* one per rule, in the same order */
	unsigned int nr_intakes;
	struct intake **intakes;
	unsigned int next_intake; /* where the next turn of those that are opened again begins */
	struct membership *membership;
	uint64_t generation;	     /* grows by one with every change of the configuration */
	struct total_counts retired; /* counted by what is gone */
	uint64_t next_id;	     /* of the next route */
	struct follow *follow;	     /* NULL while it starts */
	bool broken;  /* an intake could not be ended in order: a worker had failed */
	int epoll_fd; /* that the workers are to be watched by, or -1 */
	uint64_t started_ns;
};

/* Is there a rule that waits for something else than its intake? Try these again. 0, or -EIO: the
 * relay must end; other errors leave all as it was. */
bool relay_has_waiting(const struct relay *relay);
int relay_retry_rules(struct relay *relay);

/* Watch the workers of an intake, if relay_watch() has been called. 0 or -errno. */
int relay_watch_port(const struct relay *relay, const struct intake *intake);

/* Keep the counters of an intake that is about to be closed. Its threads have ended. */
void relay_retire_intake(struct relay *relay, const struct intake *intake);

#endif
