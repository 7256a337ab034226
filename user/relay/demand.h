/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Demand: which outputs with `when joined` are wanted. It listens on their interfaces
 * (membership/group_socket.h), keeps what receivers report (membership/receivers.h), and answers
 * whenever a path asks. Where it cannot listen, everything is wanted.
 *
 * Main thread. Rights as for group_socket_open().
 */
#ifndef XMCAST_RELAY_DEMAND_H
#define XMCAST_RELAY_DEMAND_H

#include "membership/group_set.h"
#include "membership/group_socket.h"
#include "membership/prefix_room.h"
#include "membership/querier.h"
#include "membership/receivers.h"
#include "rules/config.h"

struct demand;
struct netlink;

/* Descriptors are added to the epoll set: call demand_run() when one is readable. `netlink`: for
 * addresses; borrowed. 0 or -errno. */
int demand_open(struct demand **out, int epoll_fd, struct netlink *netlink);
void demand_close(struct demand *demand); /* accepts NULL */

/* The settings, from now on. */
void demand_configure(struct demand *demand, const struct demand_config *config);

/* Listen on these interfaces from now on: name all of them between begin and end. `ifindex` 0: it
 * does not exist. `section`: what the configuration says about it; NULL: nothing. */
void demand_begin(struct demand *demand);
void demand_use(struct demand *demand, const char *name, int ifindex,
		const struct iface_config *section);
/* An output sends this group there: it is known even above `max_groups`. Also between them. */
void demand_use_group(struct demand *demand, int ifindex, const struct xmc_addr *group);
void demand_end(struct demand *demand);

/* New groups that prefixes may still have relayed: as many are known even above `max_groups`, so
 * that reports of other groups do not keep them out. */
struct prefix_rooms *demand_rooms(struct demand *demand);

/* Take what receivers have reported, for a bounded time. True: what is wanted may have changed
 * since the last call. */
bool demand_run(struct demand *demand);

/* When demand_run() is due although nothing has arrived. */
uint64_t demand_next_ns(const struct demand *demand);

/* The index of an interface that outputs name; 0: it does not exist. */
int demand_ifindex(const struct demand *demand, const char *name);

/* Is the output wanted now? Always, if it is without `when joined`. NULL: nothing is known, and
 * everything is wanted. */
bool demand_wants(const struct demand *demand, const struct rule *rule,
		  const struct rule_output *output);

/* ---- for people ---- */

/* What is known of an interface: valid until the next demand_run(). */
struct demand_counts {
	char name[IF_NAMESIZE];
	int ifindex;
	struct group_socket_counts messages;
	struct xmc_addr querier[2]; /* of IPv4 and IPv6: another one that asks; all zero: none */
	bool asking[2];		    /* this host does */
	uint64_t queries;	    /* that were sent */
	uint64_t refused;	    /* reports above a limit */
};

/* *list is freed by the caller. Their number, or -ENOMEM. Behind them is one more, with the sums of
 * interfaces that are not listened to any more. */
int demand_read_counts(const struct demand *demand, struct demand_counts **list);

/* Its table, for reading. */
const struct receivers *demand_receivers(const struct demand *demand);

/* ---- from one process to the next ---- */

/* Somebody wanted this group, or this source of it (all zero: any), when the predecessor ended: it
 * is wanted until the receivers have had time to answer the first query; where another router asks,
 * until its next queries are answered. Call demand_configure() before. */
void demand_assume(struct demand *demand, int ifindex, const struct xmc_addr *group,
		   const struct xmc_addr *source);

#endif
