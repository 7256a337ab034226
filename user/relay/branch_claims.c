/* SPDX-License-Identifier: BSD-2-Clause */
#include "relay/branch_claims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

bool rule_covers_source(const struct rule *rule, const struct xmc_addr *source, uint8_t host_bits)
{
	uint8_t bits = rule_host_bits(rule);
	struct xmc_addr mask, masked;

	xmc_mask_from_host_bits(&mask, bits);
	xmc_addr_mask(&masked, source, &mask);
	return bits >= host_bits && addr_equal(&masked, &rule->source);
}

/* May the rule take a group from the stem, or sources of its group? */
static bool may_claim(const struct rule *rule, const struct rule *stem)
{
	return rule != stem && !rule->disabled && rule->protocol == stem->protocol &&
	       rule->port == stem->port &&
	       (stem->group_host_bits
			? rule->group_host_bits < stem->group_host_bits
			: !rule->group_host_bits && rule_host_bits(rule) < rule_host_bits(stem)) &&
	       prefix_has(&stem->group, stem->group_host_bits, &rule->group) &&
	       strcmp(rule->iface, stem->iface) == 0;
}

/* The order of claims: those that may take the group from the stem are neighbours. */
static int compare_claim(const struct rule *rule, const struct xmc_addr *group,
			 const struct rule *stem)
{
	int order = memcmp(&rule->group, group, sizeof(*group));

	if (!order)
		order = (int)rule->port - (int)stem->port;
	return order ? order : strcmp(rule->iface, stem->iface);
}

static int compare_claims(const void *a, const void *b)
{
	const struct rule *const *first = a, *const *second = b;

	return compare_claim(*first, &(*second)->group, *second);
}

int branch_claims_collect(struct branch_claims *claims, const struct config *config)
{
	claims->list = calloc(config->nr_rules + 1UL, sizeof(*claims->list));
	if (!claims->list)
		return -ENOMEM;
	for (unsigned int i = 0; i < 2 * config->nr_rules; i++) {
		const struct rule *rule = &config->rules[i % config->nr_rules];
		bool prefixes = i >= config->nr_rules;

		if (!rule->group_host_bits == prefixes)
			continue;
		claims->list[claims->count++] = rule;
		claims->nr_groups += !prefixes;
	}
	qsort(claims->list, claims->nr_groups, sizeof(*claims->list), compare_claims);
	return 0;
}

void branch_claims_free(struct branch_claims *claims)
{
	free(claims->list);
}

/* The first claim of this group that the stem may have, or where it would be. */
static unsigned int find_claim(const struct branch_claims *claims, const struct xmc_addr *group,
			       const struct rule *stem)
{
	unsigned int low = 0, high = claims->nr_groups;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (compare_claim(claims->list[middle], group, stem) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool branch_claims_have(const struct branch_claims *claims, const struct rule *stem,
			const struct xmc_addr *group, const struct xmc_addr *source,
			uint8_t host_bits)
{
	for (unsigned int i = find_claim(claims, group, stem);
	     i < claims->nr_groups && !compare_claim(claims->list[i], group, stem); i++) {
		if (may_claim(claims->list[i], stem) &&
		    rule_covers_source(claims->list[i], source, host_bits))
			return true;
	}
	/* Sources of one group are taken by rules of that group alone. */
	for (unsigned int i = claims->nr_groups; stem->group_host_bits && i < claims->count; i++) {
		const struct rule *rule = claims->list[i];

		if (prefix_has(&rule->group, rule->group_host_bits, group) &&
		    may_claim(rule, stem) && rule_covers_source(rule, source, host_bits))
			return true;
	}
	return false;
}
