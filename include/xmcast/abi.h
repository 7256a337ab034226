/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the XDP program and user space share: map layouts, verdict reasons, limits.
 *
 * Fixed-width types, explicit padding and constants only, so that both compilers lay it out alike.
 * In BPF the types come from vmlinux.h, in user space from <linux/types.h>.
 */
#ifndef XMCAST_ABI_H
#define XMCAST_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Raised with every incompatible change of a layout below. */
#define XMC_ABI_VERSION 3

/* Rules of one daemon. Sizes the rule map (a hash without preallocation: unused slots cost nothing)
 * and bounds what a file may ask for. */
#define XMC_MAX_RULES 65536

/* Outputs of one rule: bounds the fan-out count of a frame. */
#define XMC_MAX_OUTPUTS 256

/* RX queues of one interface: slots of the XSKMAP. */
#define XMC_MAX_QUEUES 64

/*
 * An IPv6 address, or an IPv4 address as IPv4-mapped IPv6 (::ffff:a.b.c.d, RFC 4291 section
 * 2.5.5.2), in network byte order. All zero: no address ("any source").
 */
struct xmc_addr {
	union {
		__u8 b[16];
		__be32 w[4];
	};
};

/* Low bits of a source that a rule does not look at: none (one host), or all (any source). Between
 * them are prefixes; 10.9.0.0/16 has 16, as an IPv4 address is the end of an IPv6 one here. */
#define XMC_HOST_BITS_ONE 0
#define XMC_HOST_BITS_ANY 128

/* What a shape leaves of a packet's port. */
#define XMC_PORT_ONE 0xffff
#define XMC_PORT_ANY 0

/* Key of the rule map. */
struct xmc_rule_key {
	struct xmc_addr source; /* its low `host_bits` bits are 0 */
	struct xmc_addr group;	/* destination of the packet, multicast or unicast */
	__be16 port;		/* UDP destination port; 0: any, as no packet has that (packet.h) */
	__u8 host_bits;		/* XMC_HOST_BITS_ONE..XMC_HOST_BITS_ANY */
	__u8 pad;		/* always 0 */
};

/*
 * How a packet is looked up: once for each shape, that is for each number of host bits which the
 * rules of the interface have, those with a port and those with any apart (tuple space search:
 * Srinivasan, Suri, Varghese, SIGCOMM 1999). With (*,G) rules of ports alone that is one look-up.
 *
 * The rules of a file have at most XMC_MAX_SHAPES an interface and family. The map has twice as
 * many: while all of them are replaced, old shapes and new ones are in it.
 */
#define XMC_MAX_SHAPES	16
#define XMC_SHAPE_SLOTS (2 * XMC_MAX_SHAPES)

/* All that can be thought of, numbered from the most specific to the least: of one port, by number
 * of host bits; then of any port. */
#define XMC_SHAPES (2 * (XMC_HOST_BITS_ANY + 1))

enum xmc_family { XMC_IPV4, XMC_IPV6, XMC_FAMILIES };

enum xmc_shape_state {
	XMC_SHAPE_END,	/* this slot, and all behind it, are free */
	XMC_SHAPE_USED, /* some rule has it */
	XMC_SHAPE_FREE, /* no rule has it any more, and used ones may follow */
};

/*
 * A slot of the shape map, at index family * XMC_SHAPE_SLOTS + slot; in no order, as the program
 * only asks whether there is a rule. A slot is written while packets read it, and that may be seen
 * half done. No harm comes of it: a shape is there before the first key that has it and stays until
 * the last such key has gone, so that until then nothing, or nothing more, is found by it.
 */
struct xmc_shape {
	struct xmc_addr mask; /* the low host_bits bits 0, the others 1 */
	__u8 host_bits;
	__u8 state;	  /* enum xmc_shape_state */
	__be16 port_mask; /* XMC_PORT_ONE or XMC_PORT_ANY */
};

/*
 * Value of the map `about`, whose number of entries is XMC_ABI_VERSION: that is there from the
 * moment at which the maps are made, whoever loads the program. Only the first entry is used.
 */
struct xmc_about {
	__u32 ifindex; /* interface that the last packet came in by; 0: none since it was cleared */
	__u32 pad;
};

/*
 * What became of a packet that the XDP program saw. Exactly one is counted per packet, in a per-CPU
 * array of __u64 indexed by this. All but XMC_STEERED were passed to the kernel stack untouched.
 */
enum xmc_reason {
	XMC_STEERED,	/* a rule names it: redirected to the AF_XDP socket of its queue */
	XMC_NO_RULE,	/* UDP, but no rule names it */
	XMC_NO_SOCKET,	/* a rule names it, but its queue has no AF_XDP socket */
	XMC_NOT_IP,	/* neither IPv4 nor IPv6 */
	XMC_NOT_UDP,	/* IP, but not UDP */
	XMC_VLAN,	/* VLAN-tagged in the frame: belongs to the VLAN's own interface */
	XMC_FRAGMENT,	/* a fragment: the stack reassembles, we do not */
	XMC_IP_OPTIONS, /* IPv4 options or IPv6 extension headers */
	XMC_MALFORMED, /* truncated, lengths that contradict each other, bad IPv4 header checksum */
	XMC_REASONS,
};

/* One name per reason, for counters: stable, never renamed. */
#define XMC_REASON_NAMES                                                                           \
	{                                                                                          \
		[XMC_STEERED] = "steered", [XMC_NO_RULE] = "no_rule",                              \
		[XMC_NO_SOCKET] = "no_socket", [XMC_NOT_IP] = "not_ip", [XMC_NOT_UDP] = "not_udp", \
		[XMC_VLAN] = "vlan", [XMC_FRAGMENT] = "fragment", [XMC_IP_OPTIONS] = "ip_options", \
		[XMC_MALFORMED] = "malformed",                                                     \
	}

_Static_assert(sizeof(struct xmc_addr) == 16, "address layout");
_Static_assert(sizeof(struct xmc_rule_key) == 36, "rule key layout");
_Static_assert(sizeof(struct xmc_shape) == 20, "shape layout");

#endif
