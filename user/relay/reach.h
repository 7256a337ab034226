/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does what an output on the user path hands to the kernel leave this host? The kernel reports most
 * obstacles as the error of a send. This is about those that it does not report (withheld.h):
 *
 *     the interface has no carrier       its queueing discipline drops every packet
 *     the next hop does not answer       the kernel queues some packets, and drops them and all that
 *                                        follow; it resolves the next hop when it needs it
 *     no address to send from            the kernel sends with source 0.0.0.0, which receivers drop
 *
 * Packets to a next hop are withheld as long as the kernel has no MAC address of it, so it is
 * resolved before packets need it, and kept resolved. Whenever it is not certain that a packet
 * would be lost, packets are sent. Main thread; CAP_NET_ADMIN to resolve.
 */
#ifndef XMCAST_RELAY_REACH_H
#define XMCAST_RELAY_REACH_H

#include "dataplane/withheld.h"
#include "relay/redirects.h"

#define REACH_TEXT_SIZE 128

/* What is known about one output. Starts as all zero. */
struct reach {
	enum withheld withheld;
	char reason[REACH_TEXT_SIZE]; /* why, for people; empty: nothing is wrong yet */
	bool is_host;		      /* it sends to the MAC address of the neighbour `via` */
	bool resolved;
	bool unasked; /* the kernel could not be asked to resolve it: only packets can do that */
	bool failed;  /* it has not answered since it was last resolved */
	int ifindex;
	struct xmc_addr via;
	int device; /* index of the interface by which it sends; 0: none, or the one it names */
	uint64_t used_ns; /* when the kernel was last asked to keep it resolved */
};

/* Examine the output again. redirects_look() says how old the interfaces' state may be. */
void reach_update(struct reach *reach, struct redirects *redirects,
		  const struct rule_output *output);

/* Does this change of a neighbour concern it? Then call reach_update(). */
bool reach_concerns(const struct reach *reach, const struct neighbour *neighbour);

/* Keep its neighbour resolved: call it about once a second. True: call reach_update(), because
 * something may have changed without an announcement. */
bool reach_refresh(struct reach *reach, struct redirects *redirects, uint64_t now_ns);

#endif
