/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What both steering programs have: the user path, the verdicts, and the interface of the maps. */
#ifndef XMCAST_USER_PATH_H
#define XMCAST_USER_PATH_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>

#include "pinned.h"

/* Linux 6.1 refuses notes and trials in a program that is loaded without CAP_PERFMON. */
#ifndef XMC_USER_PATH_ONLY
#include "passed.h"
#include "trial.h"
#endif

/* The AF_XDP socket of each RX queue: see socket_slot(). */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XMC_SOCKET_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
	PINNED;
} sockets SEC(".maps");

/* The members of a bond, by their interface index: the slot of the socket of RX queue 0, or
 * XMC_INACTIVE_SLOT. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XMC_MAX_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
	PINNED;
} members SEC(".maps");

/* Packets by enum xmc_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XMC_REASONS);
	__type(key, __u32);
	__type(value, __u64);
	PINNED;
} verdicts SEC(".maps");

/* Version and interface of these maps: see struct xmc_about. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XMC_ABI_VERSION);
	__type(key, __u32);
	__type(value, struct xmc_about);
	PINNED;
} about SEC(".maps");

static __always_inline int count(__u32 reason, int action)
{
	__u64 *counter;

#ifndef XMC_USER_PATH_ONLY
	if (trial)
		return trial_count(reason, action);
#endif
	counter = bpf_map_lookup_elem(&verdicts, &reason);
	if (counter)
		(*counter)++; /* per CPU, and XDP is not re-entered on one CPU */
	return action;
}

/* No rule takes the packet, because of what the parser says, or because none matches. */
static __always_inline int pass(struct xdp_md *ctx, enum xmc_reason parsed,
				const struct xmc_datagram *dgram)
{
	__u32 reason = xmc_pass_reason(parsed, dgram);

#ifndef XMC_USER_PATH_ONLY
	if (!trial && passed_matters(reason, dgram))
		note_passed(ctx, reason);
#endif
	return count(reason, XDP_PASS);
}

/* The interface is written only when it changes, so that the cache line stays shared by all CPUs;
 * of a bond's members, the first one that has a packet is enough. */
static __always_inline const struct xmc_about *record_interface(__u32 ifindex)
{
	__u32 first = 0;
	struct xmc_about *mine = bpf_map_lookup_elem(&about, &first);

#ifndef XMC_USER_PATH_ONLY
	if (trial)
		return mine;
#endif
	if (mine && mine->ifindex != ifindex && !(mine->members && mine->ifindex))
		mine->ifindex = ifindex;
	return mine;
}

/* The slot of RX queue 0 of the bond's member by which a packet has come. A function of its own, so
 * that its key is written only where the look-up follows: without that, Debian's Linux 6.1 refuses
 * the next write into the same bytes of the stack if CAP_PERFMON is missing. */
static __always_inline __u32 member_slot(const struct xdp_md *ctx)
{
	__u32 ifindex = ctx->ingress_ifindex;
	const __u32 *first = bpf_map_lookup_elem(&members, &ifindex);

	return first ? *first : XMC_SOCKET_SLOTS;
}

/* The slot of the socket that a packet is for. XMC_SOCKET_SLOTS or more, which is none: it has come
 * by an interface that has no sockets, or by an inactive member (XMC_INACTIVE_SLOT or more). */
static __always_inline __u32 socket_slot(struct xdp_md *ctx, const struct xmc_about *mine)
{
	__u32 queue = ctx->rx_queue_index;

	if (queue >= XMC_MAX_QUEUES)
		return XMC_SOCKET_SLOTS;
	return mine->members ? member_slot(ctx) + queue : queue;
}

/* The slot has no socket. */
static __always_inline int pass_without_socket(__u32 slot)
{
	return count(slot >= XMC_INACTIVE_SLOT ? XMC_INACTIVE_MEMBER : XMC_NO_SOCKET, XDP_PASS);
}

/* Bytes that fit the sockets; 0: any. */
static __always_inline __u32 capacity_of(const struct xmc_about *mine)
{
	return mine->capacity & ~XMC_ONE_BUFFER;
}

/* `length`: of the whole frame. User space finds the rule again: a socket carries frames, not what
 * was found here. */
static __always_inline int to_user(struct xdp_md *ctx, const struct xmc_about *mine, __u32 length)
{
	__u32 slot = socket_slot(ctx, mine);

	if (capacity_of(mine) && length > capacity_of(mine))
		return count(XMC_TOO_LARGE, XDP_PASS);
	if (bpf_redirect_map(&sockets, slot, XDP_PASS) != XDP_REDIRECT)
		return pass_without_socket(slot);
	return count(XMC_STEERED, XDP_REDIRECT);
}

#endif
