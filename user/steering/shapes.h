/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shape map of one steering program: how many host bits the sources of its rules ignore, and
 * whether they name a port (xmcast/abi.h). Counts the keys of each shape, so that a shape is in the
 * map from before its first key is added until after its last key is removed.
 *
 * Main thread. Needs CAP_BPF.
 */
#ifndef XMCAST_STEERING_SHAPES_H
#define XMCAST_STEERING_SHAPES_H

#include <stdint.h>

#include <xmcast/abi.h>

/* For a map that is empty: all zero but the descriptor. */
struct shapes {
	int map_fd; /* borrowed */
	/* Per shape: its keys, and its slot + 1; 0: none. */
	uint32_t keys[XMC_FAMILIES][XMC_SHAPES];
	uint8_t slot[XMC_FAMILIES][XMC_SHAPES];
	uint8_t state[XMC_FAMILIES][XMC_SHAPE_SLOTS];
};

/* Call before a key is added to the rule map. 0; -ENOSPC: too many shapes; -EINVAL: too many host
 * bits; -errno. */
int shapes_hold(struct shapes *shapes, const struct xmc_rule_key *key);

/* Call after a key that was held has been removed from the rule map. */
void shapes_release(struct shapes *shapes, const struct xmc_rule_key *key);

#endif
