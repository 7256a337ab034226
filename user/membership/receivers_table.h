/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of receivers.c: groups, their members, and the hosts that these are. What reports and
 * queries do with it is there. Main thread.
 */
#ifndef XMCAST_MEMBERSHIP_RECEIVERS_TABLE_H
#define XMCAST_MEMBERSHIP_RECEIVERS_TABLE_H

#include "base/clock.h"
#include "membership/host_filter.h"
#include "membership/receiver_host.h"

/* One host, in all groups. It comes first, for compare_members(). */
struct reporter {
	struct receiver_host host;
	unsigned int nr_members;
	uint64_t wants; /* groups and sources */
};

/* One host in one group. The host comes first, for compare_members(). */
struct member {
	struct receiver_host host;
	struct reporter *reporter;
	struct member *next, *before;
	struct member *next_naming, *before_naming; /* if it names sources */
	unsigned int version;
	uint64_t since_ns, seen_ns;
	struct host_filter filter;
	unsigned int counted; /* sources of it in nr_sources */
	bool excludes;	      /* it is one of the group's nr_excluding */
};

struct key {
	struct xmc_addr group;
	int ifindex;
};

/* A group on one interface. The key comes first, for compare_groups(). */
struct group {
	struct key key;
	struct group *next, *before;
	void *tree; /* tsearch(3), of struct member */
	unsigned int nr_members;
	/* Members that want all sources but some, and that name sources: a group can have hundreds
	 * of thousands of members, so that these are not looked for one by one. */
	unsigned int nr_excluding;
	struct member *naming;
	struct member *members;
	uint64_t due_ns; /* nothing ends before */
	/* Hosts of these versions of IGMP have reported: others may suppress their reports. */
	uint64_t v1_until_ns, v2_until_ns;
	uint64_t leaving_until_ns; /* those that suppress reports have to answer until then */
};

struct receivers {
	void *tree;	 /* of struct group */
	void *reporters; /* of struct reporter */
	struct group *groups;
	unsigned int nr_groups, nr_members;
	uint64_t nr_sources; /* of all members */
	uint64_t due_ns;
	uint64_t changes;
};

/* NULL: there is none. */
struct group *table_group(const struct receivers *receivers, int ifindex,
			  const struct xmc_addr *group);
struct member *table_member(const struct group *group, const struct receiver_host *host);
struct reporter *table_reporter(const struct receivers *receivers,
				const struct receiver_host *host);

/* A new one. NULL: no memory. A group without members is to be removed. */
struct group *table_add_group(struct receivers *receivers, int ifindex,
			      const struct xmc_addr *address);
struct member *table_add_member(struct receivers *receivers, struct group *group,
				const struct receiver_host *host, uint64_t now_ns);
void table_remove_group(struct receivers *receivers, struct group *group);

/* Remove what has ended in a group, and note when the next will. The group may be freed. */
void table_tidy_group(struct receivers *receivers, struct group *group, uint64_t now_ns);

/* The same if only this member has changed: a group may have thousands. */
void table_settle(struct receivers *receivers, struct group *group, struct member *member,
		  uint64_t now_ns);

#endif
