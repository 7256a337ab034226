/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a map of leases: XMC_LEASE_SLOTS of struct xmc_lease, which the programs read while
 * the daemon writes. Main thread. */
#ifndef XMCAST_STEERING_LEASES_H
#define XMCAST_STEERING_LEASES_H

#include <xmcast/abi.h>

/* 0 or -errno. */
int leases_map(int map_fd, struct xmc_lease **leases);
void leases_unmap(struct xmc_lease *leases); /* accepts NULL */

/* See xmc_lease_write(). */
void lease_write(struct xmc_lease *lease, __u64 from_ns, __u64 until_ns);

#endif
