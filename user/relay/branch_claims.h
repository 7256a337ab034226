/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which rules of a configuration take groups and sources from a stem (branches.h), because they are
 * more specific. A part of branching.c. Main thread.
 */
#ifndef XMCAST_RELAY_BRANCH_CLAIMS_H
#define XMCAST_RELAY_BRANCH_CLAIMS_H

#include "rules/config.h"

/* All rules: those of one group, sorted, then prefixes. Starts all zero. */
struct branch_claims {
	unsigned int nr_groups, count;
	const struct rule **list;
};

/* Once. The configuration is borrowed. 0 or -ENOMEM. */
int branch_claims_collect(struct branch_claims *claims, const struct config *config);
void branch_claims_free(struct branch_claims *claims);

/* Does another rule than the stem have the group's packets of this source, or of these sources
 * (host_bits as rule_host_bits())? */
bool branch_claims_have(const struct branch_claims *claims, const struct rule *stem,
			const struct xmc_addr *group, const struct xmc_addr *source,
			uint8_t host_bits);

/* Does the rule match every packet of a source that another one with these host_bits matches? */
bool rule_covers_source(const struct rule *rule, const struct xmc_addr *source, uint8_t host_bits);

#endif
