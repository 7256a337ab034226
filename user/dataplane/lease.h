/* SPDX-License-Identifier: BSD-2-Clause */
/* The lease of a stream, as the egress threads see it. The main thread writes it
 * (steering/leases.h). */
#ifndef XMCAST_DATAPLANE_LEASE_H
#define XMCAST_DATAPLANE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/lease.h>

/* May a datagram that the XDP program has let pass still leave now? See struct xmc_lease. */
static inline bool lease_allows(const struct xmc_lease *lease, uint64_t now_ns)
{
	return xmc_lease_holds(lease, now_ns, XMC_LEASE_DRAIN_NS);
}

#endif
