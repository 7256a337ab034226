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
#include "capture.h"
#include "outputs.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Count a copy of this packet for the device. Returns how many it has had before. */
static __always_inline __u32 copies_before(struct xmc_tally *first, __u64 packet)
{
	if (first->copied >> XMC_COPIED_BITS == packet)
		return ++first->copied & ((1 << XMC_COPIED_BITS) - 1);
	first->copied = packet << XMC_COPIED_BITS;
	return 0;
}

/* The first output on this interface of a rule whose first output is in `slot`. */
static __always_inline const struct xmc_output *find_output(__u32 *slot, __u32 ifindex)
{
	for (int i = 0; i < XMC_MAX_COPIES; i++) {
		const struct xmc_output *output = output_in(*slot);

		if (!output || output->ifindex == ifindex)
			return output;
		if (!output->more)
			return NULL;
		*slot += output->same;
	}
	return NULL;
}

/* What is dropped here is in received of the rule and not in sent of the output. */
static __always_inline int make_ready(struct xdp_md *ctx, const struct xmc_copy *copy)
{
	__u32 mark = copy->output & XMC_CAPTURE_MARKS;
	__u32 slot = copy->output & ~XMC_CAPTURE_MARKS;
	const struct xmc_output *output = find_output(&slot, ctx->egress_ifindex);
	struct xmc_tally *tally;
	__u32 before;

	if (!output)
		return XDP_DROP;
	tally = tally_in(output->tally);
	if (!tally)
		return XDP_DROP;
	if (output->same > 1) {
		before = copies_before(tally, copy->packet[0] | (__u64)copy->packet[1] << 32);
		if (before >= output->same)
			return XDP_DROP;
		output = output_in(slot + before);
		if (!output)
			return XDP_DROP;
		tally = tally_in(output->tally);
		if (!tally)
			return XDP_DROP;
	}
	/* The steering program has finished the checksum. */
	if (rewrite(ctx, output, tally, false))
		return XDP_DROP;
	count_sent(tally, xmc_payload_length((const void *)(long)ctx->data,
					     (const void *)(long)ctx->data_end));
	if (can_capture && mark)
		capture_sent(ctx, mark, output->tally);
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
