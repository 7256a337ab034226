/* SPDX-License-Identifier: BSD-2-Clause */
/* Outputs, and what becomes of the interfaces that they name: a part of follow.h. Main thread. */
#ifndef XMCAST_RELAY_OUTPUTS_H
#define XMCAST_RELAY_OUTPUTS_H

#include <stdbool.h>

#include "links/link.h"

struct relay;

/* An interface that outputs name. */
struct followed {
	char name[IF_NAMESIZE];
	struct link link;    /* as it was found last */
	bool known;	     /* it has been asked for; before that nothing follows */
	bool there;	     /* it exists */
	bool changed;	     /* since outputs_apply() */
	const char *trouble; /* why nothing can leave by it, constant text; or NULL */
};

/* All of them, each once, by name. */
struct followed_outputs {
	struct followed *list;
	unsigned int count;
};

/* Anew, from the rules. 0 or -ENOMEM: then it is as it was. */
int outputs_collect(struct followed_outputs *outputs, const struct relay *relay);
void outputs_free(struct followed_outputs *outputs);

/* Is this one of them, by its name or its number? */
bool outputs_concern(const struct followed_outputs *outputs, const struct link *link);

/* Look at each, and log what has changed. False: one could not be asked, for want of memory or
 * descriptors; look again soon. */
bool outputs_query(struct followed_outputs *outputs, const struct relay *relay);

/* Let the outputs of all rules follow the interfaces that have changed, or all of them (`every`:
 * there are new streams). */
void outputs_apply(struct followed_outputs *outputs, struct relay *relay, bool every);

/*
 * Addresses or routes have changed: forget the sizes of batches, from rule *next on,
 * until some `most` outputs have had their turn. True: there are more, from *next on.
 */
bool outputs_refresh(struct relay *relay, unsigned int *next, unsigned int most);

#endif
