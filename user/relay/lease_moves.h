/* SPDX-License-Identifier: BSD-2-Clause */
/* From one process to the next: leases, the numbers at which their streams pass from one host to
 * another, and the next numbers of streams that are merged, once this process has paused. Main
 * thread. */
#ifndef XMCAST_RELAY_LEASE_MOVES_H
#define XMCAST_RELAY_LEASE_MOVES_H

#include <jansson.h>

#include "relay/state.h"

/* An object; the caller's reference; NULL: no memory. */
json_t *lease_moves_describe(const struct relay *relay);

/* These routes are ready, and if there is a predecessor, it has paused, or was killed: take over
 * what it has described. */
void lease_moves_adopt(struct relay *relay, struct route *const *routes, unsigned int count);

#endif
