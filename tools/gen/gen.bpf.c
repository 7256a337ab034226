// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The traffic source: an XDP program that BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES runs
 * once per frame. It waits until the frame is due, writes it and redirects it to the interface.
 *
 * The kernel copies its template into a page only when the page is new. Recycled pages hold what
 * their last user left in them, so every byte of every frame is written here.
 *
 * Two tracepoints report which frames the interface did not accept. A driver accepts the first
 * frames of a bulk or none, so with the frames' order known, each drop is charged to its flow.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "gen/gen.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The longest spin in one run of the program: softirqs of this CPU wait meanwhile. */
#define SPIN_NS	   50000
#define SPIN_TURNS 4096

/* A schedule that is late by more than both of these slips: catching up would be a burst. */
#define CATCH_UP_NS	 1000000
#define CATCH_UP_PACKETS 256 /* the ring of a veth */

/* Frames whose result is not known yet: at most one bulk of the kernel (16). A power of two. */
#define PENDING 64

/* Only these members; CO-RE finds them. */
struct net_device {
	int ifindex;
} __attribute__((preserve_access_index));

struct pid_of {
	__u32 pid;
	__u32 tgid;
};

/* Set by user space before the run. */
struct gen_config config;
__u8 pattern[PATTERN_SIZE];
__u32 pattern_sums[PATTERN_SIZE / 2 + 1]; /* of the first n 16-bit words of the pattern */
__u64 pid_ns_dev, pid_ns_ino;
__u32 pid;

struct gen_state state;
volatile __u32 stop;
__u32 skip; /* the rest of this batch: its first frame was not due yet */

struct {
	__u32 flow;
	__u32 size;
} pending[2][PENDING]; /* by interface, as the bulks */
__u32 pending_head[2], pending_tail[2];
__u32 last_way; /* the interface of the frame that was written last */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct gen_flow);
} flows SEC(".maps");

struct spin {
	__u64 until;
	__u64 now;
};

static long spin_once(__u32 turn, void *data)
{
	struct spin *spin = data;

	spin->now = bpf_ktime_get_ns();
	return spin->now >= spin->until;
}

/* When packet number n is due, relative to the start. Exact and without overflow. */
static __always_inline __u64 schedule(__u64 n)
{
	__u64 rate = config.rate_pps;

	return n / rate * 1000000000 + n % rate * 1000000000 / rate;
}

/* Pacing, before the first frame of a batch. Returns the time, or 0 if it is not due yet. */
static __always_inline __u64 wait_until_due(__u64 now)
{
	__u64 due = state.base_ns + schedule(state.packets);
	struct spin spin = {.now = now};
	__u64 lag;

	if (now < due) {
		spin.until = due - now < SPIN_NS ? due : now + SPIN_NS;
		bpf_loop(SPIN_TURNS, spin_once, &spin, 0);
		if (spin.now < due)
			return 0;
	}
	lag = spin.now - due;
	if (lag > state.largest_lag_ns)
		state.largest_lag_ns = lag;
	if (lag > CATCH_UP_NS && lag > schedule(CATCH_UP_PACKETS)) {
		state.base_ns += lag;
		state.slipped_ns += lag;
	}
	return spin.now;
}

/* May a frame be sent? Returns the time, or 0. The clock is read once a frame because that is
 * expensive. */
static __always_inline __u64 may_send(void)
{
	bool first = state.calls++ % config.batch == 0;
	__u64 now = bpf_ktime_get_ns();

	if (!state.start_ns)
		state.start_ns = state.base_ns = now;
	if (stop || state.packets >= config.limit ||
	    (config.duration_ns && now - state.start_ns >= config.duration_ns)) {
		state.done = 1;
		return 0;
	}
	if (config.rate_pps && first) {
		now = wait_until_due(now);
		skip = !now;
	}
	return skip ? 0 : now;
}

static __always_inline __u32 next_flow(void)
{
	if (!state.burst_left) {
		state.burst_left = config.burst;
		if (++state.flow >= config.flows)
			state.flow = 0;
	}
	state.burst_left--;
	return state.flow;
}

static __always_inline __u32 next_size(__u64 sequence, __u32 flow)
{
	__u32 slot = 0, random;

	if (config.size_span) {
		random = probe_random((__u32)sequence + flow * 41);
		return config.sizes[0] + ((__u64)random * config.size_span >> 32);
	}
	if (config.sizes_count > 1)
		slot = (config.size_by_flow ? flow : sequence) % config.sizes_count;
	return config.sizes[slot & (GEN_MAX_SIZES - 1)]; /* the mask is for the verifier */
}

/* Sum of `rest` bytes of pattern from the even offset `start`. Both bounded by the caller. */
static __always_inline __u32 pattern_sum(__u32 start, __u32 rest)
{
	__u32 end = start + rest;
	__u32 sum;

	/* Otherwise the compiler leaves out the masks: it knows the bounds, but the verifier of
	 * Linux 6.1 has forgotten them here. */
	barrier_var(end);
	sum = pattern_sums[(end / 2) & (PATTERN_SIZE / 2 - 1)] -
	      pattern_sums[(start / 2) & (PATTERN_SIZE / 2 - 1)];
	if (end & 1)
		sum += XMC_BE16(pattern[(end - 1) & (PATTERN_SIZE - 1)] << 8);
	return sum;
}

static __always_inline void write_ipv4(struct xmc_ipv4 *ip, const struct gen_flow *flow, __u16 id,
				       __u32 size)
{
	__u16 total = XMC_BE16(sizeof(struct xmc_ipv4) + sizeof(struct xmc_udp) + size);
	struct {
		__be16 skip, total, id, fragment;
	} *half =
		(void *)ip; /* aligned to 2, which the compiler cannot see from the packed header */

	half->total = total;
	half->id = id;
	((__be16 *)ip)[5] = ~probe_fold((__u64)flow->ip_sum + total + id);
}

/* Headers and probe at the start of the frame, and all checksums. `headers` is a constant. */
static __always_inline bool write_headers(struct xdp_md *ctx, const struct gen_flow *flow,
					  __u32 flow_number, __u32 size, __u64 now, __u32 sum,
					  const __u32 headers, bool ipv6)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__be16 length = XMC_BE16(size + sizeof(struct xmc_udp));
	struct probe *probe = data + headers;
	__be16 *udp = data + headers - sizeof(struct xmc_udp);
	__u16 checksum;

	if (data + headers + sizeof(*probe) > data_end)
		return false;
	for (__u32 i = 0; i < headers / 8; i++)
		((__u64 *)data)[i] = flow->header[i];
	if (headers % 8 & 4)
		*(__u32 *)(data + headers / 8 * 8) = flow->header[headers / 8];
	*(__u16 *)(data + headers - 2) = 0;

	probe->magic = probe_magic(flow->sequence);
	probe->run = XMC_BE32(config.run);
	probe->sequence = PROBE_BE64(flow->sequence);
	probe->sent_ns = PROBE_BE64(now);
	probe->flow = XMC_BE32(flow_number);
	probe->length = XMC_BE16(size);
	probe_seal(probe);

	udp[2] = length;
	/* The length counts twice: in the pseudo header and in the UDP header. 0xffff: the probe.
	 */
	checksum = ~probe_fold((__u64)flow->udp_sum + 2 * length + 0xffff + sum);
	udp[3] = checksum ? checksum : 0xffff;
	if (ipv6)
		*(__be16 *)((void *)udp - sizeof(struct xmc_ipv6) + 4) = length;
	else
		write_ipv4((void *)udp - sizeof(struct xmc_ipv4), flow, (__u16)flow->sequence,
			   size);
	return true;
}

static __always_inline bool write_frame(struct xdp_md *ctx, const struct gen_flow *flow,
					__u32 flow_number, __u32 size, __u64 now,
					const __u32 headers, bool ipv6)
{
	__u32 start = config.ts ? 0 : probe_pattern_start(flow_number, flow->sequence);
	__u32 rest = size - sizeof(struct probe);

	if (size != config.size_max && bpf_xdp_adjust_tail(ctx, (int)size - (int)config.size_max))
		return false;
	if (rest > PROBE_SIZE_MAX)
		return false;
	if (rest) {
		/* The verifier of Linux 6.1 does not conclude from this `if` that there is at
		 * least one. */
		__u32 less = rest - 1;

		barrier_var(less);
		if (less >= PROBE_SIZE_MAX ||
		    bpf_xdp_store_bytes(ctx, headers + sizeof(struct probe), &pattern[start],
					less + 1))
			return false;
	}
	return write_headers(ctx, flow, flow_number, size, now, pattern_sum(start, rest), headers,
			     ipv6);
}

static __always_inline bool write(struct xdp_md *ctx, const struct gen_flow *flow,
				  __u32 flow_number, __u32 size, __u64 now)
{
	switch (config.headers) {
	case GEN_HEADER_IPV4:
		return write_frame(ctx, flow, flow_number, size, now, GEN_HEADER_IPV4, false);
	case GEN_HEADER_IPV4 + GEN_TAG:
		return write_frame(ctx, flow, flow_number, size, now, GEN_HEADER_IPV4 + GEN_TAG,
				   false);
	case GEN_HEADER_IPV6:
		return write_frame(ctx, flow, flow_number, size, now, GEN_HEADER_IPV6, true);
	case GEN_HEADER_IPV6 + GEN_TAG:
		return write_frame(ctx, flow, flow_number, size, now, GEN_HEADER_IPV6 + GEN_TAG,
				   true);
	}
	return false;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	struct gen_flow *flow;
	__u32 number, stream, size, way;
	__u64 now;

	now = may_send();
	if (!now)
		return XDP_DROP;
	number = next_flow();
	flow = bpf_map_lookup_elem(&flows, &number);
	if (!flow)
		return XDP_ABORTED;
	stream = number / config.sides;
	size = next_size(flow->sequence, stream);
	if (!write(ctx, flow, stream, size, now))
		return XDP_ABORTED;

	way = last_way = config.ifindex[0] == config.ifindex[1] ? 0 : number & 1;
	pending[way][pending_head[way] % PENDING].flow = number;
	pending[way][pending_head[way] % PENDING].size = size;
	pending_head[way]++;
	flow->sequence++;
	flow->queued++;
	flow->queued_bytes += size;
	state.packets++;
	state.last_ns = now;
	return bpf_redirect(config.ifindex[way], 0);
}

/* Is this event about a frame of ours? Live frames come "from" the loopback device; frames of
 * softirqs that happen to run in our task do not. */
static __always_inline bool ours(const struct net_device *from)
{
	struct pid_of task = {};

	if (from->ifindex != 1)
		return false;
	if (bpf_get_ns_current_pid_tgid(pid_ns_dev, pid_ns_ino, (void *)&task, sizeof(task)))
		return false;
	return task.tgid == pid;
}

static __always_inline void charge_drop(__u32 way, __u32 index, int error)
{
	__u32 number = pending[way & 1][index % PENDING].flow;
	struct gen_flow *flow = bpf_map_lookup_elem(&flows, &number);

	if (flow) {
		flow->dropped++;
		flow->dropped_bytes += pending[way & 1][index % PENDING].size;
	}
	if (error)
		state.error = error;
}

/* (from, to, sent, drops, err): a bulk went to the driver, which accepted the first `sent`. */
SEC("tp_btf/xdp_devmap_xmit")
int count_transmitted(__u64 *ctx)
{
	const struct net_device *to = (const struct net_device *)ctx[1];
	__u32 sent = ctx[2], drops = ctx[3], way;
	int error = ctx[4];

	if (!ours((const struct net_device *)ctx[0]))
		return 0;
	way = (__u32)to->ifindex != config.ifindex[0];
	for (__u32 i = 0; i < PENDING; i++) {
		if (i >= drops)
			break;
		charge_drop(way, pending_tail[way & 1] + sent + i, error);
	}
	pending_tail[way & 1] += sent + drops;
	state.devices_took += sent;
	return 0;
}

/* (from, program, target, err, ...): the frame just written could not be queued. */
SEC("tp_btf/xdp_redirect_err")
int count_refused(__u64 *ctx)
{
	if (!ours((const struct net_device *)ctx[0]))
		return 0;
	pending_head[last_way & 1]--;
	charge_drop(last_way, pending_head[last_way & 1], ctx[3]);
	return 0;
}
