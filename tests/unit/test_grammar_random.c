/* SPDX-License-Identifier: BSD-2-Clause */
/* Random rules: rule_format() and grammar_parse_rule() are inverse. */
#include "config_text.h"

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
	return next_random(seed) % limit;
}

static void random_address(uint32_t *seed, bool ipv4, int multicast, struct xmc_addr *addr)
{
	for (unsigned int i = 0; i < 16; i++)
		addr->b[i] = random_below(seed, 3) ? 0 : (uint8_t)next_random(seed);
	if (ipv4) {
		memset(addr->b, 0, 10);
		addr->b[10] = addr->b[11] = 0xff;
		addr->b[12] = (uint8_t)(multicast ? 224 + random_below(seed, 16)
						  : 1 + random_below(seed, 223));
	} else {
		addr->b[0] = multicast ? 0xff : 0x20;
	}
}

static void random_iface(uint32_t *seed, char iface[IF_NAMESIZE])
{
	uint32_t length = 1 + random_below(seed, IF_NAMESIZE - 1);

	memset(iface, 0, IF_NAMESIZE);
	for (uint32_t i = 0; i < length; i++) {
		char byte = (char)(0x21 + random_below(seed, 0x7f - 0x21));

		iface[i] = byte == '/' || byte == ':' ? '-' : byte;
	}
	if (strchr(",;", iface[length - 1]))
		iface[length - 1] = 'x';
	if (strcmp(iface, ".") == 0 || strcmp(iface, "..") == 0)
		iface[0] = 'x';
}

static void random_name(uint32_t *seed, char name[RULE_NAME_SIZE])
{
	uint32_t length = 1 + random_below(seed, RULE_NAME_SIZE - 1);

	for (uint32_t i = 0; i < length; i++) {
		char byte = (char)(0x21 + random_below(seed, 0x7f - 0x21));

		name[i] = name_byte_is_valid(byte) ? byte : '_';
	}
	name[length] = '\0';
	/* No keyword has these; and no name ends with a colon. */
	name[0] = ':';
	name[length - 1] = '.';
}

/* A host, or a prefix, which keeps its first bit so that it stays in range. */
static void random_source(uint32_t *seed, bool ipv4, struct rule *rule)
{
	random_address(seed, ipv4, false, &rule->source);
	if (random_below(seed, 2))
		return;
	rule->source_host_bits = (uint8_t)random_below(seed, ipv4 ? 25 : 121);
	for (unsigned int bit = 0; bit < rule->source_host_bits; bit++)
		rule->source.b[15 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
	/* Nothing left: no address. */
	if (addr_is_any(&rule->source))
		rule->source.b[0] = 0x20;
}

/* A prefix of groups, which keeps the bits that make it one. */
static void random_groups(uint32_t *seed, bool ipv4, struct rule *rule)
{
	rule->group_host_bits = (uint8_t)random_below(seed, ipv4 ? 29 : 121);
	for (unsigned int bit = 0; bit < rule->group_host_bits; bit++)
		rule->group.b[15 - bit / 8] &= (uint8_t) ~(1U << bit % 8);
}

static struct rule random_rule(uint32_t *seed)
{
	bool ipv4 = random_below(seed, 2);
	struct rule rule = {.nr_outputs = 1 + random_below(seed, 5)};

	random_address(seed, ipv4, random_below(seed, 2), &rule.group);
	if (random_below(seed, 2))
		random_source(seed, ipv4, &rule);
	rule.path = (uint8_t)random_below(seed, RULE_PATH_AUTO + 1);
	/* A group of any port, of one, or of an IP protocol: some that may be relayed. */
	if (addr_is_multicast(&rule.group) && random_below(seed, 4) == 0)
		rule.protocol = (uint8_t)(146 + random_below(seed, 109));
	else if (!addr_is_multicast(&rule.group) || random_below(seed, 2))
		rule.port = (uint16_t)(1 + random_below(seed, 65535));
	if (addr_is_multicast(&rule.group) && !rule.protocol && random_below(seed, 2))
		random_groups(seed, ipv4, &rule);
	random_iface(seed, rule.iface);
	if (random_below(seed, 2))
		random_name(seed, rule.name);
	else
		rule_derive_name(&rule);
	rule.outputs = calloc(rule.nr_outputs, sizeof(*rule.outputs));
	assert_non_null(rule.outputs);
	for (unsigned int i = 0; i < rule.nr_outputs; i++) {
		struct rule_output *output = &rule.outputs[i];
		bool multicast = random_below(seed, 2);

		random_address(seed, ipv4, multicast, &output->to);
		output->same = multicast && random_below(seed, 2);
		if (output->same)
			output->to = rule.group;
		if (random_below(seed, 4))
			output->port = (uint16_t)(1 + random_below(seed, 65535));
		output->ttl = random_below(seed, 2)
				      ? rule_default_ttl(&output->to)
				      : (uint16_t)(1 + random_below(seed, RULE_TTL_DECREMENTED));
		output->dscp = (uint8_t)random_below(seed, RULE_DSCP_KEPT + 1);
		output->from_kept = random_below(seed, 4) == 0;
		if (!output->from_kept && random_below(seed, 2)) {
			random_address(seed, ipv4, false, &output->from);
			output->from_port = (uint16_t)random_below(seed, 65536);
		}
		if (multicast || random_below(seed, 2))
			random_iface(seed, output->iface);
	}
	return rule;
}

static void test_format_is_inverse(void **state)
{
	uint32_t seed = 20240229;

	for (int i = 0; i < 20000; i++) {
		struct rule rule = random_rule(&seed), again;
		char *text = rule_format(&rule, NULL);

		assert_non_null(text);
		again = parse_rule(text);
		if (!rule_equal(&rule, &again))
			fail_msg("not the same after parsing: %s", text);
		free(text);
		rule_free(&rule);
		rule_free(&again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_is_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
