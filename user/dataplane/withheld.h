/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why datagrams of an output are withheld: nobody wants them, or the kernel would accept them,
 * report success, and drop them afterwards, so they are not handed to it. The main thread finds out
 * (relay/reach.h), the egress threads count. Of single packets the egress threads find out
 * (send_request.h).
 */
#ifndef XMCAST_DATAPLANE_WITHHELD_H
#define XMCAST_DATAPLANE_WITHHELD_H

enum withheld {
	WITHHELD_NOTHING,	/* they are sent */
	WITHHELD_NO_CARRIER,	/* the output interface is up, but has no carrier */
	WITHHELD_UNREACHABLE,	/* the next hop does not answer ARP or neighbour discovery */
	WITHHELD_NO_SOURCE,	/* no address to send from: of this host, or of the packet */
	WITHHELD_TTL_EXPIRED,	/* the TTL that the packet would have is 0 */
	WITHHELD_STANDBY,	/* the rule's lease is not held (xmcast/abi.h) */
	WITHHELD_NOT_JOINED,	/* no receiver has joined, and the output says `when joined` */
	WITHHELD_INACTIVE_SIDE, /* another input of the rule is selected (selection.h) */
	WITHHELD_SIDE_CHANGE,	/* its input has been selected just now, and datagrams of the input
				   before are still being sent */
	/* Of a rule that merges its inputs (merge.h): */
	WITHHELD_DUPLICATE,  /* it has left already, from this or another side */
	WITHHELD_LATE,	     /* it was given up before it arrived, or is too old to know */
	WITHHELD_FOREIGN,    /* of another sender, which did not take over */
	WITHHELD_NO_NUMBER,  /* it has no number that can be read */
	WITHHELD_MERGE_FULL, /* too many were waiting to be merged */
	WITHHELD_REASONS,
};

/* Their names in the object `drops`; a contract. */
#define WITHHELD_NAMES                                                                             \
	{                                                                                          \
		"", "no_carrier", "unreachable", "no_source", "ttl_expired", "standby",            \
			"not_joined", "inactive_side", "side_change", "duplicate", "late",         \
			"foreign", "no_number", "merge_full"                                       \
	}

#endif
