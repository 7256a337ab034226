// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tells which rule the steering program finds for a packet: the slot of its output + 1, or 0.
 * Shares the steering program's maps and its look-up. */
#include "../../bpf/find_rule.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int which(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	const void *data_end = (const void *)(long)ctx->data_end;
	struct xmc_datagram dgram = {};
	const struct xmc_rule *rule;
	enum xmc_reason reason;

	reason = xmc_parse_frame(data, data_end, bpf_xdp_get_buff_len(ctx), &dgram);
	if (reason != XMC_STEERED && !(reason == XMC_NOT_UDP && dgram.protocol))
		return 0;
	rule = find_rule(&dgram).rule;
	return rule ? (int)rule->output + 1 : 0;
}
