/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The UDP payload of a probe packet, as xmcast-gen writes it and xmcast-sink reads it.
 *
 *     struct probe (32 bytes) | pattern (length - 32 bytes)
 *
 * The header is self-checking: `check` makes the one's complement sum of its 16-bit words 0xffff.
 * So damage to it is detected without reading the rest, and it adds a constant to the UDP checksum.
 *
 * The pattern is a window into one fixed pseudo-random table; flow and sequence number choose where
 * the window starts. So a byte that is out of place, or left over from another packet, is wrong.
 *
 * Pure, for BPF and user space. Integers are in network byte order, naturally aligned within the
 * header; a payload in a frame is not aligned (14 bytes of Ethernet), so user space copies the
 * header out before it reads it.
 */
#ifndef XMCAST_PAYLOAD_H
#define XMCAST_PAYLOAD_H

#include <xmcast/abi.h>
#include <xmcast/packet.h>

/* The upper half of `magic`; the lower one is that of `sequence`. So a probe is the header of an
 * RTP packet of payload type 33, whose timestamp is `run`, and which names five contributing
 * sources, for rules that watch RTP, or a transport stream in it. */
#define PROBE_MAGIC    0x8521U

#define PROBE_SIZE_MIN 32
/* The part of a 4 KiB page that XDP live frames leave for the payload, rounded down. */
#define PROBE_SIZE_MAX 3072

/* Even, so that the table's 16-bit words are those of the payload, and a table of prefix sums gives
 * their checksums. */
#define PATTERN_STARTS 256
#define PATTERN_SIZE   4096 /* at least 2 * PATTERN_STARTS + PROBE_SIZE_MAX */

struct probe {
	__be32 magic;
	__be32 run; /* random per run of the generator: distinguishes a restart from a duplicate */
	__be64 sequence; /* per flow, in steps of 1 */
	__be64 sent_ns;	 /* CLOCK_MONOTONIC of the sender, the clock of bpf_ktime_get_ns() */
	__be32 flow;
	__be16 length; /* of the whole payload */
	__be16 check;
} __attribute__((may_alias));

_Static_assert(sizeof(struct probe) == PROBE_SIZE_MIN, "probe layout");
_Static_assert(2 * PATTERN_STARTS + PROBE_SIZE_MAX <= PATTERN_SIZE, "pattern table too short");

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define PROBE_BE64(x) __builtin_bswap64(x)
#else
#define PROBE_BE64(x) (x)
#endif

/* Fold a sum of 16- or 32-bit words into 16 bits (RFC 1071). */
static __always_inline __u16 probe_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* 0xffff: the header is whole. */
static __always_inline __u16 probe_sum(const struct probe *probe)
{
	__u64 sum = (__u64)probe->magic + probe->run + probe->flow;

	sum += (__u64)probe->length + probe->check;
	sum += (probe->sequence & 0xffffffff) + (probe->sequence >> 32);
	sum += (probe->sent_ns & 0xffffffff) + (probe->sent_ns >> 32);
	return probe_fold(sum);
}

/* The magic of the probe with this number. */
static __always_inline __be32 probe_magic(__u64 sequence)
{
	return XMC_BE32(PROBE_MAGIC << 16 | (sequence & 0xffff));
}

/* Set `check`, all other fields being set. */
static __always_inline void probe_seal(struct probe *probe)
{
	probe->check = 0;
	probe->check = (__u16)~probe_sum(probe);
}

/* Where in the pattern table this packet's pattern starts. 41: any odd number well away from 1, so
 * that neighbouring packets of neighbouring flows differ. */
static __always_inline __u32 probe_pattern_start(__u32 flow, __u64 sequence)
{
	return 2 * ((flow * 41 + (__u32)sequence) % PATTERN_STARTS);
}

/* An integer hash: successive numbers give values without a visible order. */
static __always_inline __u32 probe_random(__u32 i)
{
	__u32 x = (i + 1) * 2654435761U;

	x ^= x >> 15;
	x *= 2246822519U;
	return x ^ (x >> 13);
}

/* Instead of the pattern, behind each probe alike: packets of a transport stream, of one PID. The
 * counters of continuity are successive within a datagram; its first packet announces that they
 * begin again. */
#define PROBE_TS_PACKET 188

static __always_inline __u8 probe_ts_byte(__u32 i)
{
	__u32 packet = i / PROBE_TS_PACKET, at = i % PROBE_TS_PACKET;
	/* An adaptation field of one byte: the discontinuity_indicator. */
	__u8 field = packet == 0 ? 0x20 : 0;

	switch (at) {
	case 0:
		return 0x47;
	case 1:
		return 0x01;
	case 2:
		return 0x00;
	case 3:
		return field | 0x10 | (packet % 16);
	case 4:
		return field ? 1 : 0xff;
	case 5:
		return field ? 0x80 : 0xff;
	default:
		return 0xff;
	}
}

/* Byte `i` of the pattern table. */
static __always_inline __u8 probe_pattern_byte(__u32 i)
{
	__u32 x = probe_random(i);

	return x ^ (x >> 24);
}

#endif
