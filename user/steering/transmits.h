/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices did with the packets that were redirected to them: sent, or dropped and why. The XDP
 * program cannot see that, because it happens after it has ended; tracepoints of the kernel can
 * (bpf/transmit.bpf.c). They are attached only while a pair of interfaces is watched, and count
 * only packets between such pairs, in the network namespace of the process that called
 * transmits_open().
 *
 * In native mode the tracepoint xdp_devmap_xmit reports what a driver accepted of each bulk, and
 * xdp_redirect_err what was not even given to it. In skb mode there is no bulk: xdp_redirect
 * reports each packet that was given to the device, xdp_exception that the device did not accept
 * it.
 *
 * Main thread. Needs CAP_BPF and CAP_PERFMON, and a kernel with BTF (CONFIG_DEBUG_INFO_BTF).
 */
#ifndef XMCAST_STEERING_TRANSMITS_H
#define XMCAST_STEERING_TRANSMITS_H

#include <stdbool.h>

#include <xmcast/abi.h>

struct transmits;

/* The attached programs and the maps of another process, which count on while this one goes on with
 * them. Borrowed; -1: not attached. */
#define TRANSMITS_PARTS 4

struct transmits_adoption {
	int pairs_fd;
	int skb_pairs_fd;
	int bonds_fd;
	int link_fds[TRANSMITS_PARTS];
};

void transmits_describe(const struct transmits *transmits, struct transmits_adoption *as);

/* Load the programs; `from`: go on with those of another process, whose counters stay (NULL: there
 * are none). Until transmits_set_owner() no counter is removed. 0; -EPERM, -EACCES: a capability is
 * missing; -ENOENT, -ESRCH: the kernel has no BTF, or not these tracepoints; -errno. */
int transmits_open(struct transmits **out, const struct transmits_adoption *from);

/* The counters are ours alone: those of pairs that are not watched are removed. Or they are another
 * process's, and stay when this one closes. */
void transmits_set_owner(struct transmits *transmits, bool owner);

/* Accepts NULL. */
void transmits_close(struct transmits *transmits);

/*
 * Count packets from one interface to another, from 0 on. To be called before a packet is
 * redirected between them. Watching is counted: a pair stays watched until transmits_unwatch() was
 * called as often as transmits_watch(). `skb`: packets are redirected in skb mode; the last call
 * counts.
 *
 * 0; -E2BIG: more than XMC_MAX_DEVICE_PAIRS pairs; -errno: the programs cannot be attached.
 */
int transmits_watch(struct transmits *transmits, int from, int to, bool skb);

/* In native mode, packets of the member of a bond count as packets from the bond. bond 0: no
 * longer. 0; -E2BIG: more than XMC_MAX_BOND_MEMBERS; -errno. */
int transmits_set_bond(struct transmits *transmits, int member, int bond);

/* Harmless if the pair is not watched. */
void transmits_unwatch(struct transmits *transmits, int from, int to);

/* Summed over the CPUs. 0; -ENOENT: the pair is not watched; -errno. */
int transmits_read(const struct transmits *transmits, int from, int to,
		   struct xmc_device_counts *counts);

#endif
