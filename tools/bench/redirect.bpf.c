// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Redirects every packet to one device, unchanged: the upper bound of the kernel path. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} device SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&device, 0, XDP_DROP);
}
