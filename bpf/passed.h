/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Notes about packets that no rule takes: what they are, how many, and when the last one came, so
 * that a user learns that the packets which a rule waits for arrive with a VLAN tag, in fragments
 * or from another source (user/daemon/diagnosis.h). They are no counters: there is one place for
 * all packets with the same hash, and who has it keeps it for as long as its packets come.
 */
#ifndef XMCAST_PASSED_H
#define XMCAST_PASSED_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/packet.h>

#include "pinned.h"

/* A place is free when nothing has come for this time. */
#define PASSED_FREE_NS 1000000000ULL

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XMC_PASSED_NOTES);
	__type(key, __u32);
	__type(value, struct xmc_passed);
	PINNED;
} passed SEC(".maps");

static __always_inline __u32 passed_place(const struct xmc_datagram *dgram, __u32 reason)
{
	__u64 hash =
		dgram->source.w[3] * 0xd6e8feb86659fd93ULL +
		dgram->destination.w[3] * 0xa0761d6478bd642fULL +
		(dgram->port | dgram->protocol << 16 | reason << 24 | (__u64)dgram->tags << 32) *
			0xe7037ed1a0b428dbULL;

	return (hash >> 32) % XMC_PASSED_NOTES;
}

static __always_inline bool passed_is(const struct xmc_passed *note,
				      const struct xmc_datagram *dgram, __u32 reason)
{
	__u32 differ = (note->port ^ dgram->port) | (note->protocol ^ dgram->protocol) |
		       (note->tags ^ dgram->tags) | (note->reason ^ reason);

	for (int i = 0; i < 4; i++)
		differ |= (note->source.w[i] ^ dgram->source.w[i]) |
			  (note->destination.w[i] ^ dgram->destination.w[i]);
	return !differ;
}

/*
 * Note a packet that is passed for this reason. Packets to groups take a place from others.
 *
 * A function of its own, which the verifier checks once and apart from what calls it.
 */
__noinline int note_passed(struct xdp_md *ctx, __u32 reason)
{
	const void *data = (const void *)(long)ctx->data;
	const void *data_end = (const void *)(long)ctx->data_end;
	__u64 now_ns = bpf_ktime_get_coarse_ns();
	struct xmc_datagram dgram = {};
	struct xmc_passed *note;
	__u32 place, group;

	if (xmc_describe_passed(data, data_end, &dgram))
		return 0;
	place = passed_place(&dgram, reason);
	note = bpf_map_lookup_elem(&passed, &place);
	if (!note)
		return 0;
	if (!note->packets || !passed_is(note, &dgram, reason)) {
		/* The lowest bit of the first byte of an Ethernet address. */
		group = *(const volatile __u8 *)data & 1;
		if (note->packets && now_ns - note->last_ns < PASSED_FREE_NS &&
		    note->group >= group)
			return 0;
		note->source = dgram.source;
		note->destination = dgram.destination;
		note->port = dgram.port;
		note->protocol = dgram.protocol;
		note->reason = reason;
		note->tags = dgram.tags;
		note->group = group;
		note->packets = 0;
	}
	note->packets++;
	note->last_ns = now_ns;
	return 0;
}

/*
 * Is it one that a rule may have been meant for? A packet of another protocol only if it was
 * refused for what it is: among these are the queries of multicast routers, but not TCP.
 */
static __always_inline bool passed_matters(__u32 reason, const struct xmc_datagram *dgram)
{
	return reason == XMC_NO_RULE || reason == XMC_VLAN || reason == XMC_FRAGMENT ||
	       reason == XMC_IP_OPTIONS || (reason == XMC_NOT_UDP && !dgram->protocol);
}

#endif
