/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/shapes.h"

#include <bpf/bpf.h>
#include <errno.h>

#include <xmcast/packet.h>

static int write_slot(struct shapes *shapes, enum xmc_family family, unsigned int slot,
		      unsigned int number, enum xmc_shape_state state)
{
	struct xmc_shape shape = {.state = (__u8)state};
	__u32 index = family * XMC_SHAPE_SLOTS + slot;
	int err;

	xmc_shape_set(&shape, number);
	err = bpf_map_update_elem(shapes->map_fd, &index, &shape, BPF_ANY);
	if (!err)
		shapes->state[family][slot] = (uint8_t)state;
	return err;
}

int shapes_hold(struct shapes *shapes, const struct xmc_rule_key *key)
{
	enum xmc_family family = xmc_family_of(&key->group);
	unsigned int number = xmc_shape_of(key);
	unsigned int slot = 0;
	int err;

	if (key->host_bits > XMC_HOST_BITS_ANY)
		return -EINVAL;
	if (shapes->keys[family][number]++)
		return 0;
	/* The program reads up to the first XMC_SHAPE_END, so the first slot that is not used is
	 * either that one or before it. */
	while (slot < XMC_SHAPE_SLOTS && shapes->state[family][slot] == XMC_SHAPE_USED)
		slot++;
	err = slot == XMC_SHAPE_SLOTS ? -ENOSPC
				      : write_slot(shapes, family, slot, number, XMC_SHAPE_USED);
	if (err)
		shapes->keys[family][number]--;
	else
		shapes->slot[family][number] = (uint8_t)(slot + 1);
	return err;
}

void shapes_release(struct shapes *shapes, const struct xmc_rule_key *key)
{
	enum xmc_family family = xmc_family_of(&key->group);
	unsigned int number = xmc_shape_of(key);
	unsigned int slot;

	if (--shapes->keys[family][number])
		return;
	slot = shapes->slot[family][number] - 1U;
	shapes->slot[family][number] = 0;
	/* If the kernel refuses, the slot stays in use, here and in the map: a wasted look-up. */
	if (write_slot(shapes, family, slot, number, XMC_SHAPE_FREE))
		return;
	/* Free slots after the last used one become the end. From the back, so that the program
	 * never takes a slot before a used one for the end. */
	for (slot = XMC_SHAPE_SLOTS; slot-- > 0 && shapes->state[family][slot] != XMC_SHAPE_USED;) {
		if (shapes->state[family][slot] == XMC_SHAPE_FREE &&
		    write_slot(shapes, family, slot, 0, XMC_SHAPE_END))
			return;
	}
}
