/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/demand_settings.h"

struct demand_config demand_settings(const struct demand_config *all,
				     const struct iface_config *section)
{
	struct demand_config config = *all;

	if (section && section->querier != IFACE_QUERIER_DEFAULT)
		config.querier = section->querier == IFACE_QUERIER_AUTO;
	if (section && section->leave != IFACE_LEAVE_DEFAULT)
		config.leave = (enum demand_leave)(section->leave - 1);
	return config;
}

struct querier_rules demand_querier_rules(const struct demand_config *config)
{
	return (struct querier_rules){
		.asks = config->querier,
		.robustness = config->robustness,
		.interval_ns = config->query_interval * (uint64_t)NS_PER_MS,
		.response_ns = config->response_time * (uint64_t)NS_PER_MS,
		.last_member_ns = config->last_member_interval * (uint64_t)NS_PER_MS,
	};
}

uint64_t demand_membership_ns(const struct demand_config *config)
{
	return (config->robustness * (uint64_t)config->query_interval + config->response_time) *
	       NS_PER_MS;
}

struct receivers_rules demand_receivers_rules(const struct demand_config *config,
					      const struct querier *querier, uint64_t now_ns)
{
	bool other = querier->other_until_ns > now_ns;
	struct receivers_rules rules = {
		.most_groups = config->max_groups,
		.most_members = config->max_members,
		.membership_ns = demand_membership_ns(config),
		.last_member_ns =
			config->robustness * (uint64_t)config->last_member_interval * NS_PER_MS,
		.leave = (enum receivers_leave)config->leave,
		.asked = config->querier || other,
		.waits = other,
	};

	/* All routers of a link use the querier's times. */
	if (other)
		rules.membership_ns = querier->other_member_ns;
	return rules;
}
