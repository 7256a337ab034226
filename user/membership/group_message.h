/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing what hosts and routers of a link say about multicast groups: IGMPv1, IGMPv2, IGMPv3,
 * MLDv1 and MLDv2. Bytes in, structs out; no I/O, no state, no allocation. Any host of the link can
 * send any such message. Any thread.
 *
 * All versions are brought into one form: a message is a query, or a list of records of RFC 3376,
 * section 4.2.12. A report of IGMPv1, IGMPv2 and MLDv1 is a record that excludes no source; a leave
 * is one that changes to include none.
 *
 * Source: RFC 1112, RFC 2236, RFC 3376; RFC 2710, RFC 3810; router alert: RFC 2113, RFC 2711.
 */
#ifndef XMCAST_MEMBERSHIP_GROUP_MESSAGE_H
#define XMCAST_MEMBERSHIP_GROUP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* Of a host about one group; the values are those on the wire. */
enum group_record_kind {
	RECORD_IS_INCLUDE = 1, /* it wants these sources alone, as an answer to a query */
	RECORD_IS_EXCLUDE,     /* it wants all but these, as an answer to a query */
	RECORD_TO_INCLUDE,     /* the same two, because that has changed */
	RECORD_TO_EXCLUDE,
	RECORD_ALLOW, /* it wants these as well from now on */
	RECORD_BLOCK, /* it does not want these any more */
};

/* Addresses as they are on the wire, in the message. */
struct group_sources {
	const uint8_t *bytes;
	unsigned int count;
	bool ipv4;
};

/* The i-th of them. */
struct xmc_addr group_source(const struct group_sources *sources, unsigned int i);

struct group_record {
	enum group_record_kind kind;
	struct xmc_addr group;
	struct group_sources sources;
};

struct group_message {
	bool ipv4;
	unsigned int version; /* of IGMP or MLD */
	bool query;	      /* otherwise it consists of records */
	/* Of its sender. IPv4: 0.0.0.0 if it has no address, as a proxy of a switch. */
	struct xmc_addr source;
	/* Of a query. */
	struct xmc_addr group;	    /* all zero: of all groups */
	struct group_sources asked; /* about these sources of the group; none: about all */
	unsigned int response_ms;   /* within which hosts answer */
	bool suppressed;	    /* other routers shall not shorten their timers for it */
	unsigned int robustness;    /* of the querier; 0: it does not say */
	unsigned int interval;	    /* in seconds, of the querier; 0: it does not say */
	/* Records that group_message_next() has not returned yet. */
	unsigned int left;
	const uint8_t *next, *end;
};

/* What is wrong with a message. */
enum group_defect {
	GROUP_MESSAGE_OK,
	GROUP_MESSAGE_OTHER,	 /* nothing: it is none of these messages */
	GROUP_MESSAGE_MALFORMED, /* truncated, or contradictory */
	GROUP_MESSAGE_CHECKSUM,
	GROUP_MESSAGE_FORWARDED, /* not between the hosts of a link: its TTL is not 1, its source is
				    not link-local (IPv6), or it was sent to one host or, as a
				    query, to another group, so that receivers do not hear it. An
				    IPv4 packet that passes may still come from elsewhere, with a
				    TTL that was 1 on arrival. */
	GROUP_DEFECTS,
};

/* Their names, a contract. */
#define GROUP_DEFECT_NAMES                                                                         \
	{                                                                                          \
		"", "other", "malformed", "checksum", "forwarded"                                  \
	}

/* Parse a packet from its IP header on. *message points into it. All records have been checked. */
enum group_defect group_message_parse(const void *packet, size_t length,
				      struct group_message *message);

/* The next record, of a kind that exists and about a multicast group. False: there is none. */
bool group_message_next(struct group_message *message, struct group_record *record);

#endif
