/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the lease of a rule held now? See struct xmc_lease. The daemon writes the map.
 *
 * The clock is read once per slot and tick of the kernel's timer, not for each packet: a slot that
 * is found held for XMC_CALM_NS longer is noted in `calm` with the number of this tick and with
 * what the daemon has written, so that a change ends the note at once. The note outlives its tick
 * only while the CPU that counts the ticks does not run. Linux then has them counted by another CPU
 * after five ticks (tick_sched_do_timer(), Linux 5.18), which are less than XMC_CALM_NS at 100 Hz
 * as well.
 */
#ifndef XMCAST_LEASE_H
#define XMCAST_LEASE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>

#include "pinned.h"

#define XMC_CALM_NS 80000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_LEASE_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xmc_lease);
	PINNED;
} leases SEC(".maps");

/* Until first: it is 0 while the daemon changes `from_ns`. */
static __always_inline bool lease_is_held(__u32 slot)
{
	struct xmc_lease *lease = bpf_map_lookup_elem(&leases, &slot);
	__u64 until_ns, from_ns, note, now_ns;

	if (!lease)
		return false;
	until_ns = *(volatile __u64 *)&lease->until_ns;
	from_ns = *(volatile __u64 *)&lease->from_ns;
	note = (until_ns + bpf_jiffies64() * 0x9e3779b97f4a7c15ULL) ^ from_ns;
	if (*(volatile __u64 *)&lease->calm == note)
		return true;
	now_ns = bpf_ktime_get_ns();
	if (now_ns < from_ns || now_ns >= until_ns)
		return false;
	if (until_ns - now_ns > XMC_CALM_NS)
		lease->calm = note;
	return true;
}

#endif
