// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sink as a tc ingress program: counts and drops probes, passes everything else.
 *
 * One packet here may be many on the wire: a GSO packet carries datagrams of gso_size bytes each
 * (the last may be shorter) behind one set of headers, whose lengths cover the whole. Each is
 * counted as the datagram that it will become. The data may lie in fragments, so it is copied out.
 */
#include "sink/maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* 65,507 bytes of the smallest probes. */
#define SEGMENTS_MAX 2048

struct batch {
	struct __sk_buff *skb;
	struct sink_totals *sums;
	__u32 offset; /* of the next datagram's payload */
	__u32 left;   /* payload bytes from there on */
	__u32 size;   /* of each datagram but the last */
	bool ours;
	struct arrival arrival;
};

static long take_segment(__u32 turn, void *data)
{
	struct batch *batch = data;
	enum probe_state state = PROBE_NONE;
	struct probe probe;
	__u32 length;

	if (!batch->left)
		return 1;
	length = batch->left < batch->size ? batch->left : batch->size;
	if (length >= sizeof(probe) &&
	    !bpf_skb_load_bytes(batch->skb, batch->offset, &probe, sizeof(probe)))
		state = probe_read(&probe, length, &batch->arrival);
	if (take(state, &batch->arrival, batch->sums))
		batch->ours = true;
	batch->offset += length;
	batch->left -= length;
	return 0;
}

/* Fill in addresses and the offset of the UDP header. */
static __always_inline enum xmc_reason read_ipv4(struct __sk_buff *skb, struct batch *batch)
{
	struct xmc_ipv4 ip;
	__u32 total;

	if (bpf_skb_load_bytes(skb, sizeof(struct xmc_eth), &ip, sizeof(ip)))
		return XMC_MALFORMED;
	total = XMC_BE16(ip.total_length);
	if (ip.version_ihl >> 4 != 4 || (ip.version_ihl & 0xf) < 5 ||
	    total < (ip.version_ihl & 0xf) * 4U || total > skb->len - sizeof(struct xmc_eth))
		return XMC_MALFORMED;
	if (ip.protocol != XMC_PROTO_UDP)
		return XMC_NOT_UDP;
	if ((ip.version_ihl & 0xf) > 5)
		return XMC_IP_OPTIONS;
	if (!xmc_ipv4_checksum_ok(&ip))
		return XMC_MALFORMED;
	if (ip.fragment & XMC_BE16(0x3fff))
		return XMC_FRAGMENT;
	xmc_addr_from_ipv4(&batch->arrival.source, ip.source);
	xmc_addr_from_ipv4(&batch->arrival.key.destination, ip.destination);
	batch->arrival.ttl = ip.ttl;
	batch->arrival.dscp = ip.tos >> 2;
	batch->offset = sizeof(struct xmc_eth) + sizeof(ip);
	batch->left = total - sizeof(ip);
	return XMC_STEERED;
}

static __always_inline enum xmc_reason read_ipv6(struct __sk_buff *skb, struct batch *batch)
{
	struct xmc_ipv6 ip;
	__u32 length;

	if (bpf_skb_load_bytes(skb, sizeof(struct xmc_eth), &ip, sizeof(ip)))
		return XMC_MALFORMED;
	length = XMC_BE16(ip.payload_length);
	if ((ip.version_class_label & XMC_BE32(0xf0000000)) != XMC_BE32(0x60000000) ||
	    length > skb->len - sizeof(struct xmc_eth) - sizeof(ip))
		return XMC_MALFORMED;
	if (ip.next_header != XMC_PROTO_UDP)
		return XMC_NOT_UDP;
	batch->arrival.source = ip.source;
	batch->arrival.key.destination = ip.destination;
	batch->arrival.ttl = ip.hop_limit;
	batch->arrival.dscp = XMC_BE32(ip.version_class_label) >> 22 & 0x3f;
	batch->offset = sizeof(struct xmc_eth) + sizeof(ip);
	batch->left = length;
	return XMC_STEERED;
}

static __always_inline enum xmc_reason read_udp(struct __sk_buff *skb, struct batch *batch)
{
	struct xmc_udp udp;
	__u32 length;

	if (batch->left < sizeof(udp) || bpf_skb_load_bytes(skb, batch->offset, &udp, sizeof(udp)))
		return XMC_MALFORMED;
	length = XMC_BE16(udp.length);
	if (length < sizeof(udp) || length > batch->left)
		return XMC_MALFORMED;
	batch->arrival.source_port = udp.source;
	batch->arrival.key.port = udp.destination;
	batch->offset += sizeof(udp);
	batch->left = length - sizeof(udp);
	batch->size = skb->gso_size ? skb->gso_size : batch->left;
	return XMC_STEERED;
}

static __always_inline enum xmc_reason read_packet(struct __sk_buff *skb, struct batch *batch)
{
	enum xmc_reason reason;

	if (skb->vlan_present)
		return XMC_VLAN;
	switch (skb->protocol) {
	case XMC_BE16(XMC_ETH_IPV4):
		reason = read_ipv4(skb, batch);
		break;
	case XMC_BE16(XMC_ETH_IPV6):
		reason = read_ipv6(skb, batch);
		break;
	default:
		return XMC_NOT_IP;
	}
	return reason == XMC_STEERED ? read_udp(skb, batch) : reason;
}

SEC("tc")
int sink_skb(struct __sk_buff *skb)
{
	struct batch batch = {};
	enum xmc_reason reason;
	__u32 zero = 0;

	batch.skb = skb;
	batch.sums = bpf_map_lookup_elem(&totals, &zero);
	if (!batch.sums)
		return TC_ACT_UNSPEC;
	reason = read_packet(skb, &batch);
	if (reason == XMC_MALFORMED) {
		batch.sums->malformed++;
		return TC_ACT_UNSPEC;
	}
	if (reason != XMC_STEERED ||
	    !filter_match(&filter, &batch.arrival.key.destination, batch.arrival.key.port)) {
		batch.sums->foreign++;
		return TC_ACT_UNSPEC;
	}
	/* An empty datagram is not a probe. */
	if (!batch.left)
		return take(PROBE_NONE, &batch.arrival, batch.sums) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
	bpf_loop(SEGMENTS_MAX, take_segment, &batch, 0);
	return batch.ours ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}
