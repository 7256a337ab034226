/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steering of one ingress interface: one instance of the XDP program (bpf/steer.bpf.c) with its
 * maps, attached by a bpf_link, so that a daemon that dies in whatever way leaves nothing attached.
 *
 * Order of use: steer_open(), steer_set_socket() for every queue, steer_add_rule() for every rule,
 * steer_attach() last: packets are redirected only to sockets that are ready to take them.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#ifndef XMCAST_STEERING_STEER_H
#define XMCAST_STEERING_STEER_H

#include <stdint.h>

#include <xmcast/abi.h>
#include "rules/config.h"

/* Name of the program as the kernel lists it: how one xmcastd recognises another's. */
#define STEER_PROGRAM_NAME "xmcast_steer"

struct steer;

/* Id of the loaded program, as an interface tells which it has; 0: the kernel does not say. */
uint32_t steer_program_id(const struct steer *steer);

/* Load the program and its maps. 0 or -errno (-EPERM: a capability is missing). */
int steer_open(struct steer **out);

/* Detach and unload. Takes NULL. */
void steer_close(struct steer *steer);

/* Redirect steered packets of RX queue `queue` to the bound AF_XDP socket `xsk_fd`. */
int steer_set_socket(struct steer *steer, unsigned int queue, int xsk_fd);

/* The key under which the program finds the rule. */
void steer_rule_key(const struct rule *rule, struct xmc_rule_key *key);

/* A key that is there already: -EEXIST. Too many shapes (abi.h): -ENOSPC. */
int steer_add_rule(struct steer *steer, const struct xmc_rule_key *key);
int steer_remove_rule(struct steer *steer, const struct xmc_rule_key *key);

/*
 * Attach to the interface in the mode asked for; IFACE_MODE_AUTO tries native, then skb. On success
 * *mode tells which it is. -EBUSY: another XDP program is attached; -EOPNOTSUPP and others: the
 * driver refused.
 */
int steer_attach(struct steer *steer, int ifindex, enum iface_mode wanted, enum iface_mode *mode);

/*
 * Detach, and wait until every packet that the program redirected is in the RX ring of its socket
 * (an RCU grace period): after it the counters of this interface stand still.
 */
void steer_detach(struct steer *steer);

/* Sum over the CPUs of the packets counted under each reason. 0 or -errno. */
int steer_verdicts(const struct steer *steer, uint64_t verdicts[XMC_REASONS]);

/* True if the XDP program with this id is an xmcastd's. Looks at the program where we may
 * (CAP_SYS_ADMIN), else for the name that its owner has taken in this network namespace. */
bool steer_is_ours(uint32_t program_id);

#endif
