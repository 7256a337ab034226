/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread of the merger (merger.h), of which a process has one. Main thread.
 */
#ifndef XMCAST_DATAPLANE_MERGER_THREAD_H
#define XMCAST_DATAPLANE_MERGER_THREAD_H

#include "dataplane/merger.h"
#include "dataplane/worker.h"
#include "rules/config.h"

/* Start it unless it runs. 0 or -errno. */
int merger_start(const struct egress_config *config);

/* No rule merges and no worker runs any more: end it, if it runs. */
void merger_stop(void);

/* Add what it has counted: what it has submitted, and what became of that. */
void merger_read(struct worker_state *state);

/* Has it ended by itself? Then the relay must end. */
bool merger_failed(void);

#endif
