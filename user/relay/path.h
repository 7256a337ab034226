/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A path carries the datagrams of one rule from its intake to its outputs. There can be several
 * kinds; the rest of the relay uses a path through these operations only:
 *
 *     path_user   AF_XDP to a worker's threads, which send (path_user.h)
 *
 * A new kind is a file of its own with these operations, and a line in route.c that chooses it.
 *
 * Paths are counted: while a rule moves from one intake to another, its old and its new route share
 * one. Main thread.
 */
#ifndef XMCAST_RELAY_PATH_H
#define XMCAST_RELAY_PATH_H

#include "relay/counts.h"
#include "rules/config.h"

struct path;
struct stream;

struct path_operations {
	/* Can an intake with this number of RX queues use it? */
	bool (*fits)(const struct path *path, unsigned int nr_queues);

	/* The name of its rule. */
	const char *(*name)(const struct path *path);

	/* The key of its rule in the XDP map. */
	void (*key)(const struct path *path, struct xmc_rule_key *key);

	/* The stream that the ruleset of the intake's workers needs. It stays the path's; the
	 * ruleset takes a reference of its own. */
	struct stream *(*stream)(const struct path *path);

	/*
	 * The interface that output `i` names has this index now; 0: it does not exist. `reason`:
	 * why nothing can leave by it, constant text, or NULL. 0; -errno: the output cannot be
	 * moved to it, and has this as its reason.
	 */
	int (*follow)(struct path *path, unsigned int i, int ifindex, const char *reason);

	/* Addresses or routes have changed: forget what output `i` has learned about its route. */
	void (*refresh)(struct path *path, unsigned int i);

	/* Why nothing can leave by any output, constant text; NULL: something can. */
	const char *(*reason)(const struct path *path);

	/* Fill in the counters: those of all outputs first, then the rule's (see books.h). */
	void (*read_output)(const struct path *path, unsigned int i, struct output_counts *counts);
	void (*read)(const struct path *path, struct rule_counts *counts);

	/* Release everything. No thread uses it any more. */
	void (*close)(struct path *path);
};

/* The first member of each kind's struct. */
struct path {
	const struct path_operations *operations;
	unsigned int references;
	unsigned int nr_outputs;
};

/* What a path is opened with. */
struct path_request {
	const struct rule *rule;
	unsigned int nr_queues; /* of the intake */
	const struct egress_config *egress;
	/* Outputs to the same destinations keep the sockets of this one. NULL: there is none. */
	const struct path *replaced;
};

/* Returns `path`. */
struct path *path_hold(struct path *path);

/* Drop a reference. The last one closes it. Accepts NULL. */
void path_put(struct path *path);

#endif
