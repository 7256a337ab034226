// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that runs for a long time, to test whether a call waits until it has ended. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define HOLD_NS	    200000000ULL
#define TURNS	    (1U << 20) /* the most that bpf_loop() takes is 1 << 23 */
#define CHECK_TURNS 1024

volatile __u32 running;
volatile __u32 finished;

static long spin(__u32 turn, void *until)
{
	return turn % CHECK_TURNS == 0 && bpf_ktime_get_ns() >= *(__u64 *)until;
}

static long spin_more(__u32 turn, void *until)
{
	bpf_loop(TURNS, spin, until, 0);
	return bpf_ktime_get_ns() >= *(__u64 *)until;
}

SEC("xdp")
int hold(struct xdp_md *ctx)
{
	__u64 until = bpf_ktime_get_ns() + HOLD_NS;

	running = 1;
	bpf_loop(TURNS, spin_more, &until, 0);
	finished = 1;
	return XDP_PASS;
}
