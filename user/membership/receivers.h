/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who wants which group on which interface, by what the hosts report: the router's part of
 * RFC 3376, section 6, and RFC 3810, section 7, with the state kept for each host by itself.
 *
 *     interface × group ── host ── wants all sources but some until …
 *                       │      └── wants this source until …
 *                       └─ host …
 *
 * A group is wanted as long as one host wants something of it. What a host reports holds for the
 * membership interval. If it leaves, what it wanted ends after the last member query time, within
 * which others that want the same answer a query; where another router asks, that begins with its
 * query; of hosts that suppress reports (IGMPv1, IGMPv2,
 * MLDv1) others may be there that have never been heard.
 *
 * Pure: the time is an argument (CLOCK_MONOTONIC in ns). Memory is bounded by limits, which any
 * host of a link can reach: what is above them is not wanted. Main thread.
 */
#ifndef XMCAST_MEMBERSHIP_RECEIVERS_H
#define XMCAST_MEMBERSHIP_RECEIVERS_H

#include "base/clock.h"
#include "membership/group_message.h"
#include "membership/host_filter.h"
#include "membership/receiver_host.h"

struct receivers;

#define RECEIVERS_PER_MEMBER 4

/* One host has up to this many times as much of something limited as is left for others: three
 * quarters. */
#define RECEIVERS_SHARE 3

/* How a leave ends what the host wanted. */
enum receivers_leave {
	LEAVE_QUERIED, /* after the last member query time */
	LEAVE_TRACKED, /* at once, if no host of the group suppresses reports; otherwise as above */
	LEAVE_FAST,    /* at once, also for hosts that suppress reports */
};

struct receivers_rules {
	unsigned int most_groups; /* pairs of interface and group */
	/* Triples of interface, group and host; besides the first host of each group. Sources that
	 * hosts name count as well, RECEIVERS_PER_MEMBER as one: they take as much memory. */
	unsigned int most_members;
	uint64_t membership_ns;	 /* how long a report holds */
	uint64_t last_member_ns; /* the last member query time */
	enum receivers_leave leave;
	bool asked; /* a querier asks when somebody has left */
	/* It is another router: a leave ends nothing before its query (RFC 3376, section 6.6.1),
	 * which may not come, because it has not heard the leave. Unless a leave ends it at once.
	 */
	bool waits;
};

/* 0 or -ENOMEM. */
int receivers_new(struct receivers **out);
void receivers_free(struct receivers *receivers); /* accepts NULL */

enum receivers_result {
	RECEIVERS_DONE,
	RECEIVERS_ASK,	      /* somebody has left: ask whether others want the group */
	RECEIVERS_FULL,	      /* a limit: the host is not counted */
	RECEIVERS_OVER_SHARE, /* the same: it has its share of all groups */
};

/* `version`: of IGMP; that of MLD is one less. */
enum receivers_result receivers_report(struct receivers *receivers,
				       const struct receivers_rules *rules, int ifindex,
				       const struct receiver_host *host, unsigned int version,
				       const struct group_record *record, uint64_t now_ns);

/* A querier asks who wants the group, or these sources of it: who does not answer does not. */
void receivers_asked(struct receivers *receivers, int ifindex, const struct xmc_addr *address,
		     const struct group_sources *sources, uint64_t until_ns, uint64_t now_ns);

/* Forget all of an interface. */
void receivers_forget(struct receivers *receivers, int ifindex);

/* When something ends; UINT64_MAX: nothing does. Then call receivers_expire(). */
uint64_t receivers_next_ns(const struct receivers *receivers);
void receivers_expire(struct receivers *receivers, uint64_t now_ns);

/* A number that grows whenever what is wanted may have changed. */
uint64_t receivers_changes(const struct receivers *receivers);

/* Does anybody want the group on this interface: what the source sends, or anything (NULL)? */
bool receivers_want(const struct receivers *receivers, int ifindex, const struct xmc_addr *group,
		    const struct xmc_addr *source, uint64_t now_ns);

/* Does a host want it that reports less than `most` groups and sources in all? */
bool receivers_want_of_few(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *group, const struct xmc_addr *source,
			   uint64_t most, uint64_t now_ns);

/* Does anybody want all sources of the group but some, as of the last receivers_expire()? */
bool receivers_want_others(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *group);

/* Sources that receivers of one group name. */
#define RECEIVERS_SOURCES 32

struct receivers_sources {
	bool others; /* somebody wants all but some */
	bool more;   /* than there is room for */
	unsigned int count;
	struct xmc_addr list[RECEIVERS_SOURCES];
};

/* Add those of the group on this interface; *sources starts all zero. */
void receivers_add_sources(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *group, uint64_t now_ns,
			   struct receivers_sources *sources);

/* Each source of the group that a member names: once for each of these members. */
typedef void receivers_source_visitor(void *context, const struct xmc_addr *source);
void receivers_visit_named(const struct receivers *receivers, int ifindex,
			   const struct xmc_addr *group, receivers_source_visitor *visitor,
			   void *context, uint64_t now_ns);

unsigned int receivers_groups(const struct receivers *receivers);
unsigned int receivers_members(const struct receivers *receivers);

/* What one host wants of a group. */
struct receiver {
	int ifindex;
	struct xmc_addr group;
	struct receiver_host host;
	unsigned int version; /* of IGMP, as above, in its last report */
	uint64_t since_ns;    /* its first report */
	uint64_t seen_ns;     /* its last one */
	uint64_t until_ns;    /* when the last of what it wants ends, without another report */
	bool excludes;	      /* it wants all sources but these; otherwise these alone */
	unsigned int nr_sources;
	struct xmc_addr sources[HOST_FILTER_SOURCES];
};

typedef void receivers_visitor(void *context, const struct receiver *receiver);

/* Call `visitor` for up to `most` of them from the `first` on, in an order that stays the same
 * while nothing changes. */
void receivers_visit(const struct receivers *receivers, size_t first, size_t most,
		     receivers_visitor *visitor, void *context, uint64_t now_ns);

/* Each group that somebody wants. */
typedef void receivers_group_visitor(void *context, int ifindex, const struct xmc_addr *group);
void receivers_visit_groups(const struct receivers *receivers, receivers_group_visitor *visitor,
			    void *context);

#endif
