/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The outputs of the kernel path and their counters: maps that the steering program and xmcast_copy
 * share. */
#ifndef XMCAST_OUTPUTS_H
#define XMCAST_OUTPUTS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/rewrite.h>

#include "pinned.h"

/* Sizes instead of types, because clang does not describe types at this depth. */
struct outputs_chunk {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_CHUNK);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct xmc_output));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XMC_CHUNKS);
	__type(key, __u32);
	PINNED;
	__array(values, struct outputs_chunk);
} outputs SEC(".maps");

struct tallies_chunk {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XMC_CHUNK);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct xmc_tally));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XMC_CHUNKS);
	__type(key, __u32);
	PINNED;
	__array(values, struct tallies_chunk);
} tallies SEC(".maps");

static __always_inline const struct xmc_output *output_in(__u32 slot)
{
	__u32 chunk = slot / XMC_CHUNK, index = slot % XMC_CHUNK;
	void *array = bpf_map_lookup_elem(&outputs, &chunk);

	return array ? bpf_map_lookup_elem(array, &index) : NULL;
}

static __always_inline struct xmc_tally *tally_in(__u32 slot)
{
	__u32 chunk = slot / XMC_CHUNK, index = slot % XMC_CHUNK;
	void *array = bpf_map_lookup_elem(&tallies, &chunk);

	return array ? bpf_map_lookup_elem(array, &index) : NULL;
}

/* As xmc_rewrite(), and count what has expired. `tally` is the output's. Counters are per CPU, and
 * XDP is not re-entered on one CPU. */
static __always_inline int rewrite(struct xdp_md *ctx, const struct xmc_output *output,
				   struct xmc_tally *tally, bool unfinished)
{
	int result = xmc_rewrite((void *)(long)ctx->data, (const void *)(long)ctx->data_end, output,
				 (__u16)tally->sent, unfinished);

	if (result == XMC_TTL_EXPIRED)
		tally->ttl_expired++;
	return result;
}

static __always_inline void count_sent(struct xmc_tally *tally, __u32 bytes)
{
	tally->sent++;
	tally->sent_bytes += bytes;
}

#endif
