/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Is the lease of a rule held now? See struct xmc_lease. The daemon writes the map.
 *
 * The clock is read once per slot and tick of the kernel's timer, not for each packet: a slot that
 * is found held for XMC_CALM_NS longer is noted in `calm` with the number of this tick and with
 * what the daemon has written, so that a change ends the note at once.
 *
 * The note outlives its tick only while the CPU that counts the ticks does not run. If that is one
 * virtual CPU of several, Linux has the ticks counted by another one after five of them
 * (tick_sched_do_timer(), Linux 5.18), which are less than XMC_CALM_NS at 100 Hz as well. If all
 * were stopped, no time was left for that, and packets pass after the deadline until the first CPU
 * handles its timer's interrupt. That is pending when the machine continues and comes before those
 * of devices; but other CPUs may pass packets for as long as the host takes to run that one, at
 * most five ticks. Only a clock that is read for each packet would prevent that. (On the user path
 * the egress thread and the guard read it.)
 */
#ifndef XMCAST_BPF_LEASE_H
#define XMCAST_BPF_LEASE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/lease.h>

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

static __always_inline __u64 note_of(const struct xmc_lease_times *times, __u64 tick)
{
	return (times->until_ns + tick) ^ times->serial * 0xd6e8feb86659fd93ULL;
}

static __always_inline bool lease_is_held(__u32 slot)
{
	struct xmc_lease *lease = bpf_map_lookup_elem(&leases, &slot);
	struct xmc_lease_times times;
	__u64 tick, now_ns;

	if (!lease)
		return false;
	tick = bpf_jiffies64() * 0x9e3779b97f4a7c15ULL;
	times.serial = XMC_LEASE_LOAD(&lease->serial);
	times.until_ns = XMC_LEASE_LOAD(&lease->until_ns);
	if (XMC_LEASE_LOAD(&lease->calm) == note_of(&times, tick))
		return true;
	if (!xmc_lease_read(lease, &times))
		return false;
	now_ns = bpf_ktime_get_ns();
	if (now_ns < times.from_ns || now_ns >= times.until_ns)
		return false;
	if (times.until_ns - now_ns > XMC_CALM_NS && !(times.serial & 1))
		lease->calm = note_of(&times, tick);
	return true;
}

#endif
