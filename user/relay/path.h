/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path carries the packets of one rule from its intake to its outputs:
 *
 *     stream       the user path (dataplane/stream.h): the workers of the intake send
 *     kernel path  on top of it, if the rule asks for it (kernel_path.h): the XDP program sends
 *
 * A rule on the kernel path keeps its stream in the ruleset of the workers. Its sockets reserve the
 * UDP source ports, which are the same on both paths; packets that are in an RX ring when the path
 * changes still find their stream; and `path auto` changes to the user path by one update of the
 * XDP map. The counters of a path are the sums of both.
 *
 * Paths are counted: while a rule moves from one intake to another, its old and its new route share
 * one. Main thread.
 */
#ifndef XMCAST_RELAY_PATH_H
#define XMCAST_RELAY_PATH_H

#include "relay/counts.h"
#include "relay/demand.h"
#include "links/icmp_parse.h"
#include "relay/kernel_path.h"
#include "relay/reach.h"
#include "relay/reason.h"
#include "rules/config.h"

/* What is known about an output of the stream. */
struct output_reach {
	struct reach reach;
	char reason[REASON_SIZE]; /* about the interface that it names, see path_follow() */
	enum withheld withheld;
	uint64_t icmp[ICMP_KINDS]; /* what others have reported about it */
};

struct path {
	unsigned int references;
	const struct rule *rule; /* that of its route, see path_set_rule() */
	/* The ruleset of the intake's workers has a reference, too. NULL: a rule of another IP
	 * protocol than UDP, which has no user path. */
	struct stream *stream;
	struct output_reach *reaches; /* of the stream's outputs; NULL: no stream */
	struct kernel_path *kernel;   /* NULL: user path only */
	const struct demand *demand;  /* of the relay */
	bool *unwanted; /* of each output: nobody wants it, as of the last examination */
};

/* What a path is opened with. */
struct path_request {
	const struct rule *rule; /* must outlive the path, see path_set_rule() */
	enum rule_path wanted;	 /* never RULE_PATH_DEFAULT */
	unsigned int nr_queues;	 /* room of the intake: one shard for each */
	const struct egress_config *egress;
	struct redirects *redirects; /* of the relay */
	const struct leases *leases; /* likewise; NULL: no rule has one */
	const struct demand *demand; /* of the relay */
	/* Outputs to the same destinations keep the sockets of this one. NULL: there is none. */
	const struct path *replaced;
	/* Likewise, of another process (inheritance.h). NULL: there is none. */
	const struct stream *inherited;
	struct selection *selection; /* of a side of a rule with `select`; NULL: none */
	struct merged *merged;	     /* of a side of a rule with `merge`; NULL: none */
};

/*
 * Open the outputs' sockets. One reference. 0; -ENODEV: no output's interface exists; -EMFILE,
 * -ENOMEM and others: a shortage of this process. On failure `reason` is set. Needs CAP_NET_RAW.
 */
int path_open(struct path **out, const struct path_request *request, char reason[REASON_SIZE]);

/* Returns `path`. */
struct path *path_hold(struct path *path);

/* Drop a reference. The last one releases everything: no thread may use the path any more. Accepts
 * NULL. */
void path_put(struct path *path);

/* The configuration was replaced by another one, in which the rule is the same. */
void path_set_rule(struct path *path, const struct rule *rule);

/* Can an intake with room for this number of RX queues use it? */
bool path_fits(const struct path *path, unsigned int nr_queues);

/*
 * The interface that output `i` names has this index now; 0: it does not exist. `reason`: why
 * nothing can leave by it, or NULL; `withheld`: whether the kernel would hide that.
 * 0; -errno: the output cannot be moved to it, and has this as its reason.
 */
int path_follow(struct path *path, unsigned int i, int ifindex, const char *reason,
		enum withheld withheld);

/* Something may have changed: examine again how its packets leave. */
void path_update(struct path *path, struct redirects *redirects);

/* Is an output wanted now that was not, or the other way round? Then call path_update(). */
bool path_has_new_demand(const struct path *path);

/* Is no output wanted, as of the last update? */
bool path_is_idle(const struct path *path);

/* Does this change of a neighbour concern it? Then call path_update(). */
bool path_concerns(const struct path *path, const struct neighbour *neighbour);

/* Does it send by the MAC addresses of neighbours? */
bool path_has_hosts(const struct path *path);

/* Keep these neighbours resolved: call it about once a second. True: call path_update(), because
 * something may have changed without an announcement. */
bool path_keep_neighbours(struct path *path, struct redirects *redirects, uint64_t now_ns);

/* Addresses or routes have changed: forget what output `i` has learned about its route. */
void path_refresh(struct path *path, unsigned int i);

/* Somebody reports something about a datagram: count it, if it can be one of this path. Returns
 * whether it can. */
bool path_count_icmp(struct path *path, const struct icmp_error *error);

/* Why nothing can leave by any output, until the next update; NULL: something can. */
const char *path_reason(const struct path *path);

/* Fill in the counters of the rule and of all its outputs, and which path carries it. See books.h
 * for what holds at any moment. */
void path_read(const struct path *path, struct rule_counts *counts, struct output_counts *outputs);

#endif
