/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steering of one ingress interface: one instance of the XDP program (bpf/steer.bpf.c) with its
 * maps. The program is either ours, attached by a bpf_link so that the kernel detaches it however
 * the daemon ends, or external: an administrator loaded it with xdp-loader and pinned its maps.
 *
 * Order of use: steer_open() or steer_open_pinned(); steer_set_socket() for every queue, because
 * packets must only be redirected to sockets that are ready; steer_attach(), or steer_set_mode()
 * for an external program, because the mode decides what the kernel path can carry; then
 * steer_add_rule() for every rule.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#ifndef XMCAST_STEERING_STEER_H
#define XMCAST_STEERING_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "rules/config.h"
#include "steering/pins.h"
#include "steering/trial.h"
#include "steering/xdp_program.h"

/* Name of the program in the kernel. The one for the user path only begins with the same name. */
#define STEER_PROGRAM_NAME "xmcast_steer"

struct forward;
struct forwards;
struct steer;

/* What another process has of its steering of an interface. The descriptors are borrowed. */
struct steer_adoption {
	int link_fd;	/* by which its program is attached */
	int outputs_fd; /* its maps of the kernel path; -1: its program has none */
	int tallies_fd;
	int verdicts_fd;	       /* its counters, which may still grow */
	int tally_fds[XMC_CHUNKS];     /* likewise, see forwards_describe() */
	enum iface_mode mode;	       /* in which the program is attached */
	uint64_t counted[XMC_REASONS]; /* by its predecessors: not in its map */
	uint64_t steered; /* likewise, by all since the sockets exist, also if counters were lost */
};

/*
 * Load our program and its maps. The program for both paths needs CAP_PERFMON; without it, the one
 * for the user path only is loaded, see steer_can_forward(). `frags`: it accepts packets in several
 * buffers, which drivers demand at large MTUs (BPF_F_XDP_HAS_FRAGS). 0 or -errno (-EPERM: a
 * capability is missing).
 */
int steer_open(struct steer **out, bool frags);

/*
 * The same, for steer_replace() to put our program in the place of another process's (see below;
 * NULL: there is none). The maps outputs and tallies are shared with it, because packets of both
 * programs may be in one bulk for a device, and the kernel runs the xmcast_copy of the first one
 * for all of them. 0 or -errno.
 */
int steer_open_after(struct steer **out, bool frags, const struct steer_adoption *from);

/*
 * Use the maps of an external program, pinned in `directory` (steering/pins.h). Rules and sockets
 * that a previous daemon has left in them are removed, and what the program has counted so far is
 * subtracted: steer_verdicts() starts at 0. `ifindex`: the interface on which their program must
 * run; 0: any, because it is a bond and its members were not asked for.
 *
 * 0; -EBUSY: another xmcastd uses them; -EADDRINUSE: a process that is no xmcastd has bound the
 * name that claims them (steering/claim.h); -errno. On failure `text` is the reason.
 */
int steer_open_pinned(struct steer **out, const char *directory, int ifindex,
		      char text[PINS_TEXT_SIZE]);

/* Detach and unload. All forwards must be closed. Accepts NULL. */
void steer_close(struct steer *steer);

/* The kernel's id of our program; 0: unknown, or the program is external. */
uint32_t steer_program_id(const struct steer *steer);

/* The maps of an external program. */
const struct pins *steer_pins(const struct steer *steer);

/*
 * Redirect the steered packets of an RX queue to the bound AF_XDP socket `xsk_fd`. `slot`: the
 * queue; if the program runs on the members of a bond, XMC_MAX_QUEUES times the number of the
 * member, plus the queue. 0 or -errno.
 */
int steer_set_socket(struct steer *steer, unsigned int slot, int xsk_fd);

/* The slot has no socket any more: packets for it are passed to the stack. 0 or -errno (-ENOENT,
 * -EINVAL: it had none). */
int steer_clear_socket(struct steer *steer, unsigned int slot);

/*
 * The program runs on the members of a bond: steer the packets of the one with this interface index
 * to the sockets from slot `first` on; XMC_INACTIVE_SLOT: pass them to the stack
 * (`inactive_member`). Members that were not named pass theirs to the stack (`no_socket`).
 * steer_remove_member(): that one is not a member any more. 0 or -errno (-E2BIG: more than
 * XMC_MAX_MEMBERS; -ENOENT: it is not there).
 */
int steer_set_member(struct steer *steer, int ifindex, unsigned int first);
int steer_remove_member(struct steer *steer, int ifindex);

/* Only packets of up to this many bytes, Ethernet header and tags included, fit the sockets: the
 * others are passed to the stack (`too_large`). 0: all fit. With XMC_ONE_BUFFER, packets in several
 * buffers do not fit either, unless CAP_PERFMON is missing: that program cannot see them. 0 or
 * -errno. */
int steer_set_capacity(struct steer *steer, unsigned int bytes);

/* The program is attached by our link, and every RX queue has a socket: the kernel path goes on
 * while there are none, because they are opened again. 0 or -errno. */
int steer_set_own(struct steer *steer, bool own);

/* Whether rules can take the kernel path. If not, *why is the reason, a constant text. */
bool steer_can_forward(const struct steer *steer, const char **why);

/* For steering/tap.h: where the program captures packets. False: it does not. */
bool steer_describe_tap(const struct steer *steer, struct tap_maps *maps);

/* The leases of its rules, by slot (steering/leases.h); NULL: no rule can have one, because rules
 * cannot take the kernel path either. */
struct xmc_lease *steer_leases(struct steer *steer);

/* For forward_open() (steering/forward.h). */
struct forwards *steer_forwards(struct steer *steer);

/*
 * Add the key of a rule, whose packets take the kernel path by `forward`, or the user path (NULL).
 * Key and forward belong together until the key is removed or steer_set_rule() parts them; a
 * forward has one key at most. 0; -EEXIST: the key is there already; -ENOSPC: too many shapes
 * (abi.h); -E2BIG: the map is full; -errno.
 */
int steer_add_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward);

/* Change the path of a key that is there: each packet takes the old or the new one, the next packet
 * the new one. 0; -ENOENT; -errno. */
int steer_set_rule(struct steer *steer, const struct xmc_rule_key *key, struct forward *forward);

/* 0; -ENOENT; -errno. */
int steer_remove_rule(struct steer *steer, const struct xmc_rule_key *key);

/*
 * Wait until no packet is on its way that was looked up before the call: counters of removed keys
 * do not change any more, and forwards without a key can be closed. Takes some tens of milliseconds
 * (steering/grace.h). 0 or -errno.
 */
int steer_wait(struct steer *steer);

/* Set the mode in which the program runs, unless steer_attach() does. 0 or -errno. */
int steer_set_mode(struct steer *steer, enum iface_mode mode);

/*
 * Attach our program to the interface in the mode asked for; IFACE_MODE_AUTO tries native, then
 * skb. *mode is the mode in use. 0; -EBUSY: another XDP program is attached; -EOPNOTSUPP and
 * others: the driver refused.
 */
int steer_attach(struct steer *steer, int ifindex, enum iface_mode wanted, enum iface_mode *mode);

/* ---- from one process to the next ---- */

/* What a successor needs. False: the program is external, or not attached. */
bool steer_describe(const struct steer *steer, struct steer_adoption *as);

/* Is the other process's link that of an XDP program on the interface? Then steer_set_mode() takes
 * the place of steer_attach(), and its program goes on until steer_replace(). */
bool steer_is_attached(const struct steer_adoption *as, int ifindex);

/*
 * Let our program take the place of the one that is attached by our link, from one packet to the
 * next. The successor calls it once all rules are in its maps; the other process, to go on after
 * all. 0 or -errno.
 */
int steer_replace(struct steer *steer);

/* The link is, or is not, ours alone: steer_detach() detaches only then. */
void steer_set_owner(struct steer *steer, bool owner);

/* The other process has ended: remove what it has left in the shared maps. Then, a grace period
 * after steer_replace(): what its program and those before have counted is added to
 * steer_verdicts(). */
void steer_settle(struct steer *steer);

/* Packets that the programs of all processes before have steered since the sockets exist. */
uint64_t steer_steered_before(const struct steer *steer);

/* Packets that it has steered are another process's, which has received them: count them no more.
 */
void steer_subtract(struct steer *steer, uint64_t packets);

/* Set what is added to steer_verdicts(), because the other counters of those before are lost. */
void steer_set_carried(struct steer *steer, enum xmc_reason reason, uint64_t packets);

/* ---- */

/*
 * Detach our program; or empty the maps of an external one, which stays and passes everything to
 * the stack. Then wait until every packet that the program redirected is in the RX ring of its
 * socket (steering/grace.h): the counters of this interface do not change any more. If waiting
 * fails, that is logged.
 */
void steer_detach(struct steer *steer);

/* What the program would do with this frame (steering/trial.h). The first call loads the trial,
 * which stays. 0 or -errno as trial_open() and trial_run(). */
int steer_try(struct steer *steer, int ifindex, unsigned int queue, const void *frame,
	      size_t length, struct trial_verdict *verdict);

/* The frame after the last steer_try() that has succeeded. */
const uint8_t *steer_tried_frame(const struct steer *steer);

/* Call `handle` for each note about packets that no rule takes, of each CPU. 0 or -errno. */
typedef void steer_passed_handler(void *context, const struct xmc_passed *note);
int steer_read_passed(const struct steer *steer, steer_passed_handler *handle, void *context);

/* Packets counted under each reason, summed over the CPUs. 0 or -errno. */
int steer_verdicts(const struct steer *steer, uint64_t verdicts[XMC_REASONS]);

/* Whether an xmcastd of this network namespace, run by root or by our user, has attached the XDP
 * program with this id (steering/claim.h). */
bool steer_is_ours(uint32_t program_id);

#endif
