/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces that outputs name, as they were last seen, and what follows for the outputs: each
 * keeps its socket, which is moved to the interface that has the name now. Main thread.
 */
#ifndef XMCAST_RELAY_OUTPUTS_H
#define XMCAST_RELAY_OUTPUTS_H

#include "links/link.h"
#include "relay/path.h"

/* An interface that outputs name. */
struct output_interface {
	char name[IF_NAMESIZE];
	struct link link;   /* as it was last seen; ifindex 0: it does not exist */
	bool known;	    /* it was queried; until then nothing follows */
	bool changed;	    /* since outputs_settle() */
	bool news;	    /* its reason has changed in the last outputs_query() */
	const char *reason; /* why nothing can leave by it, constant text, or NULL */
};

/* Each once, by name. Starts as all zero. */
struct outputs {
	struct output_interface *list;
	unsigned int count;
};

/* Collect them from the rules. What was known of an interface stays known. 0 or -ENOMEM: then
 * nothing has changed. */
int outputs_collect(struct outputs *outputs, const struct config *config);
void outputs_free(struct outputs *outputs);

/* Is this one of them, by one of its names or its index? */
bool outputs_concern(const struct outputs *outputs, const struct link *link);

/* Look at each. False: one could not be queried (no memory, no descriptor); look again soon. */
bool outputs_query(struct outputs *outputs);

/* Have the outputs of a rule follow those interfaces that have changed, or all (`every`: the path
 * is new). False: not all could follow. */
bool outputs_apply(const struct outputs *outputs, struct path *path, const struct rule *rule,
		   bool every);

/* Whether outputs_apply() has anything to do; then it is done for all rules, and `done` says
 * whether all could follow: if not, all is tried again the next time. */
bool outputs_have_changed(const struct outputs *outputs);
void outputs_settle(struct outputs *outputs, bool done);

#endif
