/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * A route is ONE running rule: where its packets arrive, the path that carries them, its
 * membership, and why it is not active. A rule with several inputs has a route for each
 * (below).
 *
 *     disabled   no arrival
 *     (a prefix) has no path, and the state of its branches (books.h)
 *     pending    its arrival's intake is not relaying; or it has no path, and `reason` says why; or
 *                nothing can leave by any of its outputs
 *     standby    it would be active, but its lease is not held
 *     idle       no output is wanted (demand.h); `on demand` its group may be left
 *     active     otherwise: it has a path, and has joined its group if that is multicast
 *
 * Main thread.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_ROUTE_H
#define XMCAST_RELAY_ROUTE_H

#include "membership/membership.h"
#include "relay/arrival.h"
#include "dataplane/selection.h"
#include "relay/counts.h"

struct route {
	uint64_t id;		   /* see rule_counts */
	uint64_t since_ns;	   /* likewise */
	const struct rule *rule;   /* of a rule with several inputs: `view` */
	unsigned int side;	   /* of these: which one */
	struct rule *view;	   /* the rule as this side sees it (rules/sides.h), or NULL */
	struct siblings *siblings; /* reference; NULL: the rule has one input */
	/* Of a branch (branches.h): the route of its stem, which has no path if it is a prefix.
	 * NULL: no branch. */
	struct route *stem;
	struct arrival *arrival; /* NULL: disabled */
	struct path *path; /* NULL: disabled or pending. Kept while the intake is down, with its
			      counters and sockets */
	char *reason;	   /* why it has no path although its intake is open */
	bool reported;	   /* `reason` has been logged */
	/* Counted by another process, whether or not it has a path here; NULL: nothing. Reference.
	 */
	struct carried *carried;
	int joined;	  /* index of the interface that has joined the group; 0: none */
	uint64_t idle_ns; /* `on demand`: since when no output is wanted; 0: one is */
	bool unjoined; /* `on demand`: an output is wanted, but joining has failed; see `reason` */
	/* Of the first route of a rule: the last report that one of its routes has counted. */
	uint64_t icmp_report;

	/* Notes of the plan that is being carried out (plan.c). */
	struct {
		struct route *replaced; /* the route of the same name that it replaces, or NULL */
		/* Of a further side: the route of the first one. Of a branch: that of its stem. */
		struct route *first;
		const struct stream *inherited; /* what a predecessor has left of it, or NULL */
		bool fresh;			/* the plan made it */
		bool kept;			/* it was there before the plan, and stays */
		bool opened;			/* the plan opened it, or tried to */
		bool shadowed;			/* another rule has the same input */
	} plan;
};

/* Counters of a rule of another process. Of the structs, only the counters are used. */
struct carried {
	unsigned int references;
	struct rule_counts rule;
	struct histogram latency;
	struct side_counts sides[RULE_SIDES_MAX]; /* of a rule with several inputs */
	struct output_counts outputs[];		  /* one for each of the rule */
};

/* Accept NULL. carried_hold() returns its argument. */
struct carried *carried_hold(struct carried *carried);
void carried_put(struct carried *carried);

/* A new route of a rule, or of one of its sides, not open. NULL: no memory. The rule must outlive
 * it. */
struct route *route_new(const struct rule *rule, unsigned int side, uint64_t id);

/* The configuration was replaced by another one, in which the rule is the same. */
void route_set_rule(struct route *route, const struct rule *rule);

/*
 * Open a path and join the group; the intake must be open, `config` is that of the rule. A path
 * that the route has already is kept if it fits the intake. 0 or -errno: then it has no path, has
 * not joined, and `reason` says why. -ENODEV, -ENETDOWN and the like: the network is not ready;
 * others: a shortage of this process (descriptors, memory, a limit).
 */
int route_open(struct route *route, const struct config *config, struct membership *membership);

/* Close it: it is pending for this reason. */
void route_refuse(struct route *route, struct membership *membership, const char *reason);

/* Log that it is pending and why, unless this reason has been logged before. */
void route_report(struct route *route, int err);

/* `on demand`: join while an output is wanted, and leave when none has been for this long. Returns
 * when to call it again although nothing has changed; UINT64_MAX: not at all. */
uint64_t route_follow_demand(struct route *route, struct membership *membership, uint64_t linger_ns,
			     uint64_t now_ns);

/*
 * Report `number`, from 1 on, is about a datagram: count it, if the route can have sent that, and
 * no other route of its rule has counted it. Branches and their stem share sockets, and the sides
 * of a rule do, so that each of them can have sent it.
 */
void route_count_icmp(struct route *route, const struct icmp_error *error, uint64_t number);

/* Leave the group; the path stays. For when its intake goes down. */
void route_leave(struct route *route, struct membership *membership);

/* Leave the group, drop the path. */
void route_close(struct route *route, struct membership *membership);

/* It is about to be freed: if it is a branch, its stem, unless that is new, keeps its counters. No
 * thread uses its path any more. */
void route_retire(struct route *route);

/* Close and free it. Accepts NULL. */
void route_free(struct route *route, struct membership *membership);

/* Do its branches carry all of its packets? */
static inline bool route_is_stem(const struct route *route)
{
	return route->rule->group_host_bits;
}

/* Is it pending for a reason of its own, not for that of its intake? */
static inline bool route_is_waiting(const struct route *route)
{
	return route->arrival && !route->path && !route_is_stem(route) &&
	       intake_is_open(route->arrival->intake);
}

/* Why it is pending, or NULL: it is active, or disabled. Valid until something changes. */
const char *route_reason(const struct route *route);

/*
 * ---- siblings (siblings.c) ----
 *
 * The routes of a rule with several inputs, one for each side, and what they share: the selection
 * of a rule with `select`, and the sockets of the outputs, by which every side sends. Each side has
 * an arrival, a path and a membership of its own, so that it comes and goes by itself.
 */

struct siblings {
	unsigned int references;
	unsigned int count;
	struct route *routes[RULE_SIDES_MAX]; /* those that run; NULL while the first plan runs */
	struct selection *selection;	      /* NULL: the rule merges its inputs */
	struct merged *merged;		      /* NULL: it selects one */
	/* As last logged. */
	uint32_t changes;
	bool flows[RULE_SIDES_MAX];
	uint64_t received[RULE_SIDES_MAX]; /* by a rule that merges */
	/* What a merging that goes on had counted before the rule's counters began. */
	struct merged_side sides_before[RULE_SIDES_MAX];
	struct merged_counts merged_before;
};

/* For the routes of a rule with several inputs. `before`: those of the rule that it replaces, or
 * NULL: their selection or merging goes on, if it fits. `selected`: the side that a new selection
 * begins with. One reference. NULL: no memory, or the merger's thread could not be started. */
struct siblings *siblings_new(const struct rule *rule, const struct siblings *before,
			      unsigned int selected, const struct config *config);

/* Accept NULL. siblings_hold() returns its argument. */
struct siblings *siblings_hold(struct siblings *siblings);
void siblings_put(struct siblings *siblings);

/* ---- of a rule, given the route of its first side; or of a rule with one input ---- */

/* Why the rule is pending: NULL if one of its sides is not. See route_reason(). */
const char *siblings_reason(const struct route *first);

/* Is no output wanted, as far as any side knows? The rule is not pending. */
bool siblings_are_idle(const struct route *first);

/* The state of each side goes to counts->sides, and the counters of the further ones are added to
 * those of the first, which were read before. */
void siblings_read(const struct route *first, uint64_t now_ns, struct rule_counts *counts,
		   struct output_counts *outputs);

/* Log which sides were lost, are back, and were selected since the last call. True: another side is
 * selected. */
bool siblings_report(const struct route *first, uint64_t now_ns);

/* ---- */

/* The path of a side that has one, for its sockets, or NULL. */
const struct path *siblings_path(const struct siblings *siblings);

#endif
