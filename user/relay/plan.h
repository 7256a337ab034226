/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * A plan takes the relay from what runs to another configuration, or to what the network allows
 * now. All of it, or nothing:
 *
 *     match    which routes stay as they are (same rule, same arrival), which are new, which go
 *     open     arrivals and intakes of new routes, then paths and memberships: beside what runs
 *     stage    a line-up for each intake whose rules change; intakes that come up start their
 *              workers
 *     switch   the workers go over, each from one packet to the next; then keys enter the XDP maps,
 *              and intakes that come up are attached
 *     commit   keys of what goes leave the maps; memberships, sockets, intakes are released
 *
 * Whatever fails before the commit is reverted in the opposite order. The commit cannot fail.
 *
 * Main thread. All return 0; -EIO: a worker has failed, and the relay must end; other -errno:
 * nothing has changed.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_PLAN_H
#define XMCAST_RELAY_PLAN_H

#include "relay/state.h"

/* See relay_open() and relay_apply() in relay.h. */
int plan_start(struct relay *relay, struct config *config);
int plan_change(struct relay *relay, struct config *config, struct relay_change *change,
		char reason[REASON_SIZE]);

/* Try to bring up a FAILED intake with its rules. Its state shows whether that succeeded. Rules
 * that cannot be opened are pending. */
int plan_bring_up(struct relay *relay, struct intake *intake);

/* Try again the rules that are pending for reasons of their own, and move the rules of stale
 * arrivals to the interfaces that have the names now. */
int plan_retry(struct relay *relay);

#endif
