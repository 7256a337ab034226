/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sink records about each flow: the same code for XDP, tc and sockets.
 *
 * A flow is (run of the generator, flow number, destination address and port): the copies that a
 * relay makes are separate flows, and so are the packets of a restarted generator.
 *
 * Exactness. A window of at least the last TRACK_WINDOW sequence numbers distinguishes late packets
 * from duplicates. A packet older than the window can be either: it is `stale`, and counts neither
 * as late nor as duplicated nor as arrived. So
 *
 *     received = distinct + duplicated + stale
 *     lost     = last + 1 - first - distinct       (or, with --expect: sent - distinct)
 *
 * Packets with an intact probe header, but a wrong length or payload, are `corrupted` and count as
 * received. A packet with a damaged probe header belongs to no flow: it is counted in the totals
 * only, and as lost by its flow.
 *
 * The caller serialises track_packet() on one flow: the BPF programs hold the entry's spin lock (a
 * flow is on one CPU at a time, but its CPU may change), the socket receiver has one thread.
 */
#ifndef XMCAST_SINK_TRACK_H
#define XMCAST_SINK_TRACK_H

#include <payload.h>

#ifndef __VMLINUX_H__
#include <linux/bpf.h> /* struct bpf_spin_lock */
#endif

/* 4096: at 1 M packets/s, a packet may be 4 ms late. A word holds 64 sequence numbers. */
#define TRACK_WORDS  64
#define TRACK_WINDOW (64 * (TRACK_WORDS - 1))

/* Log-linear: 16 buckets for each power of two, 6 % wide; up to 2^40 ns, about 18 minutes. */
#define TRACK_SUB_BITS 4
#define TRACK_MAX_EXP  40
#define TRACK_BUCKETS  ((TRACK_MAX_EXP - TRACK_SUB_BITS + 1) << TRACK_SUB_BITS)

struct flow_key {
	__u32 run;
	__u32 flow;
	struct xmc_addr destination;
	__be16 port;
	__u16 pad; /* always 0 */
};

struct flow_stats {
	struct bpf_spin_lock lock;
	__be16 source_port; /* this and the next three: of the last packet */
	__u8 ttl;
	__u8 dscp;
	struct xmc_addr source;
	__u64 received;
	__u64 bytes; /* payload */
	__u64 duplicated;
	__u64 reordered;
	__u64 stale;
	__u64 corrupted;
	__u64 first; /* lowest sequence number */
	__u64 last;  /* highest */
	__u64 latency_min;
	__u64 latency_max;
	__u64 arrived_ns;	 /* the last packet */
	__u64 gap_max;		 /* longest time from one packet to the next */
	__u64 tags[TRACK_WORDS]; /* which 64 numbers the word covers: sequence / 64 + 1 */
	__u64 seen[TRACK_WORDS];
	__u32 histogram[TRACK_BUCKETS];
};

/* Everything that the receiver saw. One per CPU, summed by user space. */
struct sink_totals {
	__u64 received; /* with an intact probe header */
	__u64 bytes;
	__u64 corrupted; /* wrong length or payload, damaged header, or no probe at all where the
			  * filter (--port, --group) says that only probes are */
	__u64 malformed; /* truncated packets, bad IPv4 header checksum */
	__u64 foreign;	 /* everything else */
	__u64 unplaced;	 /* received, but there are more flows than --flows */
	__u64 first_ns;
	__u64 last_ns;
};

/* Which packets are meant for the sink. All zero except port_max: any. */
struct sink_filter {
	__u32 address[4];
	__u32 mask[4];
	__u16 port_min, port_max; /* host order */
	__u32 explicit;		  /* given by the user: every matching packet must be a probe */
};

/* One datagram that is, or should be, a probe. */
struct arrival {
	struct flow_key key;
	struct xmc_addr source;
	__be16 source_port;
	__u8 ttl;
	__u8 dscp;
	__u32 length;
	__u32 corrupted;
	__u64 sequence;
	__u64 sent_ns;
};

enum probe_state { PROBE_GOOD, PROBE_WRONG_LENGTH, PROBE_DAMAGED, PROBE_NONE };

/* Volatile, because in BPF the filter is read-only data that is set after compilation. */
static __always_inline int filter_match(const volatile struct sink_filter *filter,
					const struct xmc_addr *destination, __be16 port)
{
	__u16 number = XMC_BE16(port);

	if (number < filter->port_min || number > filter->port_max)
		return 0;
	for (int i = 0; i < 4; i++)
		if ((destination->w[i] & filter->mask[i]) != filter->address[i])
			return 0;
	return 1;
}

/* Read the header of a payload of `length` bytes into `arrival`, except the addresses. */
static __always_inline enum probe_state probe_read(const struct probe *probe, __u32 length,
						   struct arrival *arrival)
{
	if (probe->magic != probe_magic(PROBE_BE64(probe->sequence)))
		return PROBE_NONE;
	/* No generator counts that far, and JSON integers are signed. */
	if (probe_sum(probe) != 0xffff || PROBE_BE64(probe->sequence) >> 63)
		return PROBE_DAMAGED;
	arrival->key.run = XMC_BE32(probe->run);
	arrival->key.flow = XMC_BE32(probe->flow);
	arrival->sequence = PROBE_BE64(probe->sequence);
	arrival->sent_ns = PROBE_BE64(probe->sent_ns);
	arrival->length = length;
	arrival->corrupted = XMC_BE16(probe->length) != length;
	return arrival->corrupted ? PROBE_WRONG_LENGTH : PROBE_GOOD;
}

/* Add one datagram to the totals. True: its flow must be updated as well. */
static __always_inline int track_totals(struct sink_totals *sums, enum probe_state state,
					__u32 length, __u64 now)
{
	if (!sums->first_ns)
		sums->first_ns = now;
	sums->last_ns = now;
	if (state != PROBE_GOOD)
		sums->corrupted++;
	if (state == PROBE_NONE || state == PROBE_DAMAGED)
		return 0;
	sums->received++;
	sums->bytes += length;
	return 1;
}

/* floor(log2(value)), value > 0. BPF has no instruction for it. */
static __always_inline __u32 track_log2(__u64 value)
{
	__u32 log = 0;

	for (__u32 step = 32; step; step /= 2)
		if (value >> step) {
			value >>= step;
			log += step;
		}
	return log;
}

static __always_inline __u32 track_bucket(__u64 value)
{
	__u32 log, bucket;

	if (value < (1 << TRACK_SUB_BITS))
		return value;
	log = track_log2(value);
	if (log >= TRACK_MAX_EXP)
		return TRACK_BUCKETS - 1;
	bucket = (log - TRACK_SUB_BITS + 1) << TRACK_SUB_BITS;
	return bucket + ((value >> (log - TRACK_SUB_BITS)) & ((1 << TRACK_SUB_BITS) - 1));
}

/* Add the packet to the flow's record. */
static __always_inline void track_packet(struct flow_stats *stats, const struct arrival *arrival,
					 __u64 now, __u32 bucket)
{
	__u64 latency = now > arrival->sent_ns ? now - arrival->sent_ns : 0;
	__u64 sequence = arrival->sequence;
	__u64 tag = sequence / 64 + 1;
	__u64 bit = 1ULL << (sequence & 63);
	__u32 word = (sequence / 64) & (TRACK_WORDS - 1);

	if (!stats->received) {
		stats->first = stats->last = sequence;
		stats->latency_min = latency;
		stats->arrived_ns = now;
	}
	/* The clocks of two CPUs may differ a little. */
	if (now > stats->arrived_ns && now - stats->arrived_ns > stats->gap_max)
		stats->gap_max = now - stats->arrived_ns;
	stats->arrived_ns = now;
	stats->received++;
	stats->bytes += arrival->length;
	stats->corrupted += arrival->corrupted;
	stats->source = arrival->source;
	stats->source_port = arrival->source_port;
	stats->ttl = arrival->ttl;
	stats->dscp = arrival->dscp;
	if (latency < stats->latency_min)
		stats->latency_min = latency;
	if (latency > stats->latency_max)
		stats->latency_max = latency;
	if (bucket < TRACK_BUCKETS)
		stats->histogram[bucket]++;

	/* Tags only grow. A lower tag means that none of this word's packets has arrived yet. */
	if (stats->tags[word] > tag) {
		stats->stale++;
		return;
	}
	if (stats->tags[word] < tag) {
		stats->tags[word] = tag;
		stats->seen[word] = 0;
	}
	if (stats->seen[word] & bit) {
		stats->duplicated++;
		return;
	}
	stats->seen[word] |= bit;
	if (sequence < stats->last)
		stats->reordered++;
	else
		stats->last = sequence;
	if (sequence < stats->first)
		stats->first = sequence;
}

_Static_assert(sizeof(struct flow_key) == 28, "flow key layout");
_Static_assert(sizeof(struct sink_totals) == 64, "totals layout");

#endif
