/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The header parser: Ethernet, VLAN tags, IPv4 or IPv6, UDP or another protocol; and the keys under
 * which rules are found. It is compiled into the XDP program and into user space, so that both
 * reach the same verdict about the same bytes (tests/bpf/test_differential.c compares them).
 *
 * Pure: reads [data, data_end) and nothing else. Every read is preceded by a bounds check in the
 * form that the BPF verifier understands (pointer + constant > data_end).
 *
 * Sources: RFC 791 (IPv4), RFC 1812 section 5.2.2 (checks that a router makes), RFC 768 (UDP),
 * RFC 8200 (IPv6), IEEE 802.1Q (tags, of which 802.1ad is a part today).
 */
#ifndef XMCAST_PACKET_H
#define XMCAST_PACKET_H

#include "abi.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* A UDP datagram, or a packet of another protocol, inside a frame. Offsets count bytes from the
 * start of the frame. */
struct xmc_datagram {
	struct xmc_addr source;
	struct xmc_addr destination;
	__be16 port; /* UDP destination port, never 0; 0 if it is not UDP */
	__u16 ip_offset;
	__u32 ip_length;  /* of the IP packet with its header; the frame may be longer */
	__u16 udp_offset; /* UDP only */
	__u16 payload_offset;
	__u16 payload_length; /* never exceeds the IP packet or the frame */
	__u8 protocol;	      /* as in struct xmc_rule_key: 0: UDP */
	__u32 tags;	      /* likewise */
};

/* What follows may start at any address. In BPF that needs no attribute, and clang would load
 * single bytes because of it: where the machine has no unaligned loads, drivers place the IP header
 * at a multiple of four, and the verifier relies on it. */
#ifdef __bpf__
#define XMC_UNALIGNED
#else
#define XMC_UNALIGNED __attribute__((packed))
#endif

/* Wire headers, defined here because the kernel's differ between vmlinux.h and uapi. */
struct xmc_eth {
	__u8 destination[6];
	__u8 source[6];
	__be16 type;
} XMC_UNALIGNED;

struct xmc_ipv4 {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment; /* 3 flag bits, 13 bits of offset */
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__be32 source;
	__be32 destination;
} XMC_UNALIGNED;

struct xmc_ipv6 {
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	struct xmc_addr source;
	struct xmc_addr destination;
} XMC_UNALIGNED;

struct xmc_udp {
	__be16 source;
	__be16 destination;
	__be16 length;
	__be16 checksum;
} XMC_UNALIGNED;

struct xmc_tag {
	__be16 control; /* priority, drop eligible, and in the low 12 bits the VLAN's id */
	__be16 type;	/* of what follows */
} XMC_UNALIGNED;

/* 16 bits of a header, at any alignment. */
struct xmc_half {
	__u16 value;
} __attribute__((may_alias)) XMC_UNALIGNED;

_Static_assert(sizeof(struct xmc_eth) == 14, "Ethernet header");
_Static_assert(sizeof(struct xmc_tag) == 4, "VLAN tag");
_Static_assert(XMC_TAG_8021AD == XMC_TAG_8021Q << 1, "see xmc_add_tag()");
_Static_assert(sizeof(struct xmc_ipv4) == 20, "IPv4 header");
_Static_assert(sizeof(struct xmc_ipv6) == 40, "IPv6 header");
_Static_assert(sizeof(struct xmc_udp) == 8, "UDP header");

#define XMC_ETH_IPV4  0x0800
#define XMC_ETH_IPV6  0x86dd
#define XMC_ETH_VLAN  0x8100 /* IEEE 802.1Q */
#define XMC_ETH_QINQ  0x88a8 /* IEEE 802.1ad */

#define XMC_PROTO_UDP 17

/* IPv6 extension headers that may precede UDP (RFC 8200 section 4). */
#define XMC_PROTO_HOP_BY_HOP   0
#define XMC_PROTO_ROUTING      43
#define XMC_PROTO_FRAGMENT     44
#define XMC_PROTO_DESTINATIONS 60

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define XMC_BE16(x) __builtin_bswap16(x)
#define XMC_BE32(x) __builtin_bswap32(x)
#else
#define XMC_BE16(x) (x)
#define XMC_BE32(x) (x)
#endif

/* The IPv4-mapped form of an IPv4 address in network byte order. */
static __always_inline void xmc_addr_from_ipv4(struct xmc_addr *addr, __be32 ipv4)
{
	addr->w[0] = 0;
	addr->w[1] = 0;
	addr->w[2] = XMC_BE32(0xffff);
	addr->w[3] = ipv4;
}

static __always_inline int xmc_addr_is_ipv4(const struct xmc_addr *addr)
{
	return addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == XMC_BE32(0xffff);
}

/* The mask that clears the low `host_bits` bits (0..128) of an address. */
static __always_inline void xmc_mask_from_host_bits(struct xmc_addr *mask, unsigned int host_bits)
{
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int below = 32 * (3 - i); /* bits of the address after this word */

		if (host_bits >= below + 32)
			mask->w[i] = 0;
		else if (host_bits > below)
			mask->w[i] = XMC_BE32(~0U << (host_bits - below));
		else
			mask->w[i] = ~0U;
	}
}

static __always_inline void xmc_addr_mask(struct xmc_addr *masked, const struct xmc_addr *addr,
					  const struct xmc_addr *mask)
{
	masked->w[0] = addr->w[0] & mask->w[0];
	masked->w[1] = addr->w[1] & mask->w[1];
	masked->w[2] = addr->w[2] & mask->w[2];
	masked->w[3] = addr->w[3] & mask->w[3];
}

static __always_inline enum xmc_family xmc_family_of(const struct xmc_addr *addr)
{
	return xmc_addr_is_ipv4(addr) ? XMC_IPV4 : XMC_IPV6;
}

/* The number of a key's shape: see XMC_SHAPES. */
static __always_inline unsigned int xmc_shape_of(const struct xmc_rule_key *key)
{
	return key->host_bits + (key->port ? 0 : XMC_HOST_BITS_ANY + 1U);
}

/* The number of a shape in the shape map. */
static __always_inline unsigned int xmc_shape_number(const struct xmc_shape *shape)
{
	return shape->host_bits + (shape->port_mask ? 0 : XMC_HOST_BITS_ANY + 1U);
}

/* Set everything but the state. */
static __always_inline void xmc_shape_set(struct xmc_shape *shape, unsigned int number)
{
	unsigned int host_bits = number % (XMC_HOST_BITS_ANY + 1);

	shape->host_bits = (__u8)host_bits;
	shape->port_mask = number == host_bits ? XMC_PORT_ONE : XMC_PORT_ANY;
	xmc_mask_from_host_bits(&shape->mask, host_bits);
}

/* Whether a rule of this shape can match the datagram. Only UDP has ports. */
static __always_inline int xmc_shape_fits(const struct xmc_shape *shape,
					  const struct xmc_datagram *dgram)
{
	return !dgram->protocol || !shape->port_mask;
}

/* The key of the rule of this shape that matches the datagram, if there is one. */
static __always_inline void xmc_shape_key(const struct xmc_shape *shape,
					  const struct xmc_datagram *dgram,
					  struct xmc_rule_key *key)
{
	key->source.w[1] = dgram->source.w[1] & shape->mask.w[1];
	key->source.w[3] = dgram->source.w[3] & shape->mask.w[3];
	key->group.w[1] = dgram->destination.w[1];
	key->group.w[3] = dgram->destination.w[3];
	key->tags = dgram->tags;
	key->host_bits = shape->host_bits;
	key->protocol = dgram->protocol;
	/* Debian's Linux 6.1 refuses, without CAP_PERFMON, a write into the second half of eight
	 * bytes of the stack after one into the first half. So keys are aligned to eight bytes in
	 * BPF, and the first halves come last. */
	asm volatile("" ::: "memory");
	key->source.w[0] = dgram->source.w[0] & shape->mask.w[0];
	key->source.w[2] = dgram->source.w[2] & shape->mask.w[2];
	key->group.w[0] = dgram->destination.w[0];
	key->group.w[2] = dgram->destination.w[2];
	key->port = dgram->port & shape->port_mask;
}

/*
 * A hash of a rule and its key, for the kernel path and for leases. The kernel may give the memory
 * of a rule that was replaced or removed to another rule at once, so a program that has looked up
 * one may read another, or half of both. Then the seal is wrong. (Multilinear hashing: Lemire,
 * Kaser, "Strongly universal string hashing is fast", 2014; the factors are random.)
 */
static __always_inline __u32 xmc_seal(const struct xmc_rule_key *key, const struct xmc_rule *rule)
{
	__u64 sum = 0x9fb21c651e98df25ULL;

	sum += key->source.w[0] * 0xd6e8feb86659fd93ULL;
	sum += key->source.w[1] * 0xa0761d6478bd642fULL;
	sum += key->source.w[2] * 0xe7037ed1a0b428dbULL;
	sum += key->source.w[3] * 0x8ebc6af09c88c6e3ULL;
	sum += key->group.w[0] * 0x589965cc75374cc3ULL;
	sum += key->group.w[1] * 0x1d8e4e27c47d124fULL;
	sum += key->group.w[2] * 0xeb44accab455d165ULL;
	sum += key->group.w[3] * 0x9c06faf4d023e3abULL;
	sum += (key->port | (__u32)key->host_bits << 16 | (__u32)key->protocol << 24) *
	       0xc060724a8424f345ULL;
	sum += key->tags * 0x9a3f7d1e60c5b24bULL;
	sum += rule->output * 0xcb5af53ae3aaac31ULL;
	sum += (rule->target | (__u32)rule->lease << 16) * 0x3c5a2b9f64d1d7a9ULL;
	sum += rule->tally * 0x5f7a0ea7e59b19bdULL;
	sum += (rule->mtu | (__u32)rule->kind << 16 | (__u32)rule->pad << 24) *
	       0x83b5b142866da9d5ULL;
	return sum >> 32;
}

/* The one's complement sum of a header with a correct checksum is 0xffff (RFC 1071). */
static __always_inline int xmc_ipv4_checksum_ok(const struct xmc_ipv4 *ip)
{
	const struct xmc_half *half = (const void *)ip;
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += half[i].value;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Parse UDP at `udp`, which is `at` bytes behind the start of the frame, in an IP payload of `room`
 * bytes. */
static __always_inline enum xmc_reason xmc_parse_udp(const struct xmc_udp *udp,
						     const void *data_end, __u32 at, __u32 room,
						     struct xmc_datagram *dgram)
{
	__u32 length;

	if ((const void *)(udp + 1) > data_end)
		return XMC_MALFORMED;
	length = XMC_BE16(udp->length);
	if (length < sizeof(*udp) || length > room)
		return XMC_MALFORMED;
	/* Port 0 is reserved (RFC 6335 section 6) and no socket has it, so no rule matches it,
	 * not even one for any port. */
	if (!udp->destination)
		return XMC_NO_RULE;
	dgram->port = udp->destination;
	dgram->protocol = 0;
	dgram->udp_offset = at;
	dgram->payload_offset = at + sizeof(*udp);
	dgram->payload_length = length - sizeof(*udp);
	return XMC_STEERED;
}

/* A whole packet of another protocol than UDP: its rule, if it has one, is found by the protocol.
 */
static __always_inline void xmc_describe_other(__u32 at, __u32 length, __u8 protocol,
					       struct xmc_datagram *dgram)
{
	dgram->port = 0;
	dgram->protocol = protocol;
	dgram->payload_offset = at;
	dgram->payload_length = length;
}

/* Whether xmcast relays a packet with this header, whatever its protocol. */
static __always_inline enum xmc_reason xmc_check_ipv4(const struct xmc_ipv4 *ip)
{
	if ((ip->version_ihl & 0xf) > 5)
		return XMC_IP_OPTIONS;
	if (!xmc_ipv4_checksum_ok(ip))
		return XMC_MALFORMED;
	if (ip->fragment & XMC_BE16(0x3fff)) /* more fragments, or an offset */
		return XMC_FRAGMENT;
	return XMC_STEERED;
}

/* `ip` is `at` bytes behind the start of a frame of `length` bytes. */
static __always_inline enum xmc_reason xmc_parse_ipv4(const struct xmc_ipv4 *ip,
						      const void *data_end, __u32 at, __u32 length,
						      struct xmc_datagram *dgram)
{
	enum xmc_reason reason;
	__u32 total;

	if ((const void *)(ip + 1) > data_end)
		return XMC_MALFORMED;
	if (ip->version_ihl >> 4 != 4 || (ip->version_ihl & 0xf) < 5)
		return XMC_MALFORMED;
	total = XMC_BE16(ip->total_length);
	/* A frame may be longer than its packet (Ethernet pads to 60 bytes), but not shorter. */
	if (total < (ip->version_ihl & 0xf) * 4U || total > length - at)
		return XMC_MALFORMED;
	reason = xmc_check_ipv4(ip);
	if (ip->protocol != XMC_PROTO_UDP && reason != XMC_STEERED) {
		dgram->protocol = 0;
		return XMC_NOT_UDP;
	}
	if (reason != XMC_STEERED)
		return reason;
	dgram->ip_offset = at;
	dgram->ip_length = total;
	xmc_addr_from_ipv4(&dgram->source, ip->source);
	xmc_addr_from_ipv4(&dgram->destination, ip->destination);
	at += sizeof(*ip);
	total -= sizeof(*ip);
	if (ip->protocol != XMC_PROTO_UDP) {
		xmc_describe_other(at, total, ip->protocol, dgram);
		return XMC_NOT_UDP;
	}
	return xmc_parse_udp((const void *)(ip + 1), data_end, at, total, dgram);
}

/* As xmc_parse_ipv4(). */
static __always_inline enum xmc_reason xmc_parse_ipv6(const struct xmc_ipv6 *ip,
						      const void *data_end, __u32 at, __u32 length,
						      struct xmc_datagram *dgram)
{
	__u32 payload;
	int mapped;

	if ((const void *)(ip + 1) > data_end)
		return XMC_MALFORMED;
	if ((ip->version_class_label & XMC_BE32(0xf0000000)) != XMC_BE32(0x60000000))
		return XMC_MALFORMED;
	payload = XMC_BE16(ip->payload_length);
	if (payload + sizeof(*ip) > length - at)
		return XMC_MALFORMED;
	switch (ip->next_header) {
	case XMC_PROTO_FRAGMENT:
		return XMC_FRAGMENT;
	case XMC_PROTO_HOP_BY_HOP:
	case XMC_PROTO_ROUTING:
	case XMC_PROTO_DESTINATIONS:
		return XMC_IP_OPTIONS;
	}
	dgram->ip_offset = at;
	dgram->ip_length = sizeof(*ip) + payload;
	dgram->source = ip->source;
	dgram->destination = ip->destination;
	at += sizeof(*ip);
	/* IPv4-mapped addresses must not appear on the wire, and would match IPv4 rules while
	 * bypassing IPv4 filters. The kernel drops such sources, too
	 * (draft-itojun-v6ops-v4mapped-harmful). */
	mapped = xmc_addr_is_ipv4(&dgram->source) || xmc_addr_is_ipv4(&dgram->destination);
	if (ip->next_header != XMC_PROTO_UDP) {
		xmc_describe_other(at, payload, mapped ? 0 : ip->next_header, dgram);
		return XMC_NOT_UDP;
	}
	if (mapped)
		return XMC_MALFORMED;
	return xmc_parse_udp((const void *)(ip + 1), data_end, at, payload, dgram);
}

static __always_inline int xmc_is_tag(__be16 type)
{
	return type == XMC_BE16(XMC_ETH_VLAN) || type == XMC_BE16(XMC_ETH_QINQ);
}

/* The tags of a packet, with one more inside of those so far. */
static __always_inline __u32 xmc_add_tag(__u32 tags, __be16 tpid, __be16 control)
{
	__u32 id = XMC_BE16(control) & 0xfff;

	if (!id)
		return tags;
	/* Without a branch: of the bits of the two types, this one differs. */
	return tags << 16 | XMC_TAG_8021Q << (XMC_BE16(tpid) >> 11 & 1) | id;
}

/* Where the IP header of a frame begins, behind its tags. */
struct xmc_start {
	const void *ip;
	__u32 at;    /* bytes behind the start of the frame */
	__be16 type; /* what the Ethernet header, or the last tag, says that it is */
};

/* Step over a tag. 0; -1: it is cut off. */
static __always_inline int xmc_step_over_tag(struct xmc_start *start, const void *data_end,
					     __u32 *tags)
{
	const struct xmc_tag *tag = start->ip;

	if ((const void *)(tag + 1) > data_end)
		return -1;
	*tags = xmc_add_tag(*tags, start->type, tag->control);
	start->type = tag->type;
	start->at += sizeof(*tag);
	start->ip = tag + 1;
	/* Otherwise the compiler adds a variable to a packet pointer, which the verifier refuses
	 * without CAP_PERFMON. */
	asm volatile("" : "+r"(start->ip));
	return 0;
}

/*
 * What the verifier knows of the tags would make it check all that follows once for each number and
 * kind of them. So let it forget their values: it does not know that two loads of the same bytes
 * give the same.
 */
static __always_inline void xmc_forget(const struct xmc_eth *eth, struct xmc_start *start,
				       __u32 *tags)
{
#ifdef __bpf__
	const volatile struct xmc_half *bytes = (const void *)eth;
	__u32 zero = bytes->value - bytes->value;

	start->at += zero;
	*tags += zero;
#endif
}

/*
 * Parse the frame [data, data_end) of `length` bytes. Returns XMC_STEERED if it is a whole UDP
 * datagram, and describes it in *dgram. Any other value is the reason why it is not; *dgram is
 * undefined then, except for `tags`, and after XMC_NOT_UDP: protocol is 0 if no rule may carry the
 * packet (an IPv4 fragment, options, a wrong checksum); otherwise the packet is described as well.
 * A packet that is not relayed is counted by xmc_pass_reason().
 *
 * The length is a parameter because the verifier lets a program that is loaded without CAP_PERFMON
 * neither subtract packet pointers nor add a variable to one, and because the packet may go on
 * behind data_end (XDP multi-buffer). BPF gets it from bpf_xdp_get_buff_len().
 */
static __always_inline enum xmc_reason xmc_parse_frame(const void *data, const void *data_end,
						       __u32 length, struct xmc_datagram *dgram)
{
	const struct xmc_eth *eth = data;
	struct xmc_start start = {.ip = eth + 1, .at = sizeof(*eth)};

	dgram->tags = 0;
	if ((const void *)(eth + 1) > data_end)
		return XMC_MALFORMED;
	start.type = eth->type;
	for (int i = 0; i < XMC_MAX_TAGS && xmc_is_tag(start.type); i++) {
		if (xmc_step_over_tag(&start, data_end, &dgram->tags))
			return XMC_VLAN;
	}
	xmc_forget(eth, &start, &dgram->tags);
	switch (start.type) {
	case XMC_BE16(XMC_ETH_IPV4):
		return xmc_parse_ipv4(start.ip, data_end, start.at, length, dgram);
	case XMC_BE16(XMC_ETH_IPV6):
		return xmc_parse_ipv6(start.ip, data_end, start.at, length, dgram);
	case XMC_BE16(XMC_ETH_VLAN): /* more than two tags */
	case XMC_BE16(XMC_ETH_QINQ):
		return XMC_VLAN;
	default:
		return XMC_NOT_IP;
	}
}

/* Why a packet is not relayed: it was parsed with this result and, if a rule may take it, matches
 * none. A tagged packet belongs to another interface, so what is in it does not matter here. */
static __always_inline enum xmc_reason xmc_pass_reason(enum xmc_reason parsed,
						       const struct xmc_datagram *dgram)
{
	if (dgram->tags)
		return XMC_VLAN;
	return parsed == XMC_STEERED ? XMC_NO_RULE : parsed;
}

/* ---- packets that are not relayed ---- */

/* What follows an IPv6 header in front of its payload: how the headers of RFC 8200 begin. */
struct xmc_extension {
	__u8 next_header;
	__u8 length;
	__be16 offset; /* of a fragment, and 3 flag bits in its low bits */
	__be32 id;
} XMC_UNALIGNED;

_Static_assert(sizeof(struct xmc_extension) == 8, "IPv6 extension header");

static __always_inline void xmc_describe_port(const struct xmc_udp *udp, const void *data_end,
					      struct xmc_datagram *dgram)
{
	if (!dgram->protocol && (const void *)(udp + 1) <= data_end)
		dgram->port = udp->destination;
}

static __always_inline int xmc_describe_ipv4(const struct xmc_ipv4 *ip, const void *data_end,
					     struct xmc_datagram *dgram)
{
	if ((const void *)(ip + 1) > data_end || ip->version_ihl >> 4 != 4)
		return -1;
	xmc_addr_from_ipv4(&dgram->source, ip->source);
	xmc_addr_from_ipv4(&dgram->destination, ip->destination);
	dgram->protocol = ip->protocol == XMC_PROTO_UDP ? 0 : ip->protocol;
	/* Without options, and of fragments the first one. */
	if ((ip->version_ihl & 0xf) == 5 && !(ip->fragment & XMC_BE16(0x1fff)))
		xmc_describe_port((const void *)(ip + 1), data_end, dgram);
	return 0;
}

static __always_inline int xmc_describe_ipv6(const struct xmc_ipv6 *ip, const void *data_end,
					     struct xmc_datagram *dgram)
{
	const struct xmc_extension *extension = (const void *)(ip + 1);
	__u8 next = ip->next_header;
	int fragment = next == XMC_PROTO_FRAGMENT;

	dgram->source = ip->source;
	dgram->destination = ip->destination;
	dgram->protocol = next == XMC_PROTO_UDP ? 0 : next;
	if (next != XMC_PROTO_HOP_BY_HOP && next != XMC_PROTO_ROUTING &&
	    next != XMC_PROTO_DESTINATIONS && !fragment) {
		xmc_describe_port((const void *)(ip + 1), data_end, dgram);
		return 0;
	}
	if ((const void *)(extension + 1) > data_end)
		return 0;
	next = extension->next_header;
	dgram->protocol = next == XMC_PROTO_UDP ? 0 : next;
	if (fragment && !(extension->offset & XMC_BE16(0xfff8)))
		xmc_describe_port((const void *)(extension + 1), data_end, dgram);
	return 0;
}

/*
 * Describe a packet that xmc_parse_frame() has refused, as far as it helps to find out for which
 * rule it was meant: its tags, addresses, protocol (0: UDP) and port (0: it cannot be seen, because
 * options are in front of it or it is in another fragment). The other members are undefined. 0; -1:
 * neither IPv4 nor IPv6, or cut off.
 */
static __always_inline int xmc_describe_passed(const void *data, const void *data_end,
					       struct xmc_datagram *dgram)
{
	const struct xmc_eth *eth = data;
	struct xmc_start start = {.ip = eth + 1, .at = sizeof(*eth)};

	dgram->tags = 0;
	dgram->port = 0;
	if ((const void *)(eth + 1) > data_end)
		return -1;
	start.type = eth->type;
	for (int i = 0; i < XMC_MAX_TAGS && xmc_is_tag(start.type); i++) {
		if (xmc_step_over_tag(&start, data_end, &dgram->tags))
			return -1;
	}
	xmc_forget(eth, &start, &dgram->tags);
	if (start.type == XMC_BE16(XMC_ETH_IPV4))
		return xmc_describe_ipv4(start.ip, data_end, dgram);
	if (start.type == XMC_BE16(XMC_ETH_IPV6) &&
	    (const void *)((const struct xmc_ipv6 *)start.ip + 1) <= data_end)
		return xmc_describe_ipv6(start.ip, data_end, dgram);
	return -1;
}

/* As xmc_parse_frame(), where pointers may be subtracted. */
static __always_inline enum xmc_reason xmc_parse(const void *data, const void *data_end,
						 struct xmc_datagram *dgram)
{
	return xmc_parse_frame(data, data_end, (const __u8 *)data_end - (const __u8 *)data, dgram);
}

#endif
