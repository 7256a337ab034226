/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Header rewriting of the kernel path: what changes in a packet on its way from a rule's input to
 * one output, and the checksums. Compiled into the BPF programs and into user space, where tests
 * compare it with another implementation (tests/bpf/test_rewrite.c).
 *
 * Every frame that comes here was accepted by xmc_parse_frame() with XMC_STEERED, or with
 * XMC_NOT_UDP and a protocol: an IPv4 header has 20 bytes, IPv6 has no extension headers. Every
 * access is still preceded by a bounds check, as the BPF verifier demands. Bytes after the IP
 * packet (padding) are neither read nor changed.
 *
 * Sums are of words as they are in memory, because the Internet checksum does not depend on the
 * byte order (RFC 1071 section 2 B).
 *
 * Sources: RFC 791, RFC 768, RFC 8200 section 8.1 (checksums), RFC 1624 (incremental update).
 */
#ifndef XMCAST_REWRITE_H
#define XMCAST_REWRITE_H

#include "packet.h"

/* The longest IP packet that can be rewritten: bounds the loop of xmc_sum() for the verifier, whose
 * packet offsets end at 65535. */
#define XMC_MAX_REWRITTEN 65400

/* What is in the checksum field of a packet. */
enum xmc_checksum {
	XMC_CHECKSUM_NONE,	 /* not UDP, or UDP over IPv4 without a checksum (RFC 768) */
	XMC_CHECKSUM_FINISHED,	 /* the checksum, which may be wrong */
	XMC_CHECKSUM_UNFINISHED, /* the sum of the pseudo-header, or zero over IPv6 */
	XMC_CHECKSUM_EITHER,	 /* finished or unfinished, and right in either case */
	XMC_CHECKSUM_TOO_LONG,	 /* the datagram is too long to be summed */
};

/* 32 bits of a packet, at any alignment. */
struct xmc_word {
	__u32 value;
} __attribute__((may_alias)) XMC_UNALIGNED;

/* Where the headers are in a frame of either family. */
#define XMC_AT_IP	sizeof(struct xmc_eth)
#define XMC_AT_UDP_IPV4 (XMC_AT_IP + sizeof(struct xmc_ipv4))
#define XMC_AT_UDP_IPV6 (XMC_AT_IP + sizeof(struct xmc_ipv6))

/* A sum of 32-bit words, reduced to 16 bits. */
static __always_inline __u16 xmc_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)sum;
}

/* The checksum that belongs to a sum. Zero would mean that there is none. */
static __always_inline __u16 xmc_udp_checksum(__u64 sum)
{
	__u16 checksum = (__u16)~xmc_fold(sum);

	return checksum ? checksum : 0xffff;
}

/* The complement of a sum below 2^48, not reduced: added to another sum, it subtracts this one,
 * since 0xffff is the zero of such sums. */
#define XMC_MINUS(sum) (0xffffULL * 0xffffffffULL - (sum))

/* The addresses of a pseudo-header. */
static __always_inline __u64 xmc_sum_ipv4_addrs(const struct xmc_ipv4 *ip)
{
	return (__u64)ip->source + ip->destination;
}

static __always_inline __u64 xmc_sum_ipv6_addrs(const struct xmc_ipv6 *ip)
{
	__u64 sum = 0;

	for (int i = 0; i < 4; i++)
		sum += (__u64)ip->source.w[i] + ip->destination.w[i];
	return sum;
}

/* The rest of a pseudo-header: protocol and length. */
static __always_inline __u64 xmc_sum_udp_length(const struct xmc_udp *udp)
{
	return (__u64)XMC_BE16(XMC_PROTO_UDP) + udp->length;
}

/*
 * The sum of `length` bytes from `start` on. 0; -1: they exceed the frame, or XMC_MAX_REWRITTEN.
 *
 * What is left over from whole blocks comes first, in steps of two bytes, and the loop over the
 * blocks ends the function: so the verifier has little to follow from each of its iterations. That
 * is also why the result does not say by a value of the sum that there is none.
 */
static __always_inline int xmc_sum(const __u8 *start, const void *data_end, __u32 length,
				   __u64 *result)
{
	__u32 rest = length & 62;
	const __u8 *next = start + rest;
	const struct xmc_half *half = (const void *)start;
	__u64 sum = 0;

	if (length > XMC_MAX_REWRITTEN)
		return -1;
	if (length & 1) {
		const __u8 *last = start + length - 1;

		if ((const void *)(last + 1) > data_end)
			return -1;
		sum = XMC_BE16(*last << 8);
	}
	/* Here, while the verifier knows nothing of `rest` but its bounds: otherwise it would check
	 * the second loop once for each of its values. */
	asm volatile("" : "+r"(next));
	for (__u32 i = 0; i < rest; i += 2) {
		if ((const void *)(half + 1) > data_end)
			return -1;
		sum += half->value;
		half++;
		/* Otherwise the compiler compares data_end - 2, which the verifier refuses. */
		asm volatile("" : "+r"(half));
	}
	length -= length & 63;
	for (__u32 i = 0; i <= XMC_MAX_REWRITTEN / 64; i++) {
		const struct xmc_word *word = (const void *)next;

		if (length < 64) {
			*result = sum;
			return 0;
		}
		if ((const void *)(word + 16) > data_end)
			return -1;
		for (int j = 0; j < 16; j++)
			sum += word[j].value;
		next += 64;
		asm volatile("" : "+r"(next)); /* as above */
		length -= 64;
	}
	return -1;
}

/* payload_length of struct xmc_datagram; 0 if the frame is too short. */
static __always_inline __u32 xmc_payload_length(const void *data, const void *data_end)
{
	const __u8 *bytes = data;
	const struct xmc_ipv4 *ip4 = (const void *)(bytes + XMC_AT_IP);
	const struct xmc_ipv6 *ip6 = (const void *)(bytes + XMC_AT_IP);
	const struct xmc_udp *udp = (const void *)(bytes + XMC_AT_UDP_IPV4);

	if ((const void *)(ip4 + 1) > data_end)
		return 0;
	if (ip4->version_ihl >> 4 == 4) {
		if (ip4->protocol != XMC_PROTO_UDP)
			return XMC_BE16(ip4->total_length) - sizeof(*ip4);
	} else {
		if ((const void *)(ip6 + 1) > data_end)
			return 0;
		if (ip6->next_header != XMC_PROTO_UDP)
			return XMC_BE16(ip6->payload_length);
		udp = (const void *)(bytes + XMC_AT_UDP_IPV6);
	}
	if ((const void *)(udp + 1) > data_end)
		return 0;
	return XMC_BE16(udp->length) - sizeof(*udp);
}

/* ---- before rewriting ---- */

/*
 * A local sender may leave the checksum to the device: the field has the folded sum of the
 * pseudo-header until then, which can be recognized. A finished checksum has that value by chance
 * for one datagram in 65,536.
 */
static __always_inline enum xmc_checksum xmc_checksum_kind(const void *data, const void *data_end)
{
	const __u8 *bytes = data;
	const struct xmc_ipv4 *ip4 = (const void *)(bytes + XMC_AT_IP);
	const struct xmc_ipv6 *ip6 = (const void *)(bytes + XMC_AT_IP);
	const struct xmc_udp *udp;
	__u64 pseudo;

	if ((const void *)(bytes + XMC_AT_UDP_IPV4 + sizeof(*udp)) > data_end)
		return XMC_CHECKSUM_NONE;
	if (ip4->version_ihl >> 4 == 4) {
		if (ip4->protocol != XMC_PROTO_UDP)
			return XMC_CHECKSUM_NONE;
		udp = (const void *)(bytes + XMC_AT_UDP_IPV4);
		if (!udp->checksum)
			return XMC_CHECKSUM_NONE;
		pseudo = xmc_sum_ipv4_addrs(ip4) + xmc_sum_udp_length(udp);
		return udp->checksum == xmc_fold(pseudo) ? XMC_CHECKSUM_UNFINISHED
							 : XMC_CHECKSUM_FINISHED;
	}
	if ((const void *)(bytes + XMC_AT_UDP_IPV6 + sizeof(*udp)) > data_end ||
	    ip6->next_header != XMC_PROTO_UDP)
		return XMC_CHECKSUM_NONE;
	udp = (const void *)(bytes + XMC_AT_UDP_IPV6);
	pseudo = xmc_sum_ipv6_addrs(ip6) + xmc_sum_udp_length(udp);
	return !udp->checksum || udp->checksum == xmc_fold(pseudo) ? XMC_CHECKSUM_UNFINISHED
								   : XMC_CHECKSUM_FINISHED;
}

/* Finish the checksum of a datagram with these addresses. */
static __always_inline enum xmc_checksum xmc_finish_udp(struct xmc_udp *udp, const void *data_end,
							__u64 addrs, int only_zero)
{
	__u16 field = udp->checksum;
	__u64 sum = 0;

	if (xmc_sum((const __u8 *)udp, data_end, XMC_BE16(udp->length), &sum))
		return XMC_CHECKSUM_TOO_LONG;
	sum += addrs + xmc_sum_udp_length(udp);
	if (only_zero && field)
		return xmc_fold(sum) == 0xffff ? XMC_CHECKSUM_EITHER : XMC_CHECKSUM_UNFINISHED;
	udp->checksum = xmc_udp_checksum(sum + (__u16)~field);
	return XMC_CHECKSUM_FINISHED;
}

/*
 * Sum the whole datagram, for which xmc_checksum_kind() has returned XMC_CHECKSUM_UNFINISHED, and
 * write its checksum: XMC_CHECKSUM_FINISHED. `only_zero`: write it only if the field is zero, and
 * otherwise tell unfinished checksums, which stay so, from those that may also be finished ones:
 * XMC_CHECKSUM_UNFINISHED, XMC_CHECKSUM_EITHER.
 */
static __always_inline enum xmc_checksum xmc_finish(void *data, const void *data_end, int only_zero)
{
	__u8 *bytes = data;
	struct xmc_ipv4 *ip4 = (void *)(bytes + XMC_AT_IP);
	struct xmc_ipv6 *ip6 = (void *)(bytes + XMC_AT_IP);

	if ((const void *)(bytes + XMC_AT_UDP_IPV4 + sizeof(struct xmc_udp)) > data_end)
		return XMC_CHECKSUM_TOO_LONG;
	if (ip4->version_ihl >> 4 == 4)
		return xmc_finish_udp((void *)(bytes + XMC_AT_UDP_IPV4), data_end,
				      xmc_sum_ipv4_addrs(ip4), only_zero);
	if ((const void *)(bytes + XMC_AT_UDP_IPV6 + sizeof(struct xmc_udp)) > data_end)
		return XMC_CHECKSUM_TOO_LONG;
	return xmc_finish_udp((void *)(bytes + XMC_AT_UDP_IPV6), data_end, xmc_sum_ipv6_addrs(ip6),
			      only_zero);
}

/* ---- rewriting ---- */

#define XMC_TTL_EXPIRED 1

static __always_inline void xmc_rewrite_eth(struct xmc_eth *eth, const struct xmc_output *output,
					    __be16 type)
{
	__builtin_memcpy(eth->destination, output->mac_to, sizeof(eth->destination));
	__builtin_memcpy(eth->source, output->mac_from, sizeof(eth->source));
	eth->type = type;
}

/* The TTL or hop limit with which a packet leaves that came with this one. */
static __always_inline __u8 xmc_new_ttl(const struct xmc_output *output, __u8 ttl)
{
	if (output->flags & XMC_KEEP_TTL)
		return ttl;
	if (output->flags & XMC_DECREMENT_TTL)
		return ttl ? ttl - 1 : 0;
	return output->ttl;
}

/* The same for the traffic class. Of its own a packet keeps the DSCP, not the ECN bits, which
 * belong to the flow between its sender and the relay. */
static __always_inline __u8 xmc_new_tos(const struct xmc_output *output, __u8 tos)
{
	return output->flags & XMC_KEEP_TOS ? tos & 0xfc : output->tos;
}

/* Is a packet dropped that would leave with this TTL? */
static __always_inline int xmc_has_expired(const struct xmc_output *output, __u8 ttl)
{
	return !ttl && output->flags & (XMC_KEEP_TTL | XMC_DECREMENT_TTL);
}

/* `before` and `after`: the sums of the addresses. A finished checksum is updated incrementally
 * (RFC 1624, equation 3); of an unfinished one only the pseudo-header is in the field. */
static __always_inline void xmc_rewrite_udp(struct xmc_udp *udp, const struct xmc_output *output,
					    __u64 before, __u64 after, int unfinished)
{
	__be16 source_port = output->flags & XMC_KEEP_SOURCE ? udp->source : output->source_port;
	__be16 port = output->port ? output->port : udp->destination;
	__u16 field = udp->checksum;

	before += (__u64)udp->source + udp->destination;
	if (unfinished)
		udp->checksum = xmc_fold(after + xmc_sum_udp_length(udp));
	else if (field)
		udp->checksum = xmc_udp_checksum((__u16)~field + XMC_MINUS(before) + after +
						 source_port + port);
	udp->source = source_port;
	udp->destination = port;
}

static __always_inline int xmc_rewrite_ipv4(void *data, const void *data_end,
					    const struct xmc_output *output, __u16 id,
					    int unfinished)
{
	__u8 *bytes = data;
	struct xmc_ipv4 *ip = (void *)(bytes + XMC_AT_IP);
	struct xmc_udp *udp = (void *)(bytes + XMC_AT_UDP_IPV4);
	__be16 id_be = XMC_BE16(id);
	__u64 before, after;
	__be32 source;
	__u8 ttl, tos;

	if ((const void *)(ip + 1) > data_end)
		return -1;
	ttl = xmc_new_ttl(output, ip->ttl);
	if (xmc_has_expired(output, ttl))
		return XMC_TTL_EXPIRED;
	tos = xmc_new_tos(output, ip->tos);
	source = output->flags & XMC_KEEP_SOURCE ? ip->source : output->source.w[3];
	before = xmc_sum_ipv4_addrs(ip);
	after = (__u64)source + output->destination.w[3];
	/* Not of the bytes in the packet: reading words of which parts have just been written is
	 * slow. */
	ip->checksum =
		(__u16)~xmc_fold(after + XMC_BE16(ip->version_ihl << 8 | tos) + ip->total_length +
				 id_be + XMC_BE16(ttl << 8 | ip->protocol));
	ip->tos = tos;
	ip->id = id_be;
	ip->fragment = 0;
	ip->ttl = ttl;
	ip->source = source;
	ip->destination = output->destination.w[3];
	if (ip->protocol == XMC_PROTO_UDP) {
		if ((const void *)(udp + 1) > data_end)
			return -1;
		xmc_rewrite_udp(udp, output, before, after, unfinished);
	}
	xmc_rewrite_eth(data, output, XMC_BE16(XMC_ETH_IPV4));
	return 0;
}

static __always_inline int xmc_rewrite_ipv6(void *data, const void *data_end,
					    const struct xmc_output *output, int unfinished)
{
	__u8 *bytes = data;
	struct xmc_ipv6 *ip = (void *)(bytes + XMC_AT_IP);
	struct xmc_udp *udp = (void *)(bytes + XMC_AT_UDP_IPV6);
	__u64 before;
	__u8 ttl, tos;

	if ((const void *)(ip + 1) > data_end)
		return -1;
	ttl = xmc_new_ttl(output, ip->hop_limit);
	if (xmc_has_expired(output, ttl))
		return XMC_TTL_EXPIRED;
	tos = xmc_new_tos(output, XMC_BE32(ip->version_class_label) >> 20);
	before = xmc_sum_ipv6_addrs(ip);
	ip->version_class_label = XMC_BE32(6U << 28 | (__u32)tos << 20);
	ip->hop_limit = ttl;
	if (!(output->flags & XMC_KEEP_SOURCE))
		ip->source = output->source;
	ip->destination = output->destination;
	if (ip->next_header == XMC_PROTO_UDP) {
		if ((const void *)(udp + 1) > data_end)
			return -1;
		xmc_rewrite_udp(udp, output, before, xmc_sum_ipv6_addrs(ip), unfinished);
	}
	xmc_rewrite_eth(data, output, XMC_BE16(XMC_ETH_IPV6));
	return 0;
}

/*
 * Give the packet the headers of an output: Ethernet, IP, and UDP with its checksum, which is none
 * or finished; or unfinished, and stays so, if `unfinished` is not 0. `id`: identification of the
 * IPv4 packet, in host order. The family is that of the packet, and must be that of the output.
 * 0; XMC_TTL_EXPIRED: its TTL or hop limit would be 0, and nothing has changed: drop it; -1: the
 * frame is too short, and changed in part: drop it.
 */
static __always_inline int xmc_rewrite(void *data, const void *data_end,
				       const struct xmc_output *output, __u16 id, int unfinished)
{
	const __u8 *version = (const __u8 *)data + XMC_AT_IP;

	if ((const void *)(version + 1) > data_end)
		return -1;
	if (*version >> 4 == 4)
		return xmc_rewrite_ipv4(data, data_end, output, id, unfinished);
	return xmc_rewrite_ipv6(data, data_end, output, unfinished);
}

#endif
