/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF programs and user space share: map layouts, verdict reasons, limits.
 *
 * Only fixed-width types, explicit padding and constants, so that both compilers agree on the
 * layout. In BPF the types come from vmlinux.h, in user space from <linux/types.h>.
 */
#ifndef XMCAST_ABI_H
#define XMCAST_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Incremented with every incompatible change of the layouts below or of their meaning. */
#define XMC_ABI_VERSION 9

/* Rules of one daemon. Sizes the rule map (a hash without preallocation: unused slots cost nothing)
 * and bounds what a file may ask for. */
#define XMC_MAX_RULES 65536

/* Outputs of one rule: bounds the fan-out count of a frame. */
#define XMC_MAX_OUTPUTS 256

/* RX queues of one device, and members of one bond: together the slots of the XSKMAP. */
#define XMC_MAX_QUEUES	 64
#define XMC_MAX_MEMBERS	 8
#define XMC_SOCKET_SLOTS (XMC_MAX_MEMBERS * XMC_MAX_QUEUES)

/* In place of the slot of a bond's member: the bond does not use the member now, and ignores what
 * arrives there, which may be copies of what the other members receive. */
#define XMC_INACTIVE_SLOT 0x10000

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

/* How many low bits of a packet's source a rule ignores: none (the rule names one host), all (any
 * source), or the host bits of a prefix. 10.9.0.0/16 ignores 16, as for IPv6, because an IPv4
 * address is the low end of an IPv6 one here. */
#define XMC_HOST_BITS_ONE 0
#define XMC_HOST_BITS_ANY 128

/* Masks for a packet's port: keep it, or ignore it. */
#define XMC_PORT_ONE 0xffff
#define XMC_PORT_ANY 0

/*
 * The VLAN tags of a packet in one number. One tag: XMC_TAG_8021Q or XMC_TAG_8021AD, and the VLAN's
 * id. Two: the outer one in the upper 16 bits, the inner one in the lower. 0: it is untagged. A tag
 * with id 0 carries only a priority (IEEE 802.1Q) and is left out.
 */
#define XMC_TAG_8021Q  0x1000
#define XMC_TAG_8021AD 0x2000
#define XMC_MAX_TAGS   2

/* Key of the rule map. */
struct xmc_rule_key {
	struct xmc_addr source; /* its low `host_bits` bits are 0 */
	struct xmc_addr group;	/* destination of the packet, multicast or unicast */
	__be16 port;	/* UDP destination port; 0: any, since no packet has it (packet.h) */
	__u8 host_bits; /* XMC_HOST_BITS_ONE..XMC_HOST_BITS_ANY */
	__u8 protocol;	/* 0: UDP; otherwise the IP protocol, and the port is 0 */
	__u32 tags;	/* VLAN tags of its packets, see above */
};

/* Where the packets of a rule go. */
enum xmc_target {
	XMC_TO_USER,	/* the user path: the AF_XDP socket of the RX queue */
	XMC_TO_DEVICE,	/* the kernel path, one usable output */
	XMC_TO_DEVICES, /* the kernel path, several usable outputs */
	XMC_TO_NOTHING, /* the kernel path, no usable output: counted and dropped */
};

/* Value of the rule map. All are 0 if `kind` is XMC_TO_USER, except that a rule with a lease has
 * `lease`, `tally` and `seal`. */
struct xmc_rule {
	__u32 output; /* slot of its first usable output in the map outputs */
	__u16 target; /* index of the device in set XMC_ALL_DEVICES; or of the set */
	__u16 lease;  /* slot in the map leases; 0: it has none */
	__u32 tally;  /* slot in the map tallies: received, received_bytes, too_large, standby */
	__u32 seal;   /* xmc_seal(), see there */
	__u16 mtu;    /* least MTU of its outputs: larger IP packets are dropped for all of them */
	__u8 kind;    /* enum xmc_target */
	__u8 pad;
};

/* What a packet keeps of its own headers on its way to an output: struct xmc_output.flags. */
#define XMC_KEEP_SOURCE	  0x1 /* source address and, of UDP, source port */
#define XMC_KEEP_TTL	  0x2 /* or hop limit */
#define XMC_DECREMENT_TTL 0x4 /* likewise, less one; if that is 0, the packet is dropped */
#define XMC_KEEP_TOS	  0x8 /* the DSCP */

/* Usable outputs of one rule on the kernel path. */
#define XMC_MAX_COPIES 64

/*
 * The maps outputs and tallies are maps of arrays, whose entries are numbered through: slot i is
 * entry i % XMC_CHUNK of array i / XMC_CHUNK. BPF programs find them without a call, unlike the
 * entries of a hash, and arrays are only there as far as they are needed.
 */
#define XMC_CHUNK  2048
#define XMC_CHUNKS 128

/*
 * One output on the kernel path: the headers with which packets leave. The usable outputs of a rule
 * are in consecutive slots, those on one interface one after the other.
 *
 * An output never changes: a rule whose outputs change in any way gets new slots, and the old ones
 * are reused after a grace period. So packets never see half a change.
 */
struct xmc_output {
	struct xmc_addr source;
	struct xmc_addr destination;
	__be16 source_port; /* UDP only */
	__be16 port;	    /* UDP only; 0: the packet keeps its destination port */
	__u8 mac_to[6];
	__u8 mac_from[6];
	__u8 ttl;      /* or hop limit */
	__u8 tos;      /* or traffic class */
	__u8 same;     /* outputs from here on that are on the same interface, this one included */
	__u8 more;     /* 0: no output of this rule on another interface follows */
	__u32 tally;   /* slot: sent, sent_bytes */
	__u32 ifindex; /* of the egress interface */
	__u32 flags;   /* XMC_KEEP_…, XMC_DECREMENT_TTL: instead of the values above */
};

/*
 * Counters of a rule, of an output, or of both: the first output of a rule has the same ones as the
 * rule, which saves a look-up. Per-CPU value of the map tallies. Bytes are of the UDP payload, or
 * of the IP payload if it is not UDP.
 */
struct xmc_tally {
	__u64 received;
	__u64 received_bytes;
	__u64 too_large;
	__u64 sent; /* redirected to the device; the device may still drop it */
	__u64 sent_bytes;
	__u64 ttl_expired; /* dropped for an output, see XMC_DECREMENT_TTL */
	__u64 standby;	   /* of the received: dropped, because the rule's lease was not held */
	/* Scratch of xmcast_copy for the first of several outputs on one interface: the packet, as
	 * in struct xmc_copy, that was copied last; in the lowest XMC_COPIED_BITS the number of its
	 * copies so far, less one. */
	__u64 copied;
};

/*
 * How the packet of a rule with several outputs travels to the program that makes one copy of it
 * ready (bpf/copy.bpf.c): in place of the Ethernet addresses, which are rewritten anyway, and with
 * this Ethernet type in place of its own. A copy that got out like this would be ignored by every
 * receiver.
 */
struct xmc_copy {
	__u32 output;	 /* slot of the rule's first usable output */
	__u32 packet[2]; /* number of the packet, unique on this CPU: received of its rule */
};

/* In struct xmc_copy.output, above the slot: the packet was captured, or left out of the capture.
 */
#define XMC_CAPTURE_TAKEN  0x40000000
#define XMC_CAPTURE_MISSED 0x80000000
#define XMC_CAPTURE_MARKS  (XMC_CAPTURE_TAKEN | XMC_CAPTURE_MISSED)

#define XMC_ETH_COPY	   0x88b5 /* IEEE 802: for local experiments */

#define XMC_COPIED_BITS	   8

/*
 * One shard of a lease, as the daemon writes it into the maps `leases` and the programs read it: a
 * rule with a lease relays while from_ns <= now < until_ns. Slot 0 is no lease.
 *
 * Who sends what, so that two hosts whose times do not overlap never send one packet twice, and a
 * hand-over loses none: the XDP program decides when a packet arrives. A packet that it has let
 * pass may leave for XMC_LEASE_DRAIN_NS longer, so that what has arrived in time is still sent;
 * whatever is later (the daemon was stopped) is dropped by the egress thread or, if that has
 * checked before it was stopped, in the kernel (bpf/guard.bpf.c).
 *
 * Written while packets are looked up: see xmcast/lease.h.
 */
struct xmc_lease {
	__u64 from_ns;	/* CLOCK_MONOTONIC */
	__u64 until_ns; /* likewise; 0: nothing holds the shard */
	/* The XDP programs' own, see bpf/lease.h: reading the clock costs 20 to 35 ns, a tenth of
	 * what a packet costs on the kernel path. */
	__u64 calm;
	__u64 serial; /* odd while the times change, otherwise different after each change but a
			 later until_ns */
	__u64 apart[4];
};

/* Shards of all leases of one daemon. */
#define XMC_LEASE_SLOTS 8192

/* A pass of the user path takes less, also under full load: 16,384 frames at 1.6 M packets/s. */
#define XMC_LEASE_DRAIN_NS 10000000ULL

/* Entries of the map device_sets: one set of all devices, for rules with one output; the others for
 * rules with several, as many as there are different sets of egress interfaces. */
#define XMC_MAX_DEVICE_SETS 256
#define XMC_ALL_DEVICES	    0

/* Egress interfaces of the rules of one ingress interface that have one output. */
#define XMC_MAX_DEVICES 4096

/*
 * Rules are found by shape. Keys have the same shape if they ignore the same number of host bits
 * and either all name a port or all take any. A packet is looked up once per shape that the rules
 * of its interface have (tuple space search: Srinivasan, Suri, Varghese, SIGCOMM 1999). If all
 * rules are (*,G) with a port, that is one look-up.
 *
 * The rules of a file have at most XMC_MAX_SHAPES shapes per interface and family. The map has
 * twice as many slots: while all rules are replaced, it holds old and new shapes.
 */
#define XMC_MAX_SHAPES	16
#define XMC_SHAPE_SLOTS (2 * XMC_MAX_SHAPES)

/* All possible shapes are numbered from the most specific to the least: with a port, by number of
 * host bits; then with any port. Of all rules that match a packet, the one whose shape
 * has the lowest number gets it. */
#define XMC_SHAPES (2 * (XMC_HOST_BITS_ANY + 1))

enum xmc_family { XMC_IPV4, XMC_IPV6, XMC_FAMILIES };

enum xmc_shape_state {
	XMC_SHAPE_END,	/* this slot and all that follow are free */
	XMC_SHAPE_USED, /* some rule has this shape */
	XMC_SHAPE_FREE, /* no rule has it any more; used slots may follow */
};

/*
 * A slot of the shape map, at index family * XMC_SHAPE_SLOTS + slot. Slots are not sorted: a shape
 * could not move to another slot without being missed by packets that are just being looked up.
 *
 * Packets may read a slot while it is half written. That is harmless, because a shape is written
 * before the first key that has it and removed after the last one: until then no key matches it.
 */
struct xmc_shape {
	struct xmc_addr mask; /* the low host_bits bits are 0, the others 1 */
	__u8 host_bits;
	__u8 state;	  /* enum xmc_shape_state */
	__be16 port_mask; /* XMC_PORT_ONE or XMC_PORT_ANY */
};

/*
 * Value of the map `about`. The map has XMC_ABI_VERSION entries, so that the version can be read
 * from the moment at which the maps are created, whichever program loads them. Only the first entry
 * is used.
 */
struct xmc_about {
	__u32 ifindex;	/* ingress interface of the last packet; 0: none since it was cleared */
	__u32 skb;	/* 1: the program runs in skb mode; written by the daemon */
	__u32 changes;	/* of the maps rules and shapes, each counted after it was made */
	__u32 members;	/* 1: it runs on the members of a bond, see the map members */
	__u32 capacity; /* bytes of a frame that fit the sockets, headers included; 0: any;
			   XMC_ONE_BUFFER may be set as well */
	__u32 own; /* 1: it is attached by the daemon's own link, and all RX queues are served: the
		      kernel path does not need the sockets */
};

/* In xmc_about.capacity: the sockets receive no packets in several buffers, whatever their length.
 * Before Linux 6.6 the kernel drops such a packet without counting it. */
#define XMC_ONE_BUFFER (1U << 31)

/*
 * What the XDP program did with a packet. Exactly one reason is counted per packet, in a per-CPU
 * array of __u64 indexed by this. All but the first three were passed to the kernel stack
 * unchanged.
 */
enum xmc_reason {
	XMC_STEERED,   /* user path: redirected to the AF_XDP socket of its queue */
	XMC_FORWARDED, /* kernel path: redirected to devices, or dropped; see struct xmc_tally */
	XMC_STANDBY,   /* dropped: matches a rule whose lease is not held */
	XMC_NO_RULE,   /* UDP, but matches no rule */
	XMC_NO_SOCKET, /* matches a rule, but its queue has no AF_XDP socket */
	XMC_INACTIVE_MEMBER, /* matches a rule, but came by a member that its bond does not use */
	XMC_TOO_LARGE,	     /* matches a rule, but does not fit a frame of the socket */
	XMC_NOT_IP,	     /* neither IPv4 nor IPv6 */
	XMC_NOT_UDP,	     /* IP, but not UDP, and matches no rule for its protocol */
	XMC_VLAN,	     /* has a VLAN tag, and matches no rule: for the VLAN's own interface */
	XMC_FRAGMENT,	     /* a fragment: the stack reassembles, xmcast does not */
	XMC_IP_OPTIONS,	     /* IPv4 options or IPv6 extension headers */
	XMC_MALFORMED,	     /* truncated, contradictory lengths, or a wrong IPv4 header checksum */
	XMC_REASONS,
};

/* Names of the reasons, for counters: stable, never renamed. */
#define XMC_REASON_NAMES                                                                           \
	{                                                                                          \
		[XMC_STEERED] = "steered", [XMC_FORWARDED] = "forwarded",                          \
		[XMC_STANDBY] = "standby", [XMC_NO_RULE] = "no_rule",                              \
		[XMC_NO_SOCKET] = "no_socket", [XMC_INACTIVE_MEMBER] = "inactive_member",          \
		[XMC_TOO_LARGE] = "too_large", [XMC_NOT_IP] = "not_ip", [XMC_NOT_UDP] = "not_udp", \
		[XMC_VLAN] = "vlan", [XMC_FRAGMENT] = "fragment", [XMC_IP_OPTIONS] = "ip_options", \
		[XMC_MALFORMED] = "malformed",                                                     \
	}

/*
 * Why a device dropped packets that the XDP program had redirected to it: the error of the
 * tracepoint xdp_devmap_xmit, or no error but fewer packets accepted than offered.
 */
enum xmc_device_drop {
	XMC_DEVICE_RING_FULL,  /* no error: the transmit ring had no room for them */
	XMC_DEVICE_ENXIO,      /* the device cannot transmit redirected packets now */
	XMC_DEVICE_EOPNOTSUPP, /* its driver cannot transmit redirected packets at all */
	XMC_DEVICE_ENETDOWN,   /* it is down */
	XMC_DEVICE_EMSGSIZE,   /* larger than its MTU */
	XMC_DEVICE_EINVAL,
	XMC_DEVICE_ENOMEM,
	XMC_DEVICE_OTHER, /* any other error */
	XMC_DEVICE_DROPS,
};

/* Names of these, for counters: stable, never renamed. */
#define XMC_DEVICE_DROP_NAMES                                                                      \
	{                                                                                          \
		[XMC_DEVICE_RING_FULL] = "ring_full", [XMC_DEVICE_ENXIO] = "ENXIO",                \
		[XMC_DEVICE_EOPNOTSUPP] = "EOPNOTSUPP", [XMC_DEVICE_ENETDOWN] = "ENETDOWN",        \
		[XMC_DEVICE_EMSGSIZE] = "EMSGSIZE", [XMC_DEVICE_EINVAL] = "EINVAL",                \
		[XMC_DEVICE_ENOMEM] = "ENOMEM", [XMC_DEVICE_OTHER] = "other",                      \
	}

/*
 * What became of redirected packets at an egress interface (bpf/transmit.bpf.c): packets from one
 * interface to another, counted per CPU.
 */
struct xmc_device_key {
	__u32 from; /* interface index of the ingress interface */
	__u32 to;   /* of the egress interface */
};

/* Pairs of interfaces that can be counted at the same time. */
#define XMC_MAX_DEVICE_PAIRS 4096

/* Members of bonds whose packets can be counted at the same time. */
#define XMC_MAX_BOND_MEMBERS 512

struct xmc_device_counts {
	__u64 sent;
	__u64 dropped[XMC_DEVICE_DROPS];
};

/*
 * A note about packets that no rule takes (bpf/passed.h), per CPU. `packets`: since it has this
 * place. Port and protocol as in struct xmc_datagram, 0 if they cannot be seen.
 */
struct xmc_passed {
	struct xmc_addr source;
	struct xmc_addr destination;
	__be16 port;
	__u8 protocol;
	__u8 reason; /* enum xmc_reason */
	__u32 tags;
	__u64 packets; /* 0: there is no note here */
	__u64 last_ns; /* CLOCK_MONOTONIC of the last one, to some milliseconds */
	__u32 group;   /* 1: they are for a group of hosts (Ethernet) */
	__u32 pad;
};

#define XMC_PASSED_NOTES 1024

/*
 * What the steering program notes about one packet, instead of counting it, when it runs on trial
 * (bpf/trial.h). `reason` is XMC_REASONS before the run.
 */
struct xmc_trial {
	/* On the kernel path: what would have been counted for the rule or its output. At offset 0:
	 * clang adds the offset before the program has compared the pointer with NULL, which Linux
	 * 6.1 refuses. */
	struct xmc_tally tally;
	struct xmc_rule_key key; /* of the rule that was found */
	__u32 found;		 /* 1: there is one */
	__u32 reason;		 /* enum xmc_reason: what would have been counted */
};

/* ---- capture of the kernel path ---- */

/* A copy of a packet, as it is in the ring of a capture. */
struct xmc_captured {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 tally;   /* slot: of the rule, or of the output that sends it */
	__u32 sent;    /* 0: as it was received, 1: as it is sent */
	__u32 length;  /* of the frame */
	__u32 bytes;   /* of it, in `data` */
	__u8 data[];
};

/* Bytes of `data` that an entry of the ring has: the least that the frame, or what is kept of it,
 * fits. */
#define XMC_CAPTURE_SMALL  232
#define XMC_CAPTURE_MIDDLE 2024
#define XMC_CAPTURE_LARGE  16360

/* What is captured. Written by the daemon, but for the last two. */
#define XMC_CAPTURE_ALL 0xffffffff
struct xmc_capture_order {
	__u32 of; /* 0: nothing; the rule with this tally, less one; XMC_CAPTURE_ALL: every rule */
	__u32 snap; /* bytes of a frame that are kept */
	__u32 most; /* received packets in a window */
	__u32 zero;
	__u64 window_ns;
	__u64 apart[12]; /* so that `of` is in a cache line that is not written */
	__u64 began_ns;	 /* of the present window */
	__u64 used;	 /* packets in it */
};

/* Packets that the capture is about, per CPU; of these: over the rate, no room in the ring. */
struct xmc_capture_tally {
	__u64 received;
	__u64 received_limited;
	__u64 received_lost;
	__u64 sent;
	__u64 sent_limited;
	__u64 sent_lost;
};

_Static_assert(sizeof(struct xmc_addr) == 16, "address layout");
_Static_assert(sizeof(struct xmc_rule_key) == 40, "rule key layout");
_Static_assert(sizeof(struct xmc_rule) == 20, "rule layout");
_Static_assert(sizeof(struct xmc_output) == 64, "output layout");
_Static_assert(sizeof(struct xmc_tally) == 64, "tally layout");
_Static_assert(sizeof(struct xmc_copy) == 12, "copy layout");
_Static_assert(sizeof(struct xmc_lease) == 64, "lease layout");
_Static_assert(XMC_LEASE_SLOTS <= 65536, "a slot fits struct xmc_rule");
_Static_assert(XMC_MAX_DEVICES <= 65536, "an index fits struct xmc_rule");
_Static_assert(XMC_MAX_COPIES < 1 << XMC_COPIED_BITS, "copies fit struct xmc_tally");
_Static_assert(sizeof(struct xmc_device_key) == 8, "device key layout");
_Static_assert(sizeof(struct xmc_device_counts) == 8 * (1 + XMC_DEVICE_DROPS),
	       "device counts layout");
_Static_assert(sizeof(struct xmc_shape) == 20, "shape layout");
_Static_assert(sizeof(struct xmc_passed) == 64, "note layout");
_Static_assert(sizeof(struct xmc_captured) == 24, "captured packet layout");
_Static_assert(sizeof(struct xmc_capture_order) == 136, "capture order layout");
_Static_assert(XMC_CHUNK *XMC_CHUNKS <= XMC_CAPTURE_TAKEN, "a slot and the marks of a capture fit");

#endif
