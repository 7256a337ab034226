/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape map of one steering program: how many host bits the sources of its rules have, and
 * whether they have a port (xmcast/abi.h). Counts the keys of each shape, so that a shape is in the
 * map before the first key and until after the last one. Main thread; CAP_BPF.
 */
#ifndef XMCAST_STEERING_SHAPES_H
#define XMCAST_STEERING_SHAPES_H

#include <stdint.h>

#include <xmcast/abi.h>

/* All zero but the descriptor: the map of a program just loaded. */
struct shapes {
	int map_fd; /* borrowed */
	/* Keys that have a shape; and its slot + 1, or 0 for none. */
	uint32_t keys[XMC_FAMILIES][XMC_SHAPES];
	uint8_t slot[XMC_FAMILIES][XMC_SHAPES];
	uint8_t state[XMC_FAMILIES][XMC_SHAPE_SLOTS];
};

/* Before a key goes into the rule map. 0, -ENOSPC: too many shapes; -EINVAL: no such number of
 * host bits; or what the kernel says. */
int shapes_hold(struct shapes *shapes, const struct xmc_rule_key *key);

/* After a key that was held has left the rule map. */
void shapes_release(struct shapes *shapes, const struct xmc_rule_key *key);

#endif
