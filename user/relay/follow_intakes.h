/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports, and what becomes of their interfaces: a part of follow.h. Main thread. */
#ifndef XMCAST_RELAY_FOLLOW_INTAKES_H
#define XMCAST_RELAY_FOLLOW_INTAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "links/link_parse.h"

struct relay;

/* Is this the interface of an intake, by its name or its number? */
bool intakes_concern(const struct relay *relay, const struct link *link);

/* Take note of what was announced of such an interface: it may be over by the time we look. */
void intakes_note(struct relay *relay, const struct link_event *event);

/*
 * Look at every intake: give up what has lost its interface, open again what has one. `now`:
 * whatever has failed how often, and what is configured to be left alone, and however long it
 * takes; else there may be more to do than one turn has time for: then false, and the caller comes
 * again soon. *reopened: streams of rules are other ones than before.
 */
bool intakes_follow(struct relay *relay, bool now, bool *reopened);

/* When the next intake is to be tried again (clock_ns()), or UINT64_MAX. */
uint64_t intakes_next_try(const struct relay *relay);

#endif
