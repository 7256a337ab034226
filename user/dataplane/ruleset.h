/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ruleset is an immutable snapshot of the streams of one ingress interface, found by what a
 * packet says: of those with its group and port the one whose source is the most specific, from a
 * host over ever shorter prefixes to any; if there is none, in the same way of those with its group
 * and any port.
 *
 * The main thread makes and frees rulesets; each holds a reference to its streams. The ingress
 * threads of the interface read one at a time. A ruleset may be freed once every worker has
 * acknowledged its successor (worker.h).
 */
#ifndef XMCAST_DATAPLANE_RULESET_H
#define XMCAST_DATAPLANE_RULESET_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/packet.h>
#include "dataplane/stream.h"

struct ruleset;

/*
 * A snapshot of `count` streams (may be 0) whose inputs differ; their array is copied. 0, -EEXIST:
 * two have the same input; -ENOMEM.
 */
int ruleset_new(struct ruleset **out, struct stream *const *streams, unsigned int count);

/* Drop the references to its streams. Takes NULL. */
void ruleset_free(struct ruleset *ruleset);

/* The stream of a datagram, or NULL. One look-up for each length of source that there is,
 * with a port and with any, however many rules there are. */
struct stream *ruleset_find(const struct ruleset *ruleset, const struct xmc_datagram *dgram);

/* Whether it has a stream with the input of this rule. Takes NULL, which has none. */
bool ruleset_has(const struct ruleset *ruleset, const struct rule *rule);

#endif
