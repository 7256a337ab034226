/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * A plan changes what runs: to another configuration, or to what the network allows now. All of it,
 * or nothing:
 *
 *     match    which routes stay as they are (same rule, same arrival), which are new, which go
 *     open     arrivals and intakes of new routes, then paths and memberships; what runs goes on
 *     stage    a line-up for each intake whose rules change; intakes that come up start their
 *              workers
 *     switch   the workers use the staged line-ups, each from one packet to the next; then new keys
 *              are added to the XDP maps, and intakes that come up are attached
 *     commit   keys that no rule needs any more are removed from the maps; memberships, sockets and
 *              intakes of old rules are released
 *
 * If a step before the commit fails, everything is reverted: new routes are closed, then intakes
 * return to their old line-ups or are closed. The commit cannot fail; if a worker fails to stop
 * during it, relay_run() reports that.
 *
 * Main thread. All return 0; -EIO: a worker has failed, and the relay must end; other -errno:
 * nothing has changed.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_PLAN_H
#define XMCAST_RELAY_PLAN_H

#include "relay/state.h"

/* See relay_open() and relay_apply() in relay.h. */
/* The last `branches` rules of the configuration are branches (branches.h). */
int plan_start(struct relay *relay, struct config *config, unsigned int branches);
int plan_change(struct relay *relay, struct config *config, unsigned int branches,
		struct relay_change *change, char reason[REASON_SIZE]);

/* The running configuration with other branches: what cannot run is pending. */
int plan_branches(struct relay *relay, struct config *config, unsigned int branches);

/* Try to bring up a FAILED intake with its rules. Its state shows whether that succeeded. Rules
 * that cannot be opened are pending. */
int plan_bring_up(struct relay *relay, struct intake *intake);

/* Try again the rules that are pending for reasons of their own, and move the rules of stale
 * arrivals to the interfaces that have the names now. */
int plan_retry(struct relay *relay);

#endif
