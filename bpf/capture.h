/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Captures of the kernel path: copies of packets go into a ring that the daemon reads. A packet for
 * which there is no room is counted, and goes its way. The ring exists only during a capture.
 *
 * A program that is loaded without `can_capture` has none of this: the verifier removes it. That is
 * for kernels whose verifier does not accept the whole.
 */
#ifndef XMCAST_CAPTURE_H
#define XMCAST_CAPTURE_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/packet.h>

#include "single.h"

const volatile bool can_capture;

struct capture_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the daemon creates the ring, in a size of its own */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct capture_ring);
} captures SEC(".maps");

SINGLE(BPF_MAP_TYPE_PERCPU_ARRAY, struct xmc_capture_tally) capture_tallies SEC(".maps");

/* `room`: a constant, because the size of an entry has to be one. `snap`: at least an Ethernet
 * header.
 */
static __always_inline int copy_bytes(struct xdp_md *ctx, void *ring, __u32 tally, __u32 sent,
				      __u32 snap, const __u32 room)
{
	struct xmc_captured *captured = bpf_ringbuf_reserve(ring, sizeof(*captured) + room, 0);
	__u64 bytes = snap;

	if (!captured)
		return -1;
	captured->time_ns = bpf_ktime_get_ns();
	captured->tally = tally;
	captured->sent = sent;
	captured->length = bpf_xdp_get_buff_len(ctx);
	/* The verifier has to see both bounds in the register that the helper is called with: the
	 * compiler would compare a difference, and Linux 6.1 learns nothing from `bytes != 0`. */
	asm volatile("" : "+r"(bytes));
	if (bytes < sizeof(struct xmc_eth))
		goto discard;
	asm volatile("" : "+r"(bytes));
	if (bytes > room)
		goto discard;
	if (bpf_xdp_load_bytes(ctx, 0, captured->data, bytes))
		goto discard;
	captured->bytes = bytes;
	bpf_ringbuf_submit(captured, 0);
	return 0;
discard:
	bpf_ringbuf_discard(captured, 0);
	return -1;
}

/* Copy a packet into the ring. 0; -1: there is no room, or no ring. */
static __always_inline int copy_packet(struct xdp_md *ctx, __u32 tally, __u32 sent, __u32 snap)
{
	__u32 bytes = bpf_xdp_get_buff_len(ctx);
	void *ring = only_value(&captures);

	if (!ring)
		return -1;
	if (bytes > snap)
		bytes = snap;
	if (bytes <= XMC_CAPTURE_SMALL)
		return copy_bytes(ctx, ring, tally, sent, bytes, XMC_CAPTURE_SMALL);
	if (bytes <= XMC_CAPTURE_MIDDLE)
		return copy_bytes(ctx, ring, tally, sent, bytes, XMC_CAPTURE_MIDDLE);
	if (bytes > XMC_CAPTURE_LARGE)
		bytes = XMC_CAPTURE_LARGE;
	return copy_bytes(ctx, ring, tally, sent, bytes, XMC_CAPTURE_LARGE);
}

/* A packet is about to be sent for the output with this tally. `mark`: of the packet; not 0. The
 * snap length is not known here: the daemon cuts. */
static __noinline int capture_sent(struct xdp_md *ctx, __u32 mark, __u32 tally)
{
	struct xmc_capture_tally *counts = only_value(&capture_tallies);

	if (!counts)
		return 0;
	counts->sent++;
	if (mark != XMC_CAPTURE_TAKEN)
		counts->sent_limited++;
	else if (copy_packet(ctx, tally, 1, XMC_CAPTURE_LARGE))
		counts->sent_lost++;
	return 0;
}

#endif
