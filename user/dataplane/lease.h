/* SPDX-License-Identifier: BSD-2-Clause */
/* The lease of a stream, as the egress threads see it. The main thread writes it
 * (steering/leases.h). */
#ifndef XMCAST_DATAPLANE_LEASE_H
#define XMCAST_DATAPLANE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>

/* May a datagram that the XDP program has let pass still leave now? See struct xmc_lease. */
static inline bool lease_allows(const struct xmc_lease *lease, uint64_t now_ns)
{
	uint64_t until_ns = __atomic_load_n(&lease->until_ns, __ATOMIC_ACQUIRE);
	uint64_t from_ns = __atomic_load_n(&lease->from_ns, __ATOMIC_RELAXED);

	return from_ns <= now_ns && now_ns < until_ns + XMC_LEASE_DRAIN_NS;
}

#endif
