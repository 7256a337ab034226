/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The check of leases in the kernel, between the egress threads and the wire (bpf/guard.bpf.c). The
 * program is attached by a link, so that it goes with the process.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN, and a mounted cgroup2 hierarchy.
 */
#ifndef XMCAST_STEERING_GUARD_H
#define XMCAST_STEERING_GUARD_H

#include <xmcast/abi.h>

struct guard;

/* 0, or -errno, and *step is what has failed, constant text. */
int guard_open(struct guard **out, const char **step);

/* From now on sends are checked. Returns as guard_open(). */
int guard_attach(struct guard *guard, const char **step);
void guard_close(struct guard *guard); /* accepts NULL */

/* The leases that it reads: XMC_LEASE_SLOTS of them. */
struct xmc_lease *guard_leases(const struct guard *guard);

/* The map of sockets: key a descriptor, value __u32, the slot of the lease. -1: there is no guard.
 */
int guard_sockets(const struct guard *guard);

#endif
