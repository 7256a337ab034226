/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The querier's part of IGMPv3 and MLDv2 on one interface, for one family: which router asks who
 * wants what, and when this one has to ask.
 *
 *     asking      no router with a lower address has asked for a while: general queries, and
 *                 several queries of each group that was left (RFC 3376, section 6.6; RFC 3810,
 *                 section 7.6)
 *     listening   another router asks
 *
 * A querier begins asking, as the RFCs want it, so that receivers are known soon; its first query
 * is to be answered within a second. Queries without a source address (switches) are no part of
 * the election (RFC 4541, section 2.1.1).
 *
 * Pure: the time is an argument (CLOCK_MONOTONIC in ns), and queries are returned. Any thread.
 */
#ifndef XMCAST_MEMBERSHIP_QUERIER_H
#define XMCAST_MEMBERSHIP_QUERIER_H

#include "base/clock.h"
#include "membership/group_message.h"

/* Groups that are asked about at the same time. When more are left at once, all groups are asked as
 * well, with the same times. */
#define QUERIER_QUESTIONS 64

struct querier_rules {
	bool asks; /* otherwise it only listens */
	unsigned int robustness;
	uint64_t interval_ns; /* between general queries */
	uint64_t response_ns; /* for the answers to them */
	uint64_t last_member_ns;
};

struct question {
	struct xmc_addr group;
	unsigned int left;
	uint64_t due_ns;
};

struct querier {
	bool ipv4;
	struct xmc_addr own; /* all zero: none */
	/* The router that asks, and until when it counts as there; all zero: there is none. */
	struct xmc_addr other;
	uint64_t other_until_ns;
	uint64_t other_member_ns; /* how long reports hold, by its word; 0: it does not say */
	unsigned int starting;	  /* queries that follow each other sooner */
	uint64_t due_ns;	  /* of the next general query */
	unsigned int nr_questions;
	struct question questions[QUERIER_QUESTIONS];
	struct question everything; /* all groups, in a hurry */
	uint64_t sent;		    /* queries */
};

void querier_start(struct querier *querier, bool ipv4, const struct querier_rules *rules,
		   uint64_t now_ns);

/* Its address on the interface; all zero: none. Without one it asks for IPv4 alone. */
void querier_set_own(struct querier *querier, const struct xmc_addr *own);

/* Does it ask now? */
bool querier_is_asking(const struct querier *querier, const struct querier_rules *rules,
		       uint64_t now_ns);

/* Another router has asked. True: it asks from now on, and did not before. */
bool querier_heard(struct querier *querier, const struct querier_rules *rules,
		   const struct group_message *query, uint64_t now_ns);

/* When it ends what hosts want of the group, or of the sources of it, that the other router asks
 * about, unless they report it again; 0: the query ends nothing, as it is not the elected
 * querier's. Never sooner than the last member query time of the rules. Call querier_heard()
 * before. */
uint64_t querier_ends_ns(const struct querier *querier, const struct querier_rules *rules,
			 const struct group_message *query, uint64_t now_ns);

/* A group was left: ask about it. Does nothing if another router asks. */
void querier_ask(struct querier *querier, const struct querier_rules *rules,
		 const struct xmc_addr *group, uint64_t now_ns);

/* When querier_next() is due. */
uint64_t querier_due_ns(const struct querier *querier, const struct querier_rules *rules);

/* A query that is to be sent. */
struct group_query {
	struct xmc_addr source;
	struct xmc_addr group; /* all zero: of all groups */
	bool ipv4;
	uint64_t response_ns;
	unsigned int robustness;
	uint64_t interval_ns;
};

/* The next query that is due. False: none is now. */
bool querier_next(struct querier *querier, const struct querier_rules *rules, uint64_t now_ns,
		  struct group_query *query);

/* Write the packet, from its IP header on, and to which group it is sent. Returns its length; 0: a
 * query of MLD without a source, which nobody would accept. */
#define GROUP_QUERY_SIZE 76
size_t group_query_write(const struct group_query *query, uint8_t packet[GROUP_QUERY_SIZE],
			 struct xmc_addr *to);

#endif
