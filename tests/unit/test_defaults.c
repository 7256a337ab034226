/* SPDX-License-Identifier: BSD-2-Clause */
/* `defaults:`, the options of outputs that do not give them. */
#include <errno.h>

#include "config_text.h"
#include "rules/change.h"

#define DEFAULTS "defaults: { ttl: 8, dscp: EF, from: keep }\n"
#define IN	 "in 239.1.1.1:5000@eth0"

static void expect_output(const struct config *config, unsigned int rule, unsigned int output,
			  const char *expected)
{
	char text[300];
	struct rule whole;

	snprintf(text, sizeof(text), IN " out %s", expected);
	whole = parse_rule(text);
	strcpy(whole.name, config->rules[rule].name);
	assert_true(output < config->rules[rule].nr_outputs);
	for (size_t i = 0; output_fields[i].name; i++) {
		if (!field_equal(&output_fields[i], &config->rules[rule].outputs[output],
				 &whole.outputs[0]))
			fail_msg("output %u of rule %u: another %s than in %s", output, rule,
				 output_fields[i].name, expected);
	}
	rule_free(&whole);
}

/* Before or behind the rules, which are mappings and lines. */
static void test_file(void **state)
{
	static const char rules[] = "rules:\n"
				    "- in: 239.1.1.1:5000@eth0\n"
				    "  out: [ 239.2.2.2@eth1, { to: 10.0.0.1:6000, ttl: 64 } ]\n"
				    "- in 239.1.1.2:5000@eth0 out 10.0.0.1 dscp default from auto "
				    "out 10.0.0.2 from 10.0.0.9:5\n";
	char text[1000];

	for (int behind = 0; behind < 2; behind++) {
		struct config config;

		snprintf(text, sizeof(text), "%s%s", behind ? rules : DEFAULTS,
			 behind ? DEFAULTS : rules);
		config = parse(text);
		expect_output(&config, 0, 0, "239.2.2.2@eth1 ttl 8 dscp ef from keep");
		expect_output(&config, 0, 1, "10.0.0.1:6000 ttl 64 dscp ef from keep");
		expect_output(&config, 1, 0, "10.0.0.1 ttl 8");
		expect_output(&config, 1, 1, "10.0.0.2 ttl 8 dscp ef from 10.0.0.9:5");
		expect_same(&config);
		config_free(&config);
	}
}

/* Rules of the command line and of clients as well. What is printed of them has the same meaning
 * there. */
static void test_change(void **state)
{
	struct config config = parse(DEFAULTS "rules: []\n"), again;
	static const char *const lines[] = {
		"a " IN
		" out 239.2.2.2:1@eth1 out 10.0.0.1:1 ttl 64 out 10.0.0.2:1 dscp 0 from auto "
		"out 10.0.0.3:1 ttl keep",
	};
	struct rule_operation operation = {.verb = RULE_REPLACE};
	struct errors errors = {0};
	char *text;

	assert_int_equal(config_add_rules(&config, lines, 1, "--rule", &errors), 0);
	expect_output(&config, 0, 0, "239.2.2.2:1@eth1 ttl 8 dscp ef from keep");
	expect_output(&config, 0, 1, "10.0.0.1:1 ttl 64 dscp ef from keep");
	expect_output(&config, 0, 2, "10.0.0.2:1 ttl 8");
	expect_output(&config, 0, 3, "10.0.0.3:1 ttl keep dscp ef from keep");
	expect_same(&config);
	text = rule_format(&config.rules[0], &config.defaults);
	assert_string_equal(text, "a " IN " out 239.2.2.2:1@eth1 out 10.0.0.1:1 ttl 64 out "
				  "10.0.0.2:1 from auto dscp default out 10.0.0.3:1 ttl keep");
	operation.text = text;
	assert_int_equal(config_change(&config, &operation, 1, "x", &again, &errors), 0);
	assert_true(config_equal(&config, &again));
	free(text);
	config_free(&config);
	config_free(&again);
}

static void test_bad(void **state)
{
	static const char text[] =
		"rules: []\n"
		"defaults: { ttl: 256, dscp: 64, from: 1.1.1.1@a, rate: 5mbit }\n";
	static const struct expected expected[] = {
		{2, 18, "256", "not a valid ttl, expected a number from 1 to 255, keep or dec"},
		{2, 29, "64", "not a valid dscp"},
		{2, 39, "1.1.1.1@a", "a source has no interface"},
		{2, 50, "rate", "unknown key, expected one of from, ttl, dscp"},
		{0},
	};
	struct errors errors = {0};
	struct config config;

	config_init(&config);
	assert_int_equal(config_parse_yaml(text, strlen(text), "f", &config, &errors), -EINVAL);
	expect_errors(&errors, expected, text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
