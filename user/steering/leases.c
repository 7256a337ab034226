/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/leases.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include <xmcast/lease.h>

#define SIZE (XMC_LEASE_SLOTS * sizeof(struct xmc_lease))

int leases_map(int map_fd, struct xmc_lease **leases)
{
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*leases = memory;
	return 0;
}

void leases_unmap(struct xmc_lease *leases)
{
	if (leases)
		munmap(leases, SIZE);
}

void lease_write(struct xmc_lease *lease, __u64 from_ns, __u64 until_ns)
{
	xmc_lease_write(lease, from_ns, until_ns);
}
