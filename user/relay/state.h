/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs, as plain data: relay.c owns it, plan.c and follow.c change it, books.c reads it. Main
 * thread. */
#ifndef XMCAST_RELAY_STATE_H
#define XMCAST_RELAY_STATE_H

#include "relay/offloads.h"
#include "relay/output_devices.h"
#include "relay/route.h"

struct branches;
struct demand;
struct follow;
struct icmp;
struct inheritance;
struct double_source;
struct leases;

struct relay {
	struct config config;	  /* what runs; its rules are those of the routes */
	struct config asked;	  /* the same without branches; borrows all of it */
	unsigned int nr_branches; /* the last rules: made by the relay (branches.h) */
	/* One for each rule, in the same order; behind them those of further sides of rules with
	 * several inputs, which are no rules of their own. */
	struct route **routes;
	unsigned int nr_routes;
	unsigned int nr_arrivals;
	struct arrival **arrivals; /* one for each interface name in the rules' inputs */
	unsigned int nr_intakes;
	struct intake **intakes; /* one for each interface that these names mean */
	struct membership *membership;
	struct redirects *redirects;
	struct demand *demand;
	struct branches *branches;
	struct icmp *icmp;
	uint64_t icmp_reports; /* that were read */
	struct output_devices devices;
	struct offloads *offloads;
	struct leases *leases;
	struct double_source *double_source; /* NULL until the first look */
	bool cuts;			     /* a stream may have one (dataplane/cut.h) */
	struct total_counts retired; /* counters of intakes that were closed, and what kernel paths
					had sent when they were last read */
	uint64_t generation;	     /* grows by one with every change of the configuration */
	uint64_t next_id;	     /* of the next route */
	uint64_t started_ns;
	uint64_t changes;   /* of what a successor needs to know: plans, intakes given up, inputs
			       selected */
	bool frozen;	    /* offered to a successor: nothing changes (hand_over.h) */
	uint64_t paused_ns; /* since when no thread runs; 0: they run */
	struct inheritance
		*inheritance;	 /* what a predecessor has left, until relay_settle(); borrowed */
	bool broken;		 /* a worker has failed in a change or while it was stopped:
				    relay_run() returns -EIO */
	struct capture *capture; /* borrowed; NULL: none */
	int epoll_fd;		 /* readable when relay_run() has something to do */
	struct follow *follow;	 /* NULL while the relay starts */
};

/* The configuration has changed. */
static inline void relay_note_config(struct relay *relay)
{
	relay->asked = relay->config;
	relay->asked.nr_rules -= relay->nr_branches;
}

#endif
