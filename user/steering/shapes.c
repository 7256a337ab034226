/* SPDX-License-Identifier: BSD-2-Clause */
#include "steering/shapes.h"

#include <bpf/bpf.h>
#include <errno.h>

#include <xmcast/packet.h>

static enum xmc_family family_of(const struct xmc_rule_key *key)
{
	return xmc_addr_is_ipv4(&key->group) ? XMC_IPV4 : XMC_IPV6;
}

/* Of SHAPE_KINDS, which one the key has. */
static unsigned int kind_of(const struct xmc_rule_key *key)
{
	return 2U * key->host_bits + (key->port == 0);
}

static int write_slot(struct shapes *shapes, enum xmc_family family, unsigned int slot,
		      unsigned int kind, enum xmc_shape_state state)
{
	struct xmc_shape shape = {
		.host_bits = (__u8)(kind / 2),
		.state = (__u8)state,
		.port_mask = kind % 2 ? XMC_PORT_ANY : XMC_PORT_ONE,
	};
	__u32 index = family * XMC_SHAPE_SLOTS + slot;
	int err;

	xmc_mask_from_host_bits(&shape.mask, kind / 2);
	err = bpf_map_update_elem(shapes->map_fd, &index, &shape, BPF_ANY);
	if (!err)
		shapes->state[family][slot] = (uint8_t)state;
	return err;
}

int shapes_hold(struct shapes *shapes, const struct xmc_rule_key *key)
{
	enum xmc_family family = family_of(key);
	unsigned int kind = kind_of(key);
	unsigned int slot = 0;
	int err;

	if (key->host_bits > XMC_HOST_BITS_ANY)
		return -EINVAL;
	if (shapes->keys[family][kind]++)
		return 0;
	/* The program reads up to the first XMC_SHAPE_END: the first that is not used is in front
	 * of it, or it. */
	while (slot < XMC_SHAPE_SLOTS && shapes->state[family][slot] == XMC_SHAPE_USED)
		slot++;
	err = slot == XMC_SHAPE_SLOTS ? -ENOSPC
				      : write_slot(shapes, family, slot, kind, XMC_SHAPE_USED);
	if (err)
		shapes->keys[family][kind]--;
	else
		shapes->slot[family][kind] = (uint8_t)(slot + 1);
	return err;
}

void shapes_release(struct shapes *shapes, const struct xmc_rule_key *key)
{
	enum xmc_family family = family_of(key);
	unsigned int kind = kind_of(key);
	unsigned int slot;

	if (--shapes->keys[family][kind])
		return;
	slot = shapes->slot[family][kind] - 1U;
	shapes->slot[family][kind] = 0;
	/* One that the kernel does not let go stays as it is in the map and here: it costs a
	 * look-up that finds nothing, and its slot. */
	if (write_slot(shapes, family, slot, kind, XMC_SHAPE_FREE))
		return;
	/* Free ones at the end need no look, from the last one on. */
	for (slot = XMC_SHAPE_SLOTS; slot-- > 0 && shapes->state[family][slot] != XMC_SHAPE_USED;) {
		if (shapes->state[family][slot] == XMC_SHAPE_FREE &&
		    write_slot(shapes, family, slot, 0, XMC_SHAPE_END))
			return;
	}
}
