/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Maps and counting that sink.bpf.c (XDP) and sink-skb.bpf.c (tc) share. Each object includes this
 * once and has maps of its own.
 */
#ifndef XMCAST_SINK_MAPS_H
#define XMCAST_SINK_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "sink/track.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow_key);
	__type(value, struct flow_stats);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sink_totals);
} totals SEC(".maps");

const volatile struct sink_filter filter = {.port_max = 65535};

/* A new flow's state, which is too large for the stack. Untyped, because a lock may only live in a
 * map's value. */
const volatile __u64 empty_stats[sizeof(struct flow_stats) / 8] = {};

static __always_inline struct flow_stats *find_flow(const struct flow_key *key)
{
	struct flow_stats *stats = bpf_map_lookup_elem(&flows, key);

	if (stats)
		return stats;
	bpf_map_update_elem(&flows, key, (const void *)empty_stats, BPF_NOEXIST);
	return bpf_map_lookup_elem(&flows, key);
}

/* Count one datagram. True: it was meant for the sink. */
static __always_inline bool take(enum probe_state state, const struct arrival *arrival,
				 struct sink_totals *sums)
{
	__u64 now = bpf_ktime_get_ns();
	struct flow_stats *stats;
	__u32 bucket;

	if (state == PROBE_NONE && !filter.explicit) {
		sums->foreign++;
		return false;
	}
	if (!track_totals(sums, state, arrival->length, now))
		return true;
	stats = find_flow(&arrival->key);
	if (!stats) {
		sums->unplaced++;
		return true;
	}
	bucket = track_bucket(now > arrival->sent_ns ? now - arrival->sent_ns : 0);
	bpf_spin_lock(&stats->lock);
	track_packet(stats, arrival, now, bucket);
	bpf_spin_unlock(&stats->lock);
	return true;
}

#endif
