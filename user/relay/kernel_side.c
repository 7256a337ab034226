/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/kernel_side.h"

#include <errno.h>

int kernel_side_change(const struct kernel_side *side, const struct xmc_rule_key *key,
		       struct key_value from, struct key_value to)
{
	if (from.target == to.target && from.forward == to.forward)
		return 0;
	if (to.target == KEY_NONE)
		return steer_remove_rule(side->steer, key);
	if (from.target == KEY_NONE)
		return steer_add_rule(side->steer, key, to.forward);
	return steer_set_rule(side->steer, key, to.forward);
}

void kernel_side_tidy(const struct kernel_side *side, unsigned int most)
{
	if (side->steer && forwards_retired(steer_forwards(side->steer)) > most)
		steer_wait(side->steer);
}

void kernel_side_prepare(const struct kernel_side *side, int output_ifindex)
{
	const char *why;

	if (!side->steer || !output_ifindex || !steer_can_forward(side->steer, &why))
		return;
	forwards_prepare(steer_forwards(side->steer));
	redirects_prepare(side->redirects, side->ifindex, output_ifindex, side->skb);
}

bool kernel_side_make_room(const struct kernel_side *side, int err)
{
	if ((err != -ENOSPC && err != -E2BIG) || !forwards_retired(steer_forwards(side->steer)))
		return false;
	return !steer_wait(side->steer);
}
