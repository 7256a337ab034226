/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What xmcast-gen's BPF programs and its user space share.
 *
 * One thread runs the programs, so none of this is atomic. User space writes the configuration and
 * the flows before the first run and reads the counters after the last; meanwhile it writes `stop`
 * and reads `done`.
 */
#ifndef XMCAST_GEN_GEN_H
#define XMCAST_GEN_GEN_H

#include <payload.h>

#define GEN_MAX_FLOWS 65536
#define GEN_MAX_SIZES 16 /* a power of two */

/* Bytes of Ethernet, IPv4 or IPv6, UDP; and of a VLAN tag. */
#define GEN_HEADER_IPV4 42
#define GEN_HEADER_IPV6 62
#define GEN_TAG		4

struct gen_config {
	__u64 rate_pps;	   /* 0: flat out */
	__u64 limit;	   /* packets in all; ~0: no limit */
	__u64 duration_ns; /* 0: no limit */
	__u32 run;
	__u32 ifindex[2]; /* by which even and odd flows leave */
	__u32 flows;
	__u32 sides;	/* successive flows that carry the same stream: it leaves as one flow */
	__u32 burst;	/* packets of one flow in a row */
	__u32 batch;	/* frames in one round of the kernel's test loop: the last one flushes */
	__u32 headers;	/* bytes of them: GEN_HEADER_*, with a tag or without */
	__u32 size_max; /* payload of the frame that the kernel hands to the program */
	__u32 sizes_count;
	__u32 size_by_flow;
	__u32 sizes[GEN_MAX_SIZES];
	__u32 ts;	 /* the pattern is a transport stream, the same behind each probe */
	__u32 size_span; /* not 0: each packet has its own size, sizes[0] to sizes[0] + span - 1 */
};

/* One flow: its headers, complete except for what differs by packet (lengths, id, checksums). */
struct gen_flow {
	__u64 header[9]; /* the bytes of gen_config.headers */
	__u64 sequence;	 /* of its next packet */
	__u64 queued;
	__u64 queued_bytes; /* payload */
	__u64 dropped;	    /* of the queued: not accepted by the interface */
	__u64 dropped_bytes;
	__u32 ip_sum;  /* of the IPv4 header's 16-bit words, without length, id and checksum */
	__u32 udp_sum; /* of pseudo header and UDP header, without lengths and checksum */
};

struct gen_state {
	__u64 calls;	/* of the program within this test run: position in the kernel's batch */
	__u64 packets;	/* of all flows, including dropped ones */
	__u64 start_ns; /* when the first packet was due */
	__u64 base_ns;	/* start of the schedule: start_ns plus what it has slipped */
	__u64 last_ns;	/* when the last packet was written */
	__u64 largest_lag_ns;
	__u64 slipped_ns;
	__u64 devices_took; /* frames, by the tracepoint */
	__u32 flow;
	__u32 burst_left;
	__s32 error; /* -errno of the last refusal */
	__u32 done;  /* all sent, or the time is over */
};

#endif
