/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass examines the paths of all rules again, after something in the network has changed, or
 * keeps the neighbours resolved to which they send. It is done in turns: the first one in the look
 * that has noticed the change, the others every ROUND_TURN_NS. Changes of neighbours are followed
 * at once, but only for a while: a host on the network can make any number of them. A part of
 * follow.c. Main thread.
 */
#ifndef XMCAST_RELAY_PASSES_H
#define XMCAST_RELAY_PASSES_H

#include "links/watch.h"
#include "relay/schedule.h"
#include "relay/state.h"

/* The first three members are set by follow_open(), the others start as all zero. */
struct passes {
	const struct relay *relay;
	struct schedule *schedule;
	struct link_watch *watch; /* NULL: there is none */

	bool has_kernel;	/* some rules have a kernel path */
	bool has_hosts;		/* some send to hosts */
	bool has_from;		/* some outputs send from an address that may come and go */
	bool has_unnamed;	/* some outputs name no interface: any may concern them */
	bool neighbours_unseen; /* changes of their neighbours are not announced */
	unsigned int next_path; /* where the pass continues */
	bool full;		/* it examines all paths; otherwise it keeps neighbours resolved */
	bool again;		/* something has changed since it began */
	uint64_t updates_until_ns; /* changes of neighbours are followed at once until then */
	uint64_t devices_ns;	   /* when devices and neighbours were last checked */
	uint64_t neighbours_ns;
	uint64_t tidied_ns, tidied_any_ns;
};

/* The rules have changed: which changes of the network concern them? */
void passes_prepare(struct passes *passes);

/* Something has changed: examine all paths. */
void passes_expect(struct passes *passes);

/* Announcements are about to be read. */
void passes_begin_turn(struct passes *passes);

/* A neighbour was resolved, or is not any more, or has another MAC address. */
void passes_on_neighbour(struct passes *passes, const struct neighbour *neighbour);

/* A look: check what nobody announces, and do the first turn of a pass. */
void passes_look(struct passes *passes, uint64_t now_ns);

/* Do the next turn of a pass. */
void passes_turn(struct passes *passes);

#endif
