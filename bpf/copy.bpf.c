// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program of each device that packets of one ingress interface are redirected to: it runs when
 * the kernel hands a bulk of packets to the device. It gives each copy of a packet with several
 * outputs the headers of one of them. Packets with one output have theirs already and pass.
 *
 * Which output a copy is for: all copies of a packet are the same, but those for one device come
 * one after the other, on the CPU on which the steering program ran. So the first is for the first
 * output on that device, and so on. Copies are clones: each has its own memory (but not in skb
 * mode).
 *
 * Loaded by the daemon, with the maps of the steering program.
 */
#include "outputs.h"

#include <xmcast/rewrite.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* How many copies of this packet the device has had before. */
static __always_inline __u32 copies_before(struct xmc_tally *first, __u64 packet)
{
	if (first->copied == packet)
		return ++first->copies;
	first->copied = packet;
	first->copies = 0;
	return 0;
}

/* What is dropped here is in received of the rule and not in sent of the output. */
static __always_inline int make_ready(struct xdp_md *ctx, const struct xmc_copy *copy)
{
	struct xmc_output_key key = {.forward = copy->forward, .ifindex = ctx->egress_ifindex};
	const struct xmc_output *output = bpf_map_lookup_elem(&outputs, &key);
	struct xmc_tally *sum = sum_of_all();
	struct xmc_tally *tally;

	if (!output || !sum)
		return XDP_DROP;
	tally = bpf_map_lookup_elem(&tallies, &output->tally);
	if (!tally)
		return XDP_DROP;
	if (output->same > 1) {
		key.index = copies_before(tally, copy->packet[0] | (__u64)copy->packet[1] << 32);
		if (key.index) {
			output = bpf_map_lookup_elem(&outputs, &key);
			if (!output)
				return XDP_DROP;
			tally = bpf_map_lookup_elem(&tallies, &output->tally);
			if (!tally)
				return XDP_DROP;
		}
	}
	/* The steering program has finished the checksum. */
	if (xmc_rewrite((void *)(long)ctx->data, (const void *)(long)ctx->data_end, output,
			(__u16)tally->sent, 0))
		return XDP_DROP;
	count_sent(tally, sum,
		   xmc_payload_length((const void *)(long)ctx->data,
				      (const void *)(long)ctx->data_end));
	return XDP_PASS;
}

SEC("xdp/devmap")
int xmcast_copy(struct xdp_md *ctx)
{
	const struct xmc_eth *eth = (const void *)(long)ctx->data;
	struct xmc_copy copy;

	if ((const void *)(eth + 1) > (const void *)(long)ctx->data_end)
		return XDP_DROP;
	if (eth->type != XMC_BE16(XMC_ETH_COPY))
		return XDP_PASS;
	__builtin_memcpy(&copy, eth, sizeof(copy));
	return make_ready(ctx, &copy);
}
