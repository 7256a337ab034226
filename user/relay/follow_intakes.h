/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The intakes follow their interfaces: they note what is announced, and a look gives up those that
 * have lost theirs, and brings up those that failed. A part of follow.c. Main thread; rights as for
 * relay_open().
 */
#ifndef XMCAST_RELAY_FOLLOW_INTAKES_H
#define XMCAST_RELAY_FOLLOW_INTAKES_H

#include "links/watch.h"
#include "relay/state.h"

/* Intakes that failed are brought up in turns. */
struct intake_turns {
	uint64_t due_ns;   /* when the first of them may be tried again, or NEVER_NS */
	unsigned int next; /* where the next turn starts */
};

/* An interface has changed or is gone. True: it is that of an intake, or concerns one. */
bool follow_intakes_note(const struct relay *relay, const struct link_event *event);

/* Look at all of them. `asked`: try everything now, however long it takes. False: the turn is over,
 * and the rest has to be looked at soon. *opened becomes true if rules may have new paths. */
bool follow_intakes(struct relay *relay, struct intake_turns *turns, bool asked, bool *opened);

#endif
