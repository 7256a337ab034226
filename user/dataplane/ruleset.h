/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A ruleset is an immutable snapshot of the streams of one ingress interface, with look-up by
 * packet: of the streams with the packet's group and port, the one with the most specific matching
 * source (a host, then ever shorter prefixes, then any source); if there is none, in the same way
 * of the streams with the packet's group and any port.
 *
 * The main thread creates and frees rulesets; each holds references to its streams. The ingress
 * threads of the interface read one at a time. A ruleset may be freed once every worker has
 * acknowledged its successor (worker.h).
 */
#ifndef XMCAST_DATAPLANE_RULESET_H
#define XMCAST_DATAPLANE_RULESET_H

#include <stdint.h>

#include <xmcast/packet.h>
#include "dataplane/stream.h"

struct ruleset;

/*
 * A snapshot of `count` streams (may be 0) with different inputs; copies the arrays. `tags`: the
 * VLAN tags of each one's packets; NULL: all are untagged. 0, -EEXIST: two have the same input;
 * -ENOMEM.
 */
int ruleset_new(struct ruleset **out, struct stream *const *streams, const uint32_t *tags,
		unsigned int count);

/* Drop the references to its streams. Accepts NULL. */
void ruleset_free(struct ruleset *ruleset);

/* The stream of a datagram, or NULL. One look-up for each length of source prefix in use, with the
 * port and with any port; the number of rules does not matter. */
struct stream *ruleset_find(const struct ruleset *ruleset, const struct xmc_datagram *dgram);

#endif
