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
#include "steering/pins.h"

/* Name of the program as the kernel lists it. */
#define STEER_PROGRAM_NAME "xmcast_steer"

struct steer;

/* Id of the loaded program, as an interface tells which it has; 0: the kernel does not say. */
uint32_t steer_program_id(const struct steer *steer);

/* Load the program and its maps. 0 or -errno (-EPERM: a capability is missing). */
int steer_open(struct steer **out);

/*
 * The second way: use the maps of a program that somebody else attached (steering/pins.h), found in
 * `folder`. What a daemon before us has left in them is taken out, and what the program has counted
 * so far is not ours: steer_verdicts() begins at 0. steer_attach() is not for it, and
 * steer_detach() empties the maps: the program stays, and passes everything to the stack.
 *
 * 0; -EBUSY: another xmcastd uses them; -errno; `text` says why.
 */
int steer_open_pinned(struct steer **out, const char *folder, int ifindex,
		      char text[PINS_TEXT_SIZE]);

/* The maps of one that steer_open_pinned() made. */
const struct pins *steer_pins(const struct steer *steer);

/* Detach and unload. Takes NULL. */
void steer_close(struct steer *steer);

/* Redirect steered packets of RX queue `queue` to the bound AF_XDP socket `xsk_fd`. */
int steer_set_socket(struct steer *steer, unsigned int queue, int xsk_fd);

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

/* True if an xmcastd has attached the XDP program with this id by itself: it has taken a name in
 * this network namespace. To look at the program would take CAP_SYS_ADMIN. */
bool steer_is_ours(uint32_t program_id);

#endif
