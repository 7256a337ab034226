/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules/rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmcast/packet.h>

#include "base/lookup.h"
#include "rules/prefix.h"
#include "rules/range.h"

#define TTL_TO_GROUP 1
#define TTL_TO_HOST  64

void rule_free(struct rule *rule)
{
	free(rule->outputs);
	free(rule->sides);
	range_put(rule->range);
	memset(rule, 0, sizeof(*rule));
}

int rule_copy(struct rule *copy, const struct rule *rule)
{
	*copy = *rule;
	copy->outputs = calloc(rule->nr_outputs ? rule->nr_outputs : 1, sizeof(*copy->outputs));
	copy->sides = rule->nr_sides ? calloc(rule->nr_sides, sizeof(*copy->sides)) : NULL;
	if (!copy->outputs || (rule->nr_sides && !copy->sides)) {
		free(copy->outputs);
		free(copy->sides);
		memset(copy, 0, sizeof(*copy));
		return -ENOMEM;
	}
	memcpy(copy->outputs, rule->outputs, rule->nr_outputs * sizeof(*copy->outputs));
	if (rule->nr_sides)
		memcpy(copy->sides, rule->sides, rule->nr_sides * sizeof(*copy->sides));
	range_hold(copy->range);
	return 0;
}

static bool options_equal(const struct field *options, const void *a, const void *b)
{
	while (options->name && field_equal(options, a, b))
		options++;
	return !options->name;
}

bool rule_equal(const struct rule *a, const struct rule *b)
{
	bool equal = strcmp(a->name, b->name) == 0 && addr_equal(&a->group, &b->group) &&
		     a->group_host_bits == b->group_host_bits && a->port == b->port &&
		     a->protocol == b->protocol && strcmp(a->iface, b->iface) == 0 &&
		     a->nr_outputs == b->nr_outputs && options_equal(rule_options, a, b) &&
		     rule_sides_equal(a, b);

	for (unsigned int i = 0; equal && i < a->nr_outputs; i++) {
		const struct rule_output *x = &a->outputs[i], *y = &b->outputs[i];

		equal = addr_equal(&x->to, &y->to) && x->same == y->same && x->port == y->port &&
			strcmp(x->iface, y->iface) == 0 && options_equal(output_options, x, y);
	}
	return equal;
}

void rule_derive_name(struct rule *rule)
{
	char source[SOURCE_TEXT_SIZE] = "";
	char input[ENDPOINT_TEXT_SIZE];

	if (!addr_is_any(&rule->source))
		prefix_format(&rule->source, rule->source_host_bits, true, source);
	input_format(rule, input);
	/* "[ADDR]/128" has 45 bytes at most. */
	snprintf(rule->name, sizeof(rule->name), "%.45s%s%s", source, *source ? ">" : "", input);
	for (char *byte = rule->name; *byte; byte++) {
		if (!name_byte_is_valid(*byte))
			*byte = '_';
	}
}

uint8_t rule_host_bits(const struct rule *rule)
{
	return addr_is_any(&rule->source) ? XMC_HOST_BITS_ANY : rule->source_host_bits;
}

void rule_key(const struct rule *rule, struct xmc_rule_key *key)
{
	*key = (struct xmc_rule_key){
		.source = rule->source,
		.group = rule->group,
		.port = htons(rule->port),
		.host_bits = rule_host_bits(rule),
		.protocol = rule->protocol,
	};
}

uint16_t rule_output_port(const struct rule *rule, const struct rule_output *output)
{
	return output->port == RULE_PORT_KEPT ? rule->port : output->port;
}

bool rule_output_is_input(const struct rule *rule, const struct rule_output *output)
{
	for (unsigned int i = 0; i < rule_inputs(rule); i++) {
		struct rule view;
		uint16_t port;

		rule_of_side(rule, i, &view);
		port = rule_output_port(&view, output);
		if ((view.port == RULE_PORT_ANY || port == view.port) &&
		    addr_equal(&output->to, &view.group) && strcmp(output->iface, view.iface) == 0)
			return true;
	}
	return false;
}

bool rule_is_kernel_only(const struct rule *rule)
{
	return rule->protocol || rule->path == RULE_PATH_KERNEL;
}

bool output_is_limited(const struct rule_output *output)
{
	return output->rate_bps || output->rate_pps;
}

unsigned int rule_shard(const struct rule *rule)
{
	uint32_t hash = 0x811c9dc5;

	for (const char *byte = rule->name; *byte; byte++)
		hash = (hash ^ (uint8_t)*byte) * 0x01000193;
	return (unsigned int)((uint64_t)hash * rule->lease_shards >> 32);
}

bool rule_lease_equal(const struct rule *a, const struct rule *b)
{
	return field_equal(&rule_fields[RULE_LEASE], a, b);
}

bool output_has_from(const struct rule_output *output)
{
	return output->from_kept || !addr_is_any(&output->from);
}

bool output_keeps_headers(const struct rule_output *output)
{
	return output->from_kept || output->ttl > UINT8_MAX || output->dscp == RULE_DSCP_KEPT;
}

uint8_t rule_default_ttl(const struct xmc_addr *to)
{
	return addr_is_multicast(to) ? TTL_TO_GROUP : TTL_TO_HOST;
}

const char *rule_branch_begin(const char *name, char text[BRANCH_BEGIN_SIZE])
{
	size_t length = strlen(name);

	if (length > BRANCH_NAME_MAX)
		snprintf(text, BRANCH_BEGIN_SIZE, "%.*s~%08x ", BRANCH_NAME_MAX, name,
			 lookup_hash(name, length));
	else
		snprintf(text, BRANCH_BEGIN_SIZE, "%s ", name);
	return text;
}
