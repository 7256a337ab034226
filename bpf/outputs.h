/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The outputs of the kernel path and their counters: maps that the steering program and xmcast_copy
 * share. */
#ifndef XMCAST_OUTPUTS_H
#define XMCAST_OUTPUTS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>

#include "pinned.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XMC_MAX_KERNEL_OUTPUTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xmc_output_key);
	__type(value, struct xmc_output);
	PINNED;
} outputs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, XMC_MAX_KERNEL_OUTPUTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct xmc_tally);
	PINNED;
} tallies SEC(".maps");

/* Over all rules. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xmc_tally);
	PINNED;
} sums SEC(".maps");

static __always_inline struct xmc_tally *sum_of_all(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&sums, &first);
}

/* Per CPU, and XDP is not re-entered on one CPU. */
static __always_inline void count_sent(struct xmc_tally *tally, struct xmc_tally *sum, __u32 bytes)
{
	tally->sent++;
	tally->sent_bytes += bytes;
	sum->sent++;
	sum->sent_bytes += bytes;
}

#endif
