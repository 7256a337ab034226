/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an intake has for the kernel paths of its rules (kernel_path.h): keys in its XDP map, and
 * room in the maps of forwards. Main thread. Rights as for steering/steer.h.
 */
#ifndef XMCAST_RELAY_KERNEL_SIDE_H
#define XMCAST_RELAY_KERNEL_SIDE_H

#include "relay/kernel_examine.h"

/* What the XDP map of an intake has for a rule's key. */
enum key_target {
	KEY_NONE,    /* no key: the packets are not the rule's */
	KEY_USER,    /* the user path; with a forward if the rule has a lease */
	KEY_FORWARD, /* the kernel path */
};

struct key_value {
	enum key_target target;
	struct forward *forward; /* NULL: none */
};

/* Change a key in the XDP map from one value to another. 0 or -errno, see steer_add_rule(). */
int kernel_side_change(const struct kernel_side *side, const struct xmc_rule_key *key,
		       struct key_value from, struct key_value to);

/* Remove from the maps what changed forwards do not use any more, if that is more than `most`
 * entries. Takes a grace period if so. */
void kernel_side_tidy(const struct kernel_side *side, unsigned int most);

/* Create what the first packets to this interface need (0: it does not exist), which takes some
 * grace periods, and programs that count. Does nothing if it is there; what fails here is tried and
 * reported by the rules that need it. */
void kernel_side_prepare(const struct kernel_side *side, int output_ifindex);

/* A forward was refused with this error. True: what changed and closed forwards have left in the
 * maps was in its way, and is removed now: try again. That takes a grace period. */
bool kernel_side_make_room(const struct kernel_side *side, int err);

#endif
