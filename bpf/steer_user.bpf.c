// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steering program for a daemon without CAP_PERFMON: bpf/steer.bpf.c without the kernel path.
 * What the verifier then refuses is written differently here: packet pointers have constant
 * offsets, and the length of the packet comes from a helper. It is compiled for BPF version 2,
 * because Debian's Linux 6.1 then also refuses a second write into eight bytes of the stack of
 * which four have been written before, and clang does that when it has 32-bit registers.
 */
#define XMC_USER_PATH_ONLY

#include "find_rule.h"
#include "user_path.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int xmcast_steer_user(struct xdp_md *ctx)
{
	/* First, so that no pointer to the packet has to survive the call. */
	const struct xmc_about *mine = record_interface(ctx->ingress_ifindex);
	const void *data = (const void *)(long)ctx->data;
	const void *data_end = (const void *)(long)ctx->data_end;
	struct xmc_datagram dgram = {};
	enum xmc_reason reason;
	__u32 length;

	if (!mine)
		return XDP_PASS;
	length = bpf_xdp_get_buff_len(ctx);
	reason = xmc_parse_frame(data, data_end, length, &dgram);
	if (reason != XMC_STEERED || !find_rule(&dgram).rule)
		return count(xmc_pass_reason(reason, &dgram), XDP_PASS);
	return to_user(ctx, mine, length);
}
