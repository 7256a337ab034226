/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the configuration says about queriers and receivers, as their modules want it. A part of
 * demand.c. Pure.
 */
#ifndef XMCAST_RELAY_DEMAND_SETTINGS_H
#define XMCAST_RELAY_DEMAND_SETTINGS_H

#include "membership/querier.h"
#include "membership/receivers.h"
#include "rules/config.h"

/* The settings of an interface: those of its section come before those of `demand`. NULL: it has
 * none. */
struct demand_config demand_settings(const struct demand_config *all,
				     const struct iface_config *section);

struct querier_rules demand_querier_rules(const struct demand_config *config);

/* How long a report holds. */
uint64_t demand_membership_ns(const struct demand_config *config);

/* `querier`: of the interface and family of a report. */
struct receivers_rules demand_receivers_rules(const struct demand_config *config,
					      const struct querier *querier, uint64_t now_ns);

#endif
