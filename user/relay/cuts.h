/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams that pass from one host to another at one of their datagrams (dataplane/cut.h), while
 * their rule is replaced, or the process. What both hosts would send otherwise is not sent here.
 * relay_set_leases() begins a move, leases_move() says whether there is one. Main thread.
 */
#ifndef XMCAST_RELAY_CUTS_H
#define XMCAST_RELAY_CUTS_H

#include <jansson.h>

#include "dataplane/stream.h"
#include "relay/leases.h"

/*
 * A new stream of a rule takes over the number of the one before, if the rule's shard is moving;
 * both may be NULL. 0; -EAGAIN: there is none for this rule, which must wait for the end of the
 * move; then `reason` says so.
 */
int cut_carry(const struct leases *leases, const struct rule *rule, struct stream *stream,
	      const struct stream *before, char reason[REASON_SIZE]);

/* The number of another process's stream; if it is none, nothing leaves while the other host may
 * send. `side` and `latest_ns`: of leases_move(). */
void cut_adopt(struct stream *stream, enum cut_side side, uint64_t latest_ns, const json_t *number);

#endif
