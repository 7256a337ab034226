// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The last check of a lease on the user path, between the egress thread, which may be stopped or
 * swapped out behind its own check, and the wire: it runs once for each send (a batch is one), in
 * ip_finish_output() and ip6_finish_output(), in front of the queueing discipline. A datagram that
 * it drops lets the send fail with EPERM.
 *
 * It is attached to the root of the cgroup hierarchy, because a socket stays in the cgroup of the
 * process that has opened it, and that may have been a predecessor. For the sockets of others it
 * costs one look at a pointer that is NULL. (On the kernel path the check in XDP is next to the
 * wire: check, rewriting and transmission are one softirq.)
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/lease.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DROP 0
#define PASS 1

/* As in bpf/lease.h. The egress threads read it, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_LEASE_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct xmc_lease);
} leases SEC(".maps");

/* The sockets of outputs of rules with a lease: its slot. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} guarded SEC(".maps");

SEC("cgroup_skb/egress")
int xmcast_guard(struct __sk_buff *skb)
{
	struct bpf_sock *socket = (struct bpf_sock *)(long)skb->sk;
	const __u32 *slot = NULL;
	const struct xmc_lease *lease;

	if (socket)
		socket = bpf_sk_fullsock(socket);
	if (socket)
		slot = bpf_sk_storage_get(&guarded, socket, NULL, 0);
	if (!slot)
		return PASS;
	lease = bpf_map_lookup_elem(&leases, slot);
	if (!lease)
		return DROP;
	return xmc_lease_holds(lease, bpf_ktime_get_ns(), XMC_LEASE_DRAIN_NS) ? PASS : DROP;
}
