/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The relay follows what receivers want (demand.h): it listens where outputs send when somebody has
 * joined, sends and joins what is wanted, and has the groups of prefixes relayed (branches.h). A
 * part of follow.c. Main thread.
 */
#ifndef XMCAST_RELAY_FOLLOW_DEMAND_H
#define XMCAST_RELAY_FOLLOW_DEMAND_H

#include "relay/outputs.h"
#include "relay/state.h"

/* Listen on the interfaces of outputs that are sent only when joined. */
void follow_demand_listen(struct relay *relay, const struct outputs *outputs);

/* Send where somebody listens, and join what is sent. `changed`: what is wanted may have. Returns
 * when to call it again although nothing has changed; UINT64_MAX: not at all. */
uint64_t follow_demand(struct relay *relay, const struct outputs *outputs, bool changed);

#endif
