// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steering program: redirects the UDP datagrams that a rule names to the AF_XDP socket of their
 * RX queue, passes everything else to the kernel stack untouched, and counts each packet once, by
 * reason. One instance, with maps of its own, per ingress interface.
 *
 * It fails open: without a socket in the XSKMAP (the daemon died) the packet goes to the stack. It
 * neither resizes nor writes packets, so that it can run inside libxdp's dispatcher.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <xdp/xdp_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/packet.h>

/* xmcast.bpf.o is for xdp-loader, which pins the maps; xmcastd's own instance leaves no trace. */
#ifdef XMC_PINNED
#define PINNED __uint(pinning, LIBBPF_PIN_BY_NAME)
#else
#define PINNED __uint(pinning, LIBBPF_PIN_NONE)
#endif

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The value is not used: the presence of a key is the rule. User space knows the outputs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	/* Twice the rules: while all of them are replaced, old keys and new ones are in it. */
	__uint(max_entries, 2 * XMC_MAX_RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xmc_rule_key);
	__type(value, __u32);
	PINNED;
} rules SEC(".maps");

/* How the keys of `rules` are made from a packet: see abi.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_FAMILIES *XMC_SHAPE_SLOTS);
	__type(key, __u32);
	__type(value, struct xmc_shape);
	PINNED;
} shapes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XMC_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
	PINNED;
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XMC_REASONS);
	__type(key, __u32);
	__type(value, __u64);
	PINNED;
} verdicts SEC(".maps");

/* Whose maps these are, see struct xmc_about. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_ABI_VERSION);
	__type(key, __u32);
	__type(value, struct xmc_about);
	PINNED;
} about SEC(".maps");

#ifdef XMC_PINNED
/* For libxdp's dispatcher: behind filters, which have priorities of 10 and less, and packets that
 * it passes go on to the next program. */
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

/* Does a rule name this datagram? Which of several does is user space's concern. Unrolled, and
 * slots looked up instead of pointed at, for loading without CAP_PERFMON: Linux 6.1 answers a loop
 * with -EINVAL then. */
static __always_inline bool has_rule(const struct xmc_datagram *dgram)
{
	__u32 first = xmc_family_of(&dgram->destination) * XMC_SHAPE_SLOTS;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < XMC_SHAPE_SLOTS; i++) {
		__u32 slot = first + i;
		const struct xmc_shape *shape = bpf_map_lookup_elem(&shapes, &slot);
		struct xmc_rule_key key;

		if (!shape || shape->state == XMC_SHAPE_END)
			return false;
		if (shape->state != XMC_SHAPE_USED)
			continue;
		xmc_shape_key(shape, dgram, &key);
		if (bpf_map_lookup_elem(&rules, &key))
			return true;
	}
	return false;
}

/* Written where it differs only: the line stays shared by all CPUs. */
static __always_inline void tell_interface(__u32 ifindex)
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
	if (!has_rule(&dgram))
		return count(XMC_NO_RULE, XDP_PASS);
	if (bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS) != XDP_REDIRECT)
		return count(XMC_NO_SOCKET, XDP_PASS);
	return count(XMC_STEERED, XDP_REDIRECT);
}

SEC("xdp")
int xmcast_steer(struct xdp_md *ctx)
{
	/* First, so that no pointer to the packet has to outlive the call. */
	tell_interface(ctx->ingress_ifindex);
	return steer(ctx);
}
