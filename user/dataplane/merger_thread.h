/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The thread of the merger (merger.h), of which a process has one. Main thread.
 */
#ifndef XMCAST_DATAPLANE_MERGER_THREAD_H
#define XMCAST_DATAPLANE_MERGER_THREAD_H

#include "dataplane/merger.h"
#include "dataplane/worker.h"
#include "rules/config.h"

/* Start it unless it runs. `watchdog`: seconds without a heartbeat before it is stuck; 0: never. 0
 * or -errno. */
int merger_start(const struct egress_config *config, unsigned int watchdog);

/* No rule merges and no worker runs any more: end it, if it runs and is not stuck. */
void merger_stop(void);

/* Look at its heartbeat, as worker_check(); about once a second. */
void merger_check(uint64_t now_ns);

/* As worker_overdue_ns(); 0 if it does not run. */
uint64_t merger_overdue_ns(void);

/* Is it stuck? Then the process can only end, by _exit(2). */
bool merger_stuck(void);
void merger_describe_stuck(struct stuck_thread *stuck);

/* What it has counted: what it has submitted, and what became of that. Of the gauges, those of its
 * datagrams. */
void merger_read(struct worker_state *state);

/* Has it ended by itself, or is it stuck? Then the relay must end. */
bool merger_failed(void);

#endif
