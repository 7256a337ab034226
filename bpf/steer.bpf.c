// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The steering program. It finds the rule of each packet and sends the packet on one of two paths:
 *
 *  user path    redirected unchanged to the AF_XDP socket of its RX queue
 *  kernel path  one output:      headers rewritten, redirected to the device
 *               several outputs: marked with the rule's first output (struct xmc_copy),
 *                                redirected to all devices of the rule; bpf/copy.bpf.c rewrites
 *                                each copy
 *
 * Everything else is passed to the kernel stack unchanged. Each packet is counted once, by reason.
 * Each ingress interface has its own instance with its own maps.
 *
 * It fails open: without a socket in the XSKMAP (the daemon died) packets of both paths go to the
 * stack, so an external program forwards nothing for a dead daemon. As an external program it never
 * resizes packets: recent kernels refuse extension programs that call bpf_xdp_adjust_*(), and
 * libxdp's dispatcher runs it as one.
 *
 * Loading it needs CAP_PERFMON; bpf/steer_user.bpf.c does not, but knows only the user path.
 */
#ifndef XMC_PINNED
#include "capture.h"
#endif
#include "flows.h"
#include "lease.h"
#include "outputs.h"
#include "user_path.h"

#include <xdp/xdp_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The program is loaded with BPF_F_XDP_HAS_FRAGS: packets may go on behind data_end. An external
 * one is, because its object is the same for all interfaces. */
#ifdef XMC_PINNED
#define frags	      true
#define STEER_SECTION "xdp.frags"
#else
const volatile bool frags;
#define STEER_SECTION "xdp"
#endif

/* On trial for a program that xdp-loader has attached: see cut_tags(). */
const volatile bool trial_pinned;

/*
 * Sets of devices. Set 0 has all devices, for packets with one output. The others are for packets
 * with several: a device is in such a set once for each output of a rule that leaves by it, so
 * rules share the sets. As soon as there are others, xmcast_copy is the program of the devices in
 * set 0 as well, although these packets do not need it: the kernel runs the program of the first
 * packet that a device is given for all packets of that bulk.
 *
 * The daemon creates the sets. A devmap must not be pinned: the kernel adds a flag to it, which
 * libbpf does not expect when the object is loaded again.
 */
struct device_set {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, XMC_MAX_COPIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bpf_devmap_val));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, XMC_MAX_DEVICE_SETS);
	__type(key, __u32);
	PINNED;
	__array(values, struct device_set);
} device_sets SEC(".maps");

#ifdef XMC_PINNED
/* For libxdp's dispatcher: run after filters, whose priority is 10 or less, and hand on the packets
 * that this program passes. */
struct {
	__uint(priority, 20);
	__uint(XDP_PASS, 1);
} XDP_RUN_CONFIG(xmcast_steer);
#endif

/* ---- capture ---- */

/* Not of an external program: see docs/capture.md. */
#ifdef XMC_PINNED
#define capture_no_mark()	       0
#define capture_mark(ctx, rule)	       0
#define capture_sent(ctx, mark, tally) 0
#else

struct xmc_capture_order capture_order;

/* A window has room for another packet. Without a lock: CPUs that begin a window at the same time
 * may take a packet more each. */
static __always_inline bool is_in_rate(struct xmc_capture_order *order)
{
	__u64 now_ns = bpf_ktime_get_ns();

	if (now_ns - order->began_ns >= order->window_ns) {
		order->began_ns = now_ns;
		order->used = 0;
	}
	/* Over the rate it is only read. */
	if (order->used >= order->most)
		return false;
	__sync_fetch_and_add(&order->used, 1);
	return true;
}

/* A packet of a captured rule, whose tally this is, was received. Returns its mark. */
static __noinline int capture_received(struct xdp_md *ctx, __u32 tally)
{
	struct xmc_capture_tally *counts = only_value(&capture_tallies);

	if (!counts)
		return 0;
	counts->received++;
	if (!is_in_rate(&capture_order)) {
		counts->received_limited++;
		return XMC_CAPTURE_MISSED;
	}
	if (copy_packet(ctx, tally, 0, capture_order.snap)) {
		counts->received_lost++;
		return XMC_CAPTURE_MISSED;
	}
	return XMC_CAPTURE_TAKEN;
}

/* 0. The verifier does not know that, so it need not check all that follows once for packets
 * without a mark and again for those with one: Linux 6.1 would give up. */
static __always_inline __u32 capture_no_mark(void)
{
	return can_capture ? *(const volatile __u32 *)&capture_order.zero & XMC_CAPTURE_MARKS : 0;
}

static __always_inline __u32 capture_mark(struct xdp_md *ctx, const struct xmc_rule *rule)
{
	__u32 of = can_capture ? *(const volatile __u32 *)&capture_order.of : 0;

	if (of && (of == XMC_CAPTURE_ALL || of == rule->tally + 1))
		return (__u32)capture_received(ctx, rule->tally) & XMC_CAPTURE_MARKS;
	return capture_no_mark();
}
#endif

/* ---- kernel path ---- */

/*
 * As xmc_finish(). A function of its own, which the verifier checks once and apart from what calls
 * it, because it has a long loop.
 */
__noinline int finish_checksum(struct xdp_md *ctx, int only_zero)
{
	return xmc_finish((void *)(long)ctx->data, (const void *)(long)ctx->data_end, only_zero);
}

/*
 * Headers are rewritten where they are in a frame without tags. So of one with tags the first bytes
 * are cut off: the Ethernet header is rewritten as a whole. 0; otherwise the packet is as before.
 */
static __always_inline int cut_tags(struct xdp_md *ctx, const struct xmc_datagram *dgram)
{
#ifdef XMC_PINNED
	return -1; /* no program of a dispatcher may do it */
#else
	if (trial_pinned)
		return -1;
	return bpf_xdp_adjust_head(ctx, dgram->ip_offset - (int)XMC_AT_IP);
#endif
}

/* The counters in this slot; on trial, those of the notes. */
static __always_inline struct xmc_tally *counters_in(__u32 slot)
{
	struct xmc_trial *notes;

	if (!trial)
		return tally_in(slot);
	notes = only_value(&trials);
	return notes ? &notes->tally : NULL;
}

static __always_inline int to_device(struct xdp_md *ctx, const struct xmc_datagram *dgram,
				     const struct xmc_rule *rule, struct xmc_tally *tally,
				     bool unfinished, __u32 mark)
{
	const struct xmc_output *output = output_in(rule->output);
	__u32 all = XMC_ALL_DEVICES;
	void *devices = bpf_map_lookup_elem(&device_sets, &all);

	if (!output || !devices)
		return XDP_DROP;
	if (output->tally != rule->tally)
		tally = counters_in(output->tally);
	if (!tally || rewrite(ctx, output, tally, unfinished))
		return XDP_DROP;
	if (bpf_redirect_map(devices, rule->target, XDP_DROP) != XDP_REDIRECT)
		return XDP_DROP;
	count_sent(tally, dgram->payload_length);
	if (mark)
		capture_sent(ctx, mark, output->tally);
	return XDP_REDIRECT;
}

static __always_inline int to_devices(struct xdp_md *ctx, const struct xmc_rule *rule,
				      const struct xmc_tally *tally, __u32 mark)
{
	struct xmc_copy copy = {.output = rule->output | mark,
				.packet = {(__u32)tally->received, tally->received >> 32}};
	struct xmc_eth *eth = (void *)(long)ctx->data;
	void *set;

	if ((const void *)(eth + 1) > (const void *)(long)ctx->data_end)
		return XDP_DROP;
	set = bpf_map_lookup_elem(&device_sets, &rule->target);
	if (!set)
		return XDP_DROP;
	__builtin_memcpy(eth, &copy, sizeof(copy));
	eth->type = XMC_BE16(XMC_ETH_COPY);
	/* No entry has this key, so the tracepoint reports an error without a device. */
	return bpf_redirect_map(set, ~0U, BPF_F_BROADCAST);
}

/* What is dropped here is in received of the rule and not in sent of an output. */
static __always_inline int to_outputs(struct xdp_md *ctx, const struct xmc_datagram *dgram,
				      const struct xmc_rule *rule, enum xmc_checksum checksum,
				      __u32 mark)
{
	struct xmc_tally *tally = counters_in(rule->tally);

	if (!tally)
		return XDP_DROP;
	tally->received++;
	tally->received_bytes += dgram->payload_length;
	if (dgram->ip_length > rule->mtu || checksum == XMC_CHECKSUM_TOO_LONG) {
		tally->too_large++;
		return XDP_DROP;
	}
	if (rule->kind == XMC_TO_DEVICE)
		return to_device(ctx, dgram, rule, tally, checksum == XMC_CHECKSUM_UNFINISHED,
				 mark);
	if (rule->kind == XMC_TO_DEVICES)
		return to_devices(ctx, rule, tally, mark);
	return XDP_DROP;
}

/* 0.0.0.0 or :: */
static __always_inline bool has_no_source(const struct xmc_addr *source)
{
	return !source->w[3] && !source->w[0] && !source->w[1] &&
	       (!source->w[2] || xmc_addr_is_ipv4(source));
}

static __always_inline bool in_several_buffers(const struct xdp_md *ctx, __u32 length)
{
	return frags && length > ctx->data_end - ctx->data;
}

/* As to_user(). */
static __always_inline int to_socket(struct xdp_md *ctx, const struct xmc_about *mine, __u32 length)
{
	if ((mine->capacity & XMC_ONE_BUFFER) && in_several_buffers(ctx, length))
		return count(XMC_TOO_LARGE, XDP_PASS);
	return to_user(ctx, mine, length);
}

/* Without a socket the daemon has ended: the stack gets its packets. Only the daemon's own link
 * ends with it; then a socket is missing only while a successor opens its own. */
static __always_inline bool daemon_has_ended(__u32 slot, const struct xmc_about *mine)
{
	return slot >= XMC_SOCKET_SLOTS || (!mine->own && !bpf_map_lookup_elem(&sockets, &slot));
}

static __always_inline int forward(struct xdp_md *ctx, const struct xmc_datagram *dgram,
				   const struct xmc_rule *rule, const struct xmc_about *mine,
				   __u32 length)
{
	enum xmc_checksum checksum;
	__u32 slot = socket_slot(ctx, mine);
	__u32 mark = capture_no_mark();
	bool skb = mine->skb;

	/* Too large for an interface in skb mode: several datagrams that were merged. */
	if (skb && capacity_of(mine) && length > capacity_of(mine))
		return count(XMC_TOO_LARGE, XDP_PASS);
	/* In several buffers: the kernel copies only the first one for several devices, and few
	 * devices can transmit the others. Other protocols than UDP have no user path. */
	if (in_several_buffers(ctx, length))
		return dgram->protocol ? count(XMC_TOO_LARGE, XDP_PASS)
				       : to_socket(ctx, mine, length);
	/* In skb mode all copies of a packet have the same memory. User space gives no rule with
	 * several outputs the kernel path there, but it learns the mode only when the program is
	 * attached. */
	if (skb && rule->kind == XMC_TO_DEVICES)
		return to_user(ctx, mine, length);
	if (daemon_has_ended(slot, mine))
		return pass_without_socket(slot);
	/* A packet without a source (DHCP) has none that an output could keep. The user path counts
	 * that. */
	if (!dgram->protocol && has_no_source(&dgram->source))
		return to_user(ctx, mine, length);
	/* From here on the packet cannot go to the user path in native mode. */
	if (!skb)
		mark = capture_mark(ctx, rule);
	if (dgram->ip_offset != XMC_AT_IP && (skb || cut_tags(ctx, dgram)))
		return to_user(ctx, mine, length);
	checksum =
		xmc_checksum_kind((const void *)(long)ctx->data, (const void *)(long)ctx->data_end);
	/* In skb mode the kernel has noted which checksums are unfinished, and the egress device
	 * finishes them. XDP does not see the note; where it matters, the user path takes the
	 * packet, which computes a new checksum. */
	if (checksum == XMC_CHECKSUM_UNFINISHED)
		checksum = finish_checksum(ctx, skb);
	if (checksum == XMC_CHECKSUM_EITHER)
		return to_user(ctx, mine, length);
	if (skb)
		mark = capture_mark(ctx, rule);
	/* Before the rule counts it: the books read the verdicts last (relay/books.h). */
	count(XMC_FORWARDED, 0);
	return to_outputs(ctx, dgram, rule, checksum, mark);
}

/* ---- both paths ---- */

/* The rule's lease is not held. */
static __always_inline int drop_standby(struct xdp_md *ctx, const struct xmc_datagram *dgram,
					const struct xmc_rule *rule, const struct xmc_about *mine)
{
	__u32 slot = socket_slot(ctx, mine);
	struct xmc_tally *tally;

	if (daemon_has_ended(slot, mine))
		return pass_without_socket(slot);
	/* Before the rule counts it, as in forward(). */
	count(XMC_STANDBY, 0);
	tally = counters_in(rule->tally);
	if (tally) {
		tally->received++;
		tally->received_bytes += dgram->payload_length;
		tally->standby++;
	}
	return XDP_DROP;
}

SEC(STEER_SECTION)
int xmcast_steer(struct xdp_md *ctx)
{
	const struct xmc_about *mine = record_interface(ctx->ingress_ifindex);
	const void *data = (const void *)(long)ctx->data;
	const void *data_end = (const void *)(long)ctx->data_end;
	struct xmc_datagram dgram = {};
	const struct xmc_rule *rule;
	enum xmc_reason reason;
	__u32 changes, length;

	if (!mine)
		return XDP_PASS;
	changes = *(const volatile __u32 *)&mine->changes;
	length = frags ? bpf_xdp_get_buff_len(ctx) : data_end - data;
	reason = xmc_parse_frame(data, data_end, length, &dgram);
	if (reason != XMC_STEERED && !(reason == XMC_NOT_UDP && dgram.protocol))
		return pass(ctx, reason, &dgram);
	rule = rule_of(&dgram, changes);
	if (!rule)
		return pass(ctx, reason, &dgram);
	if (rule->lease && !lease_is_held(rule->lease))
		return drop_standby(ctx, &dgram, rule, mine);
	if (rule->kind != XMC_TO_USER)
		return forward(ctx, &dgram, rule, mine, length);
	return to_socket(ctx, mine, length);
}
