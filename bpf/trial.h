/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Trials: a second instance of the steering program runs on a packet that somebody has asked about
 * (user/steering/trial.h). It is the same code with the same maps, but it must leave no trace in
 * them: what it would count or note goes into the map `trials` instead. In the program that is
 * attached, `trial` is false, and the verifier removes these branches.
 */
#ifndef XMCAST_TRIAL_H
#define XMCAST_TRIAL_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <xmcast/abi.h>
#include <xmcast/packet.h>

#include "single.h"

const volatile bool trial;

SINGLE(BPF_MAP_TYPE_ARRAY, struct xmc_trial) trials SEC(".maps");

static __always_inline int trial_count(__u32 reason, int action)
{
	struct xmc_trial *notes = only_value(&trials);

	if (notes)
		notes->reason = reason;
	return action;
}

/* This rule was found for the packet. */
static __always_inline void trial_found(const struct xmc_shape *shape,
					const struct xmc_datagram *dgram)
{
	struct xmc_trial *notes = only_value(&trials);
	struct xmc_rule_key key __attribute__((aligned(8))); /* see xmc_shape_key() */

	if (!notes)
		return;
	xmc_shape_key(shape, dgram, &key);
	notes->key = key;
	notes->found = 1;
}

#endif
