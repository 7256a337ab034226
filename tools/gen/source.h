/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The traffic source: loads gen.bpf.c, runs it until all is sent or a signal comes, and holds the
 * counters afterwards. Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.
 */
#ifndef XMCAST_GEN_SOURCE_H
#define XMCAST_GEN_SOURCE_H

#include "options.h"

struct source;

/* Load and configure. NULL: an exit code is in *status, the reason is on stderr. */
struct source *source_open(const struct options *options, int *status);
void source_close(struct source *source);

/* Send until all is sent, the time is over, or SIGINT or SIGTERM arrives: 0 or -errno. Called once,
 * by the main thread. */
int source_run(struct source *source);

/* What was sent. Valid until source_close(). */
const struct gen_state *source_state(const struct source *source);
const struct gen_flow *source_flow(const struct source *source, uint32_t number);
uint64_t source_asked(const struct source *source); /* packets in all; UINT64_MAX: no limit */
uint32_t source_run_id(const struct source *source);

/* Does the kernel report what the interface refused? If not, `dropped` is unknown. */
bool source_knows_drops(const struct source *source);

#endif
