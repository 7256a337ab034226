/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last step of a plan (plan.h): it holds, or everything is as it was before. Main thread.
 */
#ifndef XMCAST_RELAY_PLAN_COMMIT_H
#define XMCAST_RELAY_PLAN_COMMIT_H

#include "relay/plan_match.h"

/* Release what is gone; from now on the relay has what was planned. */
void plan_commit(struct plan *plan);

/* Undo what was done so far. Sets `broken` if a worker has failed. */
void plan_revert(struct plan *plan);

#endif
