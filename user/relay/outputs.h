/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces that outputs name, as they were last seen. If another interface gets the name, the
 * outputs keep their sockets, which are moved to it. Main thread.
 */
#ifndef XMCAST_RELAY_OUTPUTS_H
#define XMCAST_RELAY_OUTPUTS_H

#include "links/link.h"
#include "links/netlink.h"
#include "relay/path.h"

/* An interface that outputs name. */
struct output_interface {
	char name[IF_NAMESIZE];
	struct link link;	/* as it was last seen; ifindex 0: it does not exist */
	bool known;		/* it has been queried; until then outputs stay as they are */
	bool changed;		/* since the last outputs_settle() */
	bool news;		/* the last outputs_query() has changed `reason` */
	const char *reason;	/* why nothing can leave by it: "is down"; constant, or NULL */
	enum withheld withheld; /* whether the kernel would hide that */
	bool demand;		/* some of these outputs say `when joined` */
	bool no_source;		/* this host has no IPv4 address to send from by it */
};

/* Each once, by name. Starts as all zero. */
struct outputs {
	struct output_interface *list;
	unsigned int count;
};

/* Its reason as a sentence that names it, and says what to do. Returns `reason`. */
const char *output_interface_explain(const struct output_interface *interface,
				     char reason[REASON_SIZE]);

/* Collect the names from the rules. What is known about an interface stays known. 0; -ENOMEM:
 * nothing has changed. */
int outputs_collect(struct outputs *outputs, const struct config *config);
void outputs_free(struct outputs *outputs);

/* By the name that a rule uses; NULL: no output has it. */
const struct output_interface *outputs_find(const struct outputs *outputs, const char *name);

/* Is the announced link one of them, by any of its names or by its index? If it has another MTU
 * than in the last query it has changed, even if the next query finds it as it was: what outputs
 * have learned about batches in the meantime does not hold any more. */
bool outputs_note(struct outputs *outputs, const struct link *link);

/* Query all of them; `netlink` for routes. False: one could not be queried (no memory, no
 * descriptor); look again soon.
 */
bool outputs_query(struct outputs *outputs, struct netlink *netlink);

/* Move the outputs of a rule to their interfaces: those that have changed, or all (`every`: the
 * path is new). False: not all could be moved. */
bool outputs_apply(const struct outputs *outputs, struct path *path, const struct rule *rule,
		   bool every);

/* Has any interface changed? Then call outputs_apply() for all rules, and outputs_settle() at the
 * end. `done`: all could be moved; if not, everything is tried again the next time. */
bool outputs_have_changed(const struct outputs *outputs);
void outputs_settle(struct outputs *outputs, bool done);

#endif
