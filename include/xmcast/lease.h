/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a slot of a lease (struct xmc_lease) is written by the daemon while the XDP programs, the
 * egress threads and the guard read it. None of them waits for another one, and none sees the shard
 * held by half of two states.
 *
 * `serial` is odd during a change that is more than a later `until_ns`, and different after it.
 * While it is odd, either `from_ns` changes, and then `until_ns` is 0, or `until_ns` becomes
 * earlier. So a reader of the same serial before and after both times, and of `from_ns` before
 * `until_ns`, has times that belong together; and as long as the serial is the same even number, a
 * time that has been read stays a lower bound of `until_ns`. A renewal is one store.
 *
 * x86 keeps the order of loads, and of stores. In BPF nothing else would.
 */
#ifndef XMCAST_LEASE_H
#define XMCAST_LEASE_H

#include <xmcast/abi.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* A test defines both to see each step. */
#ifndef XMC_LEASE_LOAD
#ifdef __bpf__
#define XMC_LEASE_LOAD(address) (*(const volatile __u64 *)(address))
#else
#define XMC_LEASE_LOAD(address)		(__atomic_load_n((address), __ATOMIC_ACQUIRE))
#define XMC_LEASE_STORE(address, value) (__atomic_store_n((address), (value), __ATOMIC_SEQ_CST))
#endif
#endif

/* What a reader has seen. */
struct xmc_lease_times {
	__u64 serial;
	__u64 from_ns;
	__u64 until_ns;
};

/* One write changes the serial twice, so a third try fails only if a second write has followed at
 * once. Then the shard is as good as not held: a renewal does not change the serial. */
#define XMC_LEASE_TRIES 3

/* False: they change all the time. */
static __always_inline int xmc_lease_read(const struct xmc_lease *lease,
					  struct xmc_lease_times *times)
{
	for (int i = 0; i < XMC_LEASE_TRIES; i++) {
		times->serial = XMC_LEASE_LOAD(&lease->serial);
		times->from_ns = XMC_LEASE_LOAD(&lease->from_ns);
		times->until_ns = XMC_LEASE_LOAD(&lease->until_ns);
		if (XMC_LEASE_LOAD(&lease->serial) == times->serial)
			return 1;
	}
	return 0;
}

/* Is the shard held, or has it been until `drain_ns` ago? */
static __always_inline int xmc_lease_holds(const struct xmc_lease *lease, __u64 now_ns,
					   __u64 drain_ns)
{
	struct xmc_lease_times times;

	return xmc_lease_read(lease, &times) && times.from_ns <= now_ns &&
	       now_ns < times.until_ns + drain_ns;
}

#ifndef __bpf__
/* By one thread. A slot that a process left behind in the middle of a change is put right. */
static inline void xmc_lease_write(struct xmc_lease *lease, __u64 from_ns, __u64 until_ns)
{
	__u64 odd = lease->serial | 1;
	int begins = from_ns != lease->from_ns;

	if (begins || until_ns < lease->until_ns || odd == lease->serial) {
		XMC_LEASE_STORE(&lease->serial, odd);
		XMC_LEASE_STORE(&lease->until_ns, begins ? 0 : until_ns);
		XMC_LEASE_STORE(&lease->from_ns, from_ns);
		XMC_LEASE_STORE(&lease->serial, odd + 1);
	}
	XMC_LEASE_STORE(&lease->until_ns, until_ns);
}
#endif

#endif
