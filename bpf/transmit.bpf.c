// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts what devices do with redirected packets, at the kernel's tracepoints (trace/events/xdp.h):
 *
 *  native mode  xdp_devmap_xmit   a bulk was handed to a driver: what it accepted, and the error
 *               xdp_redirect_err  a packet was not handed to the driver
 *  skb mode     xdp_redirect      a packet was handed to the device
 *               xdp_exception     just before: the device did not accept it
 *               xdp_redirect_err  as above
 *
 * They fire for all XDP programs of the machine. Only packets of one network namespace and between
 * interfaces in the map `pairs` are counted; user space creates its entries. In native mode the
 * packets of a bond come from its members, see the map `bonds`.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <xmcast/abi.h>

/* Also needed because the programs read kernel memory. */
char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ENXIO	   6
#define ENOMEM	   12
#define EINVAL	   22
#define EMSGSIZE   90
#define EOPNOTSUPP 95
#define ENETDOWN   100

/* The fields that are read; where they are in the running kernel is found when the program is
 * loaded. */
struct ns_common___xmc {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct net___xmc {
	struct ns_common___xmc ns;
} __attribute__((preserve_access_index));

struct net_device___xmc {
	int ifindex;
	struct {
		struct net___xmc *net;
	} nd_net;
} __attribute__((preserve_access_index));

struct bpf_dtab_netdev___xmc {
	struct net_device___xmc *dev;
} __attribute__((preserve_access_index));

/* Inode number of the network namespace. */
const volatile __u32 netns;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, XMC_MAX_DEVICE_PAIRS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xmc_device_key);
	__type(value, struct xmc_device_counts);
} pairs SEC(".maps");

/* The pairs whose packets are redirected in skb mode: xdp_redirect fires in native mode, too. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XMC_MAX_DEVICE_PAIRS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xmc_device_key);
	__type(value, __u32);
} skb_pairs SEC(".maps");

/* Members of bonds, by their interface index: the bond, which the pairs of its packets have. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XMC_MAX_BOND_MEMBERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} bonds SEC(".maps");

/* The last packet that a device did not accept in skb mode. xdp_exception does not report where it
 * came from; xdp_redirect does, which follows on the same CPU with the same program. */
struct refused {
	__u32 to; /* interface index; 0: none */
	__u32 pad;
	const void *program;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct refused);
} refused SEC(".maps");

static __always_inline bool is_ours(const struct net_device___xmc *from)
{
	return from->nd_net.net->ns.inum == netns;
}

/* The interface of the devmap entry that is the third argument of the tracepoint. 0: none, the
 * packet was to go to several. Linux 6.1 does not let a program read an argument of type `const
 * void *`. */
static __always_inline __u32 ifindex_of_target(const unsigned long long *arguments)
{
	const struct bpf_dtab_netdev___xmc *target = NULL;

	bpf_probe_read_kernel(&target, sizeof(target), &arguments[2]);
	return target ? BPF_CORE_READ(target, dev, ifindex) : 0;
}

/* The counters of packets in native mode. NULL: they are not counted. */
static __always_inline struct xmc_device_counts *counts_of(__u32 from, __u32 to)
{
	struct xmc_device_key key = {.from = from, .to = to};
	struct xmc_device_counts *counts = bpf_map_lookup_elem(&pairs, &key);
	const __u32 *bond;

	if (counts)
		return counts;
	bond = bpf_map_lookup_elem(&bonds, &from);
	if (!bond)
		return NULL;
	key.from = *bond;
	return bpf_map_lookup_elem(&pairs, &key);
}

static __always_inline __u32 reason_of(int err)
{
	switch (-err) {
	case 0:
		return XMC_DEVICE_RING_FULL;
	case ENXIO:
		return XMC_DEVICE_ENXIO;
	case EOPNOTSUPP:
		return XMC_DEVICE_EOPNOTSUPP;
	case ENETDOWN:
		return XMC_DEVICE_ENETDOWN;
	case EMSGSIZE:
		return XMC_DEVICE_EMSGSIZE;
	case EINVAL:
		return XMC_DEVICE_EINVAL;
	case ENOMEM:
		return XMC_DEVICE_ENOMEM;
	default:
		return XMC_DEVICE_OTHER;
	}
}

/* Once per bulk, so its cost is spread over up to 16 packets. */
SEC("tp_btf/xdp_devmap_xmit")
int BPF_PROG(count_bulk, const struct net_device___xmc *from, const struct net_device___xmc *to,
	     int sent, int drops, int err)
{
	struct xmc_device_counts *counts;

	if (!is_ours(from))
		return 0;
	counts = counts_of(from->ifindex, to->ifindex);
	if (!counts)
		return 0;
	counts->sent += sent;
	counts->dropped[reason_of(err)] += drops;
	return 0;
}

/* If the packet was to go to several devices, `target` is NULL and nothing is counted here: copies
 * that were not made are not in `sent` of an output either. */
SEC("tp_btf/xdp_redirect_err")
int BPF_PROG(count_error, const struct net_device___xmc *from, const void *program,
	     const void *target, int err, int map_type, __u32 map_id, __u32 index)
{
	struct xmc_device_counts *counts;

	if (map_type != BPF_MAP_TYPE_DEVMAP || !is_ours(from))
		return 0;
	counts = counts_of(from->ifindex, ifindex_of_target(ctx));
	if (counts)
		counts->dropped[err ? reason_of(err) : XMC_DEVICE_OTHER]++;
	return 0;
}

SEC("tp_btf/xdp_exception")
int BPF_PROG(note_refused, const struct net_device___xmc *to, const void *program, __u32 action)
{
	__u32 first = 0;
	struct refused *last = bpf_map_lookup_elem(&refused, &first);

	if (last && action == XDP_TX) {
		last->to = to->ifindex;
		last->program = program;
	}
	return 0;
}

SEC("tp_btf/xdp_redirect")
int BPF_PROG(count_packet, const struct net_device___xmc *from, const void *program,
	     const void *target, int err, int map_type, __u32 map_id, __u32 index)
{
	struct xmc_device_key key = {.from = from->ifindex};
	struct xmc_device_counts *counts;
	struct refused *last;
	__u32 first = 0;

	if (map_type != BPF_MAP_TYPE_DEVMAP || !is_ours(from))
		return 0;
	key.to = ifindex_of_target(ctx);
	if (!bpf_map_lookup_elem(&skb_pairs, &key))
		return 0;
	counts = bpf_map_lookup_elem(&pairs, &key);
	last = bpf_map_lookup_elem(&refused, &first);
	if (!counts || !last)
		return 0;
	if (last->to == key.to && last->program == program)
		counts->dropped[XMC_DEVICE_RING_FULL]++;
	else
		counts->sent++;
	last->to = 0;
	return 0;
}
