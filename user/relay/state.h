/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs, as plain data: what books.c reads, plan.c changes, and relay.c owns. Main thread. */
#ifndef XMCAST_RELAY_STATE_H
#define XMCAST_RELAY_STATE_H

#include "relay/route.h"

struct follow;

struct relay {
	struct config config;  /* what runs; its rules are those of the routes */
	struct route **routes; /* one for each rule, in the same order */
	unsigned int nr_arrivals;
	struct arrival **arrivals; /* one for each name of an interface that rules take in by */
	unsigned int nr_intakes;
	struct intake **intakes; /* one for each such interface */
	struct membership *membership;
	struct total_counts retired; /* counted by what is gone */
	uint64_t generation;	     /* grows by one with every change of the configuration */
	uint64_t next_id;	     /* of the next route */
	uint64_t started_ns;
	bool broken;	       /* a worker has failed in a change or while it was stopped */
	int epoll_fd;	       /* of everything that relay_run() is called for */
	struct follow *follow; /* NULL while the relay starts */
};

#endif
