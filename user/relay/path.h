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
#include "relay/kernel_path.h"
#include "rules/config.h"

struct path {
	unsigned int references;
	const struct rule *rule; /* that of its route, see path_set_rule() */
	/* The ruleset of the intake's workers has a reference, too. NULL: a rule of another IP
	 * protocol than UDP, which has no user path. */
	struct stream *stream;
	struct kernel_path *kernel; /* NULL: user path only */
};

/* What a path is opened with. */
struct path_request {
	const struct rule *rule; /* must outlive the path, see path_set_rule() */
	enum rule_path wanted;	 /* never RULE_PATH_DEFAULT */
	unsigned int nr_queues;	 /* of the intake */
	const struct egress_config *egress;
	/* Outputs to the same destinations keep the sockets of this one. NULL: there is none. */
	const struct path *replaced;
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

/* Can an intake with this number of RX queues use it? */
bool path_fits(const struct path *path, unsigned int nr_queues);

/*
 * The interface that output `i` names has this index now; 0: it does not exist. `reason`: why
 * nothing can leave by it, constant text, or NULL. 0; -errno: the output cannot be moved to it, and
 * has this as its reason.
 */
int path_follow(struct path *path, unsigned int i, int ifindex, const char *reason);

/* Addresses or routes have changed: forget what output `i` has learned about its route. */
void path_refresh(struct path *path, unsigned int i);

/* Why nothing can leave by any output, constant text; NULL: something can. */
const char *path_reason(const struct path *path);

/* Fill in the counters of the rule and of all its outputs, and which path carries it. See books.h
 * for what holds at any moment. */
void path_read(const struct path *path, struct rule_counts *counts, struct output_counts *outputs);

#endif
