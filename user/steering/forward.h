/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A forward carries the packets of one rule on the kernel path: the XDP program rewrites their
 * headers and redirects them to devices (bpf/steer.bpf.c, bpf/copy.bpf.c). It has the rule's
 * outputs with the headers with which packets leave, and counts. `struct forwards` is what the
 * forwards of one steering program share.
 *
 * Order of use: forward_open(), forward_set(), steer_add_rule() or steer_set_rule(); any number of
 * forward_set(); then steer_remove_rule() or steer_set_rule() without it, steer_wait(), a last
 * forward_read_rule() and forward_read_output(), forward_close(). All forwards are closed before
 * their steer is.
 *
 * What a device did with the packets that were redirected to it: steering/transmits.h.
 *
 * Main thread. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#ifndef XMCAST_STEERING_FORWARD_H
#define XMCAST_STEERING_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include <xmcast/abi.h>
#include "steering/pins.h"

struct forward;
struct forwards;

/* One output, as forward_set() is given it. */
struct forward_output {
	int ifindex;	  /* egress interface; 0: the output is not usable, nothing leaves by it */
	unsigned int mtu; /* of the egress interface */
	struct xmc_output header; /* forward.c sets `same`, `more`, `tally` and `ifindex` */
};

/* Create what the first forwards need, which takes some grace periods: later it would delay the
 * first packets that a receiver wants. Does nothing if it is there. 0 or -errno. */
int forwards_prepare(struct forwards *forwards);

/*
 * A forward with `nr_outputs` outputs, none of them usable yet: packets are counted and dropped.
 * `forwards` is steer_forwards(); `lease`: the slot of the rule's lease, or 0. 0; -EINVAL: no
 * output, or more than XMC_MAX_COPIES; -E2BIG: the map of tallies is full; -ENOMEM; -errno.
 */
int forward_open(struct forward **out, struct forwards *forwards, unsigned int nr_outputs,
		 uint16_t lease);

/*
 * Set all outputs, `nr_outputs` of them. Atomic for each packet: it leaves by the old outputs with
 * the old headers, or by the new ones with the new headers. If a key uses the forward, from the
 * next packet on. Does nothing if nothing has changed. An interface that was removed and is back
 * with the same index counts as a change, because the kernel does not redirect to it any more.
 *
 * Packets larger than the least MTU of the usable outputs, or than XMC_MAX_REWRITTEN (rewrite.h),
 * are dropped for all outputs and counted in too_large of the rule.
 *
 * The first rule whose usable outputs are on a new set of devices waits for a grace period, some
 * tens of milliseconds.
 *
 * 0, or the forward is as before: -ENODEV: an interface does not exist in this network namespace;
 * -ENOSPC: too many sets of devices, or devices; -E2BIG: the map of outputs is full; -EOPNOTSUPP:
 * several usable outputs, but the program runs in skb mode; -EINVAL: addresses of two families;
 * -ENOMEM; -errno.
 */
int forward_set(struct forward *forward, const struct forward_output *outputs);

/* Let the packets of a rule with a lease take the user path while the lease is held: the forward
 * only counts those that are dropped because it is not. 0 or -errno as forward_set(). */
int forward_set_user(struct forward *forward);

/* What was counted since forward_open(), summed over the CPUs: of the rule received,
 * received_bytes, too_large and standby; of output i sent, sent_bytes and ttl_expired. The others
 * are 0. Never decreases, but is all 0 if the kernel cannot read it. */
void forward_read_rule(const struct forward *forward, struct xmc_tally *sum);
void forward_read_output(const struct forward *forward, unsigned int i, struct xmc_tally *sum);

/* No key may use it any more. What packets may still read is removed by the next steer_wait().
 * Accepts NULL. */
void forward_close(struct forward *forward);

/* Add the counters. */
static inline void tally_add(struct xmc_tally *sum, const struct xmc_tally *tally)
{
	sum->received += tally->received;
	sum->received_bytes += tally->received_bytes;
	sum->too_large += tally->too_large;
	sum->sent += tally->sent;
	sum->sent_bytes += tally->sent_bytes;
	sum->ttl_expired += tally->ttl_expired;
	sum->standby += tally->standby;
}

/* What one has more than a part of it. */
static inline struct xmc_tally tally_difference(const struct xmc_tally *sum,
						const struct xmc_tally *part)
{
	return (struct xmc_tally){
		.received = sum->received - part->received,
		.received_bytes = sum->received_bytes - part->received_bytes,
		.too_large = sum->too_large - part->too_large,
		.sent = sum->sent - part->sent,
		.sent_bytes = sum->sent_bytes - part->sent_bytes,
		.ttl_expired = sum->ttl_expired - part->ttl_expired,
		.standby = sum->standby - part->standby,
	};
}

/* ---- from one process to the next ---- */

/* The arrays of all counters, at their places; -1: none. Borrowed. */
void forwards_describe(const struct forwards *forwards, int tally_fds[XMC_CHUNKS]);

/* Where the counters of a forward are: those of output i are in the i-th slot from here on. */
uint32_t forward_slot(const struct forward *forward);

/* The counters in a slot of another process. Returns false if they cannot be read. */
bool forwards_read_foreign(const struct forwards *forwards, const int tally_fds[XMC_CHUNKS],
			   uint32_t slot, struct xmc_tally *sum);

/* ---- for steer.c ---- */

/* The maps are those of the steering program; `shared`: the outputs and tallies of another process
 * are in them, too. 0 or -errno; nothing is loaded before the first forward is set. */
int forwards_open(struct forwards **out, const struct pins *pins, bool shared);

/* No packet can reach the other process's outputs any more: remove them. */
void forwards_drop_shared(struct forwards *forwards);

/* Accepts NULL. */
void forwards_close(struct forwards *forwards);

/* In skb mode, the kernel gives all copies of a packet the same memory. */
void forwards_set_skb(struct forwards *forwards, bool skb);

/* Remove what forwards that were changed or closed have left in the maps. Since then a grace period
 * must have passed. */
void forwards_reap(struct forwards *forwards);

/* How many outputs and forwards would steer_wait() remove? */
unsigned int forwards_retired(const struct forwards *forwards);

/* The forward is used by this key from now on, so forward_set() updates the key's value: *rule is
 * its value now. 0; -EBUSY: another key uses it; -ENOMEM. */
int forward_use(struct forward *forward, const struct xmc_rule_key *key, struct xmc_rule *rule);
void forward_unuse(struct forward *forward);

/* The forward that is used by the key with this value; NULL: none. */
struct forward *forwards_find(const struct forwards *forwards, const struct xmc_rule *rule);

#endif
