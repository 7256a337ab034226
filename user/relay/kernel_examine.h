/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Can the kernel path carry a rule now, and with which headers do its packets leave? Asks the
 * kernel about routes, neighbours and devices; changes nothing, except that unresolved neighbours
 * are resolved and the outputs' sockets get their ports. Main thread. CAP_NET_ADMIN to resolve
 * neighbours.
 */
#ifndef XMCAST_RELAY_KERNEL_EXAMINE_H
#define XMCAST_RELAY_KERNEL_EXAMINE_H

#include "dataplane/stream.h"
#include "links/next_hop.h"
#include "relay/demand.h"
#include "relay/redirects.h"
#include "steering/forward.h"
#include "steering/steer.h"

/* Room for what is in the way. */
#define FINDING_TEXT_SIZE 128

/* What kernel paths need to know of an intake: a part of it. */
struct kernel_side {
	struct redirects *redirects; /* of the relay */
	struct total_counts *totals; /* of the relay, see intake_new() */
	struct leases *leases;	     /* of the relay */
	const struct demand *demand; /* of the relay */
	struct steer *steer;	     /* NULL: the intake is not open */
	int ifindex;
	unsigned int mtu;
	bool skb;      /* its XDP program runs in skb mode */
	bool external; /* an administrator attached it */
};

/* What was found about one output. */
struct finding {
	struct forward_output out;	/* ifindex 0: something is in the way */
	char reason[FINDING_TEXT_SIZE]; /* what is in the way; empty: nothing */
	bool lasting; /* that concerns the kernel path only, and needs a change to go away */
	int error;    /* the errno of the packets that do not leave */
	enum withheld withheld; /* instead of `error`: that they are withheld, for this reason */
	bool is_host;		/* it sends to the MAC address of the neighbour hop.via */
	bool resolved;		/* that is known */
	struct next_hop hop;
};

/* What is in the way of all outputs, and lasting; constant text. NULL: nothing. `tags`: VLAN tags
 * of the rule's packets. */
const char *kernel_examine_rule(const struct kernel_side *side, const struct rule *rule,
				uint32_t tags);

/*
 * Examine all outputs of a rule; `stream` is its user path, NULL for another IP protocol than UDP.
 * Returns the first lasting thing that is in the way, or the first at all, as text in *findings;
 * NULL: nothing is in the way. *lasting: something lasting is.
 */
const char *kernel_examine_outputs(const struct kernel_side *side, const struct rule *rule,
				   const struct stream *stream, struct finding *findings,
				   bool *lasting);

#endif
