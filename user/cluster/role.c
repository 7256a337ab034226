/* SPDX-License-Identifier: BSD-2-Clause */
#include "cluster/role.h"

#include "base/json_build.h"
#include "cluster/view.h"

uint64_t role_elsewhere(const struct protocol *protocol, unsigned int shard)
{
	const struct view *view = protocol_view(protocol);
	unsigned int holder = view_holder(view, &view->shards[shard]);

	if (protocol_is_ours(protocol, shard) || holder == NO_NODE || !view->nodes[holder].live)
		return 0;
	/* Longer than it holds the shard without another renewal, by the time to the next report.
	 */
	return view->nodes[holder].seen + view->deadline + view->guard + ROLE_NS;
}

bool role_is_cold(const struct protocol *protocol, const struct cluster_config *config,
		  unsigned int shard)
{
	const struct view *view = protocol_view(protocol);
	unsigned int node = view_find(view, config->node);

	/* The first of those before it is the owner, or will be. */
	return config->standbys < CLUSTER_NODES && node != NO_NODE &&
	       role_elsewhere(protocol, shard) &&
	       view_is_behind(view, &view->shards[shard], node, 1 + config->standbys);
}

void role_add(json_t **list, const struct protocol *protocol, const struct cluster_config *config)
{
	struct shard_status shard;

	for (unsigned int i = 0; i < protocol_shards(protocol); i++) {
		uint64_t elsewhere = role_elsewhere(protocol, i);

		if (!elsewhere)
			continue;
		protocol_shard_name(protocol, i, &shard);
		json_add(list, json_pack("{s:s, s:i, s:i, s:I, s:b}", "name", shard.lease->name,
					 "shards", (int)shard.lease->shards, "shard",
					 (int)shard.number, "elsewhere", (json_int_t)elsewhere,
					 "cold", role_is_cold(protocol, config, i)));
	}
}
