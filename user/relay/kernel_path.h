/* SPDX-License-Identifier: BSD-2-Clause */
/* clang-format off */
/*
 * The kernel path of one rule: the XDP program of its intake rewrites the headers of its packets
 * and redirects them to the outputs' devices (steering/forward.h). A rule has one if it asks for
 * `path kernel` or `path auto`. This decides whether the kernel path carries the rule now, keeps its
 * forwards up to date (kernel_examine.h), and counts.
 *
 *     what is in the way of an output       path kernel                     path auto
 *     ------------------------------------  ------------------------------  -----------
 *     nothing                               kernel path                     kernel path
 *     something temporary: no address, no   kernel path; the packets of     user path
 *     MAC address of the next hop, the      this output are errors, and
 *     interface is down or does not exist   the other outputs go on
 *     something lasting: the device cannot  pending, and the rule has no    user path
 *     transmit, its MTU is too small, a     key in the XDP map
 *     rate limit, no right, skb mode
 *
 * A rule with a lease has one in any case: while the user path carries it, its forward counts what
 * the XDP program drops because the lease is not held. Where the program cannot do that, the rule is
 * pending.
 *
 * Everything is found out again in every update, so that no knowledge can be out of date: callers
 * only have to notice that something may have changed.
 *
 * A rule that is moved to another intake is in the line-ups of both for a moment, and then has a
 * forward in each. A forward is opened when the rule joins the line-up of an intake, and closed
 * when it has left it and no packet uses it any more; its counters are added to those of the rule.
 *
 * All functions accept NULL for a rule that has no kernel path. Main thread. Rights as for
 * steering/steer.h.
 */
/* clang-format on */
#ifndef XMCAST_RELAY_KERNEL_PATH_H
#define XMCAST_RELAY_KERNEL_PATH_H

#include "relay/counts.h"
#include "relay/kernel_examine.h"
#include "relay/kernel_side.h"

struct kernel_path;

/* `wanted`: the path that the rule asks for; RULE_PATH_USER only if it has a lease. `stream`: its
 * user path, borrowed; NULL for a rule of another IP protocol. `lease`: the slot of its lease, or
 * 0. 0 or -ENOMEM. */
int kernel_path_new(struct kernel_path **out, const struct rule *rule, struct stream *stream,
		    enum rule_path wanted, uint16_t lease);

/* It has left all line-ups. */
void kernel_path_free(struct kernel_path *kernel);

/* The rule is at another place in memory now. */
void kernel_path_set_rule(struct kernel_path *kernel, const struct rule *rule);

/* ---- line-ups ---- */

/* The rule joins the line-up of an intake, at which its packets have these VLAN tags: decide what
 * its key shall have. The key is not in the XDP map yet. Does nothing if it has joined already. */
void kernel_path_join(struct kernel_path *kernel, struct kernel_side *side, uint32_t tags);

/* What its key with these tags shall have, or has, on that intake. Without a kernel path: KEY_USER.
 */
struct key_value kernel_path_value(const struct kernel_path *kernel, const struct kernel_side *side,
				   uint32_t tags);

/* Does it have a forward there? Then a grace period has to pass between removing or changing its
 * key and kernel_path_leave(). */
bool kernel_path_has_forward(const struct kernel_path *kernel, const struct kernel_side *side,
			     uint32_t tags);

/* Is the counter in this slot one of the rule on that intake? Then *output is the index of the
 * output whose it is (the rule's own is that of the first). */
bool kernel_path_has_slot(const struct kernel_path *kernel, const struct kernel_side *side,
			  uint32_t slot, unsigned int *output);

/* The slot of the rule's own counter on that intake. False: it has no forward there. */
bool kernel_path_slot(const struct kernel_path *kernel, const struct kernel_side *side,
		      uint32_t *slot);

/* It has left the line-up: close its forward, keep the counters. */
void kernel_path_leave(struct kernel_path *kernel, const struct kernel_side *side, uint32_t tags);

/* ---- while its key is in the XDP map ---- */

/* Something may have changed: examine all outputs, update the headers, change the path if
 * necessary. */
void kernel_path_update(struct kernel_path *kernel);

/* Does this change of a neighbour concern it? Then call kernel_path_update(). */
bool kernel_path_concerns(const struct kernel_path *kernel, const struct neighbour *neighbour);

/* Does it send by the MAC addresses of neighbours? */
bool kernel_path_has_hosts(const struct kernel_path *kernel);

/* Keep these neighbours resolved: call it about once a second. True: some were due. Then call
 * kernel_path_update(), because the next hop may have changed without an announcement (ICMP
 * redirects, lost messages). */
bool kernel_path_refresh(struct kernel_path *kernel, uint64_t now_ns);

/* ---- state and counters ---- */

/* Does it carry the rule, or keep it pending? Otherwise the user path carries it. */
bool kernel_path_is_used(const struct kernel_path *kernel);

/* Why the rule cannot be active, constant text, or NULL. */
const char *kernel_path_reason(const struct kernel_path *kernel);

/* Its counters as another process can find them while it goes on without us: the slot, and what was
 * in it when kernel_path_read() was called last. `outputs`: one for each output. False: it has no
 * forward. */
bool kernel_path_describe(const struct kernel_path *kernel, uint32_t *slot, struct xmc_tally *rule,
			  struct xmc_tally *outputs);

/* Add what it has counted meanwhile. */
void kernel_path_carry(struct kernel_path *kernel, const struct xmc_tally *rule,
		       const struct xmc_tally *outputs);

/* No packet is on its way any more: what was received and not sent counts as lost. */
void kernel_path_settle(struct kernel_path *kernel);

/* Add its counters to those of the rule and of all its outputs, and set `path`, `path_reason` and
 * the outputs' reasons. See books.h for what holds at any moment. */
void kernel_path_read(struct kernel_path *kernel, struct rule_counts *counts,
		      struct output_counts *outputs);

#endif
