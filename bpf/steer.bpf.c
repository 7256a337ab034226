// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steering program: redirects UDP datagrams that match a rule to the AF_XDP socket of their RX
 * queue, passes everything else to the kernel stack unchanged, and counts each packet once, by
 * reason. Each ingress interface has its own instance with its own maps.
 *
 * It fails open: without a socket in the XSKMAP (the daemon died) the packet goes to the stack. It
 * neither writes nor resizes packets: recent kernels refuse extension programs that call
 * bpf_xdp_adjust_*(), and libxdp's dispatcher runs it as one.
 */
#include "find_rule.h"

#include <xdp/xdp_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The AF_XDP socket of each RX queue. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XMC_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
	PINNED;
} sockets SEC(".maps");

/* Packets by enum xmc_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XMC_REASONS);
	__type(key, __u32);
	__type(value, __u64);
	PINNED;
} verdicts SEC(".maps");

/* Version and interface of these maps: see struct xmc_about. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_ABI_VERSION);
	__type(key, __u32);
	__type(value, struct xmc_about);
	PINNED;
} about SEC(".maps");

#ifdef XMC_PINNED
/* For libxdp's dispatcher: run after filters, whose priority is 10 or less, and hand on the packets
 * that this program passes. */
struct {
	__uint(priority, 20);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(xmcast_steer);
#endif

static __always_inline int count(__u32 reason, int action)
{
	__u64 *counter = bpf_map_lookup_elem(&verdicts, &reason);

	if (counter)
		(*counter)++; /* per CPU, and XDP is not re-entered on one CPU */
	return action;
}

/* Written only when it changes, so that the cache line stays shared by all CPUs. */
static __always_inline void record_interface(__u32 ifindex)
{
	__u32 first = 0;
	struct xmc_about *mine = bpf_map_lookup_elem(&about, &first);

	if (mine && mine->ifindex != ifindex)
		mine->ifindex = ifindex;
}

static __always_inline int steer(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	const void *data_end = (const void *)(long)ctx->data_end;
	struct xmc_datagram dgram = {};
	enum xmc_reason reason;

	reason = xmc_parse_frame(data, data_end, bpf_xdp_get_buff_len(ctx), &dgram);
	if (reason != XMC_STEERED)
		return count(reason, XDP_PASS);
	/* User space finds the rule again: a socket carries frames, not what was found here. */
	if (!find_rule(&dgram))
		return count(XMC_NO_RULE, XDP_PASS);
	if (bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS) != XDP_REDIRECT)
		return count(XMC_NO_SOCKET, XDP_PASS);
	return count(XMC_STEERED, XDP_REDIRECT);
}

SEC("xdp")
int xmcast_steer(struct xdp_md *ctx)
{
	/* First, so that no pointer to the packet has to survive the call. */
	record_interface(ctx->ingress_ifindex);
	return steer(ctx);
}
